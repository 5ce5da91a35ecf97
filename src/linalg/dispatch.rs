//! Which instruction set a kernel runs on: asked of the processor once, at run time.

use std::sync::OnceLock;

use super::real::Real;
use super::vector::Vector;

/// An instruction set that this program has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        }
    }

    /// Whether this processor has it.
    pub fn available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                Isa::Avx2.available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
            }
        }
    }

    /// All that this processor has, the slowest first.
    pub fn all_available() -> impl Iterator<Item = Isa> {
        [
            Isa::Portable,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512,
        ]
        .into_iter()
        .filter(|isa| isa.available())
    }

    /// The best that this processor has, or what the environment variable `RUSTBP_KERNEL` names, if it has that.
    pub fn best() -> Isa {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| {
            let asked = std::env::var("RUSTBP_KERNEL").ok();
            Isa::all_available()
                .find(|isa| Some(isa.name()) == asked.as_deref())
                .or_else(|| Isa::all_available().last())
                .unwrap_or(Isa::Portable)
        })
    }
}

/// Work written once for every instruction set.
///
/// `run` and all that it calls with a `V` has to be `#[inline(always)]`, without closures over a `V`: only what is inlined
/// into the function that enables the instruction set is compiled for it.
pub trait Kernel<T: Real> {
    type Output;
    fn run<V: Vector<Scalar = T>>(self) -> Self::Output;
}

/// Run a kernel on `isa`, or on the portable path where the processor lacks it.
#[inline]
pub fn dispatch<T: Real, K: Kernel<T>>(isa: Isa, kernel: K) -> K::Output {
    match isa {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the processor has what the function enables, as asked just here.
        Isa::Avx512 if isa.available() => unsafe { run_avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 if isa.available() => unsafe { run_avx2(kernel) },
        _ => kernel.run::<T::Portable>(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<T::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
fn run_avx512<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<T::Avx512>()
}
