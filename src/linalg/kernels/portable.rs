//! Registers of 16 bytes written as plain arrays, which every compiler target turns into what it has (SSE2 on x86-64,
//! NEON on AArch64). The path that all other processors get.
//!
//! `mul_add` rounds twice here: a fused multiply-add without the instruction is a slow call into the C library.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::linalg::kernels::vector::Vector;

macro_rules! portable {
    (
        $name:ident, $scalar:ty, $lanes:literal, $mantissa:literal, sums $sums:literal, operands $operands:ty,
        mul_add |$x:ident, $a:ident, $b:ident| $mul_add:expr
    ) => {
        #[derive(Clone, Copy)]
        pub struct $name(pub(super) [$scalar; $lanes]);

        impl $name {
            #[inline(always)]
            fn map(self, f: impl Fn($scalar) -> $scalar) -> Self {
                Self(self.0.map(f))
            }

            #[inline(always)]
            fn zip(self, other: Self, f: impl Fn($scalar, $scalar) -> $scalar) -> Self {
                Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
            }
        }

        impl Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.zip(other, |a, b| a + b)
            }
        }

        impl Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.zip(other, |a, b| a - b)
            }
        }

        impl Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.zip(other, |a, b| a * b)
            }
        }

        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                self.zip(other, |a, b| a / b)
            }
        }

        impl Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.map(|a| -a)
            }
        }

        // SAFETY: LANES is that of the register type, of 16, 32 or 64 bytes; see `load` and `store`.
        unsafe impl Vector for $name {
            type Scalar = $scalar;
            type Operands = $operands;
            const LANES: usize = $lanes;
            const MAX_ACCUMULATORS: usize = $sums;

            #[inline(always)]
            fn splat(x: $scalar) -> Self {
                Self([x; $lanes])
            }

            #[inline(always)]
            unsafe fn load(p: *const $scalar) -> Self {
                // SAFETY: the caller vouches for LANES readable numbers; an array has no stricter alignment than its
                // elements.
                Self(unsafe { p.cast::<[$scalar; $lanes]>().read_unaligned() })
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $scalar) {
                // SAFETY: the caller vouches for LANES writable numbers.
                unsafe { p.cast::<[$scalar; $lanes]>().write_unaligned(self.0) }
            }

            #[inline(always)]
            fn mul_add(self, $a: Self, $b: Self) -> Self {
                let $x = self;
                $mul_add
            }

            #[inline(always)]
            fn max(self, floor: Self) -> Self {
                self.zip(floor, |x, f| if x < f { f } else { x })
            }

            #[inline(always)]
            fn min(self, ceiling: Self) -> Self {
                self.zip(ceiling, |x, c| if x > c { c } else { x })
            }

            #[inline(always)]
            fn abs(self) -> Self {
                self.map(<$scalar>::abs)
            }

            #[inline(always)]
            fn with_sign_of(self, sign: Self) -> Self {
                self.zip(sign, <$scalar>::copysign)
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                self.map(<$scalar>::sqrt)
            }

            #[inline(always)]
            fn nonzero(self) -> Self {
                self.map(|x| if x == 0.0 { 0.0 } else { 1.0 })
            }

            #[inline(always)]
            fn nonzero_bits(self) -> u32 {
                let bit = |(i, x): (usize, &$scalar)| u32::from(*x != 0.0) << i;
                self.0.iter().enumerate().map(bit).sum()
            }

            #[inline(always)]
            fn exp2_whole(self) -> Self {
                const ROUNDER: $scalar =
                    <$scalar as crate::linalg::kernels::scalar::Scalar>::ROUNDER;
                self.map(|n| {
                    let low = (n + ROUNDER).to_bits() << $mantissa;
                    <$scalar>::from_bits(low.wrapping_add((1.0 as $scalar).to_bits()))
                })
            }
        }
    };
}

#[cfg(test)]
pub(super) use portable;

portable!(F32x4, f32, 4, 23, sums 12, operands F32x4, mul_add |x, a, b| x * a + b);
portable!(F64x2, f64, 2, 52, sums 12, operands F64x2, mul_add |x, a, b| x * a + b);
