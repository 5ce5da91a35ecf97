//! The instructions of AVX512-BF16 in plain arithmetic, as Intel's manual describes them: for tests, on every processor.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::linalg::kernels::bfloat16::{PairRegister, Pairs};
use crate::linalg::kernels::operands::Pair;
use crate::linalg::kernels::portable::portable;
use crate::linalg::kernels::vector::Vector;
use crate::linalg::memory::panels::WIDTH;

/// Whether this processor adds as the model does: those of other makers may round in another way.
pub fn is_exact() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Genu");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Denormal numbers count as zero.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0.0f32.copysign(x) } else { x }
}

/// The bits of a number rounded to bfloat16, to nearest, ties to even (`VCVTNE2PS2BF16`).
pub fn rounded(x: f32) -> u16 {
    let bits = flushed(x).to_bits();
    let high = (bits >> 16) as u16;
    if x.is_nan() {
        return high | 0x40;
    }
    // Half of the last place, or one less where the last bit is even; a carry goes on into the exponent.
    ((bits + 0x7fff + u32::from(high & 1)) >> 16) as u16
}

/// The number of these bits.
pub fn number(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// sum + a.1 b.1 + a.0 b.0, rounded after each addition (`VDPBF16PS`).
pub fn dot(a: Pair, b: Pair, sum: f32) -> f32 {
    let half = |pair: Pair, shift: u32| flushed(number((pair.0 >> shift) as u16));
    let add = |sum: f32, shift: u32| flushed(half(a, shift).mul_add(half(b, shift), flushed(sum)));
    add(add(sum, 16), 0)
}

fn pair(first: f32, second: f32) -> Pair {
    Pair(u32::from(rounded(first)) | u32::from(rounded(second)) << 16)
}

// Tiles of two sums: larger ones take minutes to compile.
portable!(
    F32x16, f32, 16, 23, sums 2, operands Pairs<Bf16x32>,
    mul_add |x, a, b| Self(std::array::from_fn(|i| x.0[i].mul_add(a.0[i], b.0[i])))
);

/// 16 pairs.
#[derive(Clone, Copy)]
pub struct Bf16x32([Pair; WIDTH]);

impl PairRegister<F32x16> for Bf16x32 {
    fn broadcast(pair: Pair) -> Self {
        Self([pair; WIDTH])
    }

    unsafe fn load(p: *const Pair) -> Self {
        // SAFETY: the caller vouches for WIDTH pairs.
        Self(unsafe { p.cast::<[Pair; WIDTH]>().read_unaligned() })
    }

    fn write(self, out: &mut [Pair; WIDTH]) {
        *out = self.0;
    }

    fn interleave(first: F32x16, second: F32x16) -> Self {
        Self(std::array::from_fn(|i| pair(first.0[i], second.0[i])))
    }

    fn neighbours(first: F32x16, second: F32x16) -> Self {
        let at = |i: usize| if i < WIDTH { first.0[i] } else { second.0[i - WIDTH] };
        Self(std::array::from_fn(|i| pair(at(2 * i), at(2 * i + 1))))
    }

    #[inline(never)]
    fn dot(self, other: Self, sum: F32x16) -> F32x16 {
        F32x16(std::array::from_fn(|i| dot(self.0[i], other.0[i], sum.0[i])))
    }
}
