//! Which instruction set a kernel runs on: asked of the processor once, at run time.

use std::sync::OnceLock;

#[cfg(test)]
use crate::linalg::kernels::bfloat16_model;
use crate::linalg::kernels::portable;
use crate::linalg::kernels::scalar::Scalar;
use crate::linalg::kernels::vector::Vector;
#[cfg(target_arch = "x86_64")]
use crate::linalg::kernels::{amx, avx2, avx512, avx512bf16};

/// An instruction set that this program has kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with matrix products of bfloat16 numbers, only where asked for: see
    /// [`bfloat16`](crate::linalg::dense::bfloat16).
    #[cfg(target_arch = "x86_64")]
    Bfloat16,
    /// The same with AMX's tiles.
    #[cfg(target_arch = "x86_64")]
    Bfloat16Tiles,
    /// The same in plain arithmetic.
    #[cfg(test)]
    Bfloat16Model,
    #[cfg(test)]
    Bfloat16TilesModel,
}

impl Isa {
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16 => "bfloat16",
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16Tiles => "bfloat16 tiles",
            #[cfg(test)]
            Isa::Bfloat16Model => "bfloat16 model",
            #[cfg(test)]
            Isa::Bfloat16TilesModel => "bfloat16 tiles model",
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
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16 => {
                Isa::Avx512.available()
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512bf16")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16Tiles => Isa::Bfloat16.available() && amx::available(),
            #[cfg(test)]
            Isa::Bfloat16Model | Isa::Bfloat16TilesModel => true,
        }
    }

    /// The fastest matrix products of bfloat16 numbers that this processor has.
    pub fn bfloat16() -> Option<Isa> {
        Isa::available_bfloat16().last()
    }

    /// All that multiply bfloat16 numbers and that this processor has, the slowest first.
    fn available_bfloat16() -> impl Iterator<Item = Isa> {
        [
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16,
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16Tiles,
        ]
        .into_iter()
        .filter(|isa: &Isa| isa.available())
    }

    /// Rows of a batch that threads share out together: as many terms as a product takes at once, so that sums over the rows
    /// are the same for any number of threads.
    pub fn rows_together(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16Tiles => 32,
            #[cfg(test)]
            Isa::Bfloat16TilesModel => 32,
            _ => 2,
        }
    }

    /// Whether matrix products multiply bfloat16 numbers.
    pub fn multiplies_bfloat16(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Bfloat16 | Isa::Bfloat16Tiles => true,
            #[cfg(test)]
            Isa::Bfloat16Model | Isa::Bfloat16TilesModel => true,
            _ => false,
        }
    }

    /// All that this processor has for numbers as they are, the slowest first.
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

    /// All that multiply bfloat16 numbers on this processor, for tests.
    #[cfg(test)]
    pub fn all_bfloat16() -> impl Iterator<Item = Isa> {
        let models = [Isa::Bfloat16Model, Isa::Bfloat16TilesModel];
        models.into_iter().chain(Isa::available_bfloat16())
    }

    /// Whether it is one of those in plain arithmetic.
    #[cfg(test)]
    pub fn is_model(self) -> bool {
        matches!(self, Isa::Bfloat16Model | Isa::Bfloat16TilesModel)
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
pub trait Kernel<T: Scalar> {
    type Output;
    fn run<V: Vector<Scalar = T>>(self) -> Self::Output;
}

/// f32 or f64: the numbers that every instruction set has registers for.
///
/// Which registers these are is known in this file alone, so that nothing can run on one that the processor lacks.
pub trait Real: Scalar {
    #[doc(hidden)]
    fn run_on<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output;
}

/// Run a kernel on `isa`, or on the portable path where the processor lacks it.
#[inline]
pub fn dispatch<T: Real, K: Kernel<T>>(isa: Isa, kernel: K) -> K::Output {
    T::run_on(isa, kernel)
}

macro_rules! registers {
    (
        $number:ty: $portable:ty, $avx2:ty, $avx512:ty, $run_bfloat16:ident($bfloat16:ty), $run_tiles:ident($tiles:ty), model $model:ty, $tiles_model:ty
    ) => {
        impl Real for $number {
            #[inline]
            fn run_on<K: Kernel<Self>>(isa: Isa, kernel: K) -> K::Output {
                match isa {
                    #[cfg(test)]
                    Isa::Bfloat16Model => run_portable::<$model, K>(kernel),
                    #[cfg(test)]
                    Isa::Bfloat16TilesModel => run_portable::<$tiles_model, K>(kernel),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the processor has what the function enables, as asked just here.
                    Isa::Bfloat16 if isa.available() => unsafe {
                        $run_bfloat16::<$bfloat16, K>(kernel)
                    },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    Isa::Bfloat16Tiles if isa.available() => unsafe {
                        $run_tiles::<$tiles, K>(kernel)
                    },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    Isa::Avx512 if isa.available() => unsafe { run_avx512::<$avx512, K>(kernel) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: as above.
                    Isa::Avx2 if isa.available() => unsafe { run_avx2::<$avx2, K>(kernel) },
                    _ => run_portable::<$portable, K>(kernel),
                }
            }
        }
    };
}

registers! {
    f32: portable::F32x4, avx2::F32x8, avx512::F32x16, run_bfloat16(avx512bf16::F32x16),
    run_tiles(avx512bf16::F32x16OfTiles),
    model bfloat16_model::F32x16, bfloat16_model::F32x16OfTiles
}
// There are no matrix products of bfloat16 numbers for f64.
registers! {
    f64: portable::F64x2, avx2::F64x4, avx512::F64x8, run_avx512(avx512::F64x8), run_avx512(avx512::F64x8),
    model portable::F64x2, portable::F64x2
}

fn run_portable<V: Vector, K: Kernel<V::Scalar>>(kernel: K) -> K::Output {
    kernel.run::<V>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<V: Vector, K: Kernel<V::Scalar>>(kernel: K) -> K::Output {
    kernel.run::<V>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
fn run_avx512<V: Vector, K: Kernel<V::Scalar>>(kernel: K) -> K::Output {
    kernel.run::<V>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bf16,avx512bw,avx512f,avx512dq,avx2,fma")]
fn run_bfloat16<V: Vector, K: Kernel<V::Scalar>>(kernel: K) -> K::Output {
    kernel.run::<V>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512bf16,avx512bw,avx512f,avx512dq,avx2,fma")]
fn run_tiles<V: Vector, K: Kernel<V::Scalar>>(kernel: K) -> K::Output {
    // SAFETY: who runs it has asked for them.
    let _configured = unsafe { amx::Configured::new() };
    kernel.run::<V>()
}
