//! The shape that the x86 instruction sets share: a register type from the names of its intrinsics.

use std::arch::x86_64::*;

use crate::linalg::memory::panels::WIDTH;

/// Define a [`Vector`](crate::linalg::kernels::vector::Vector) over one x86 register type.
///
/// SAFETY of every block below: the instructions exist, because these types are used only by kernels that
/// [`dispatch`](crate::linalg::kernels::dispatch::dispatch) runs after asking the processor; pointers are vouched for by the caller.
macro_rules! x86_vector {
    (
        $name:ident, $register:ty, $scalar:ty, lanes $lanes:literal, accumulators $acc:literal, operands $operands:ty,
        splat $splat:ident, load $load:ident, store $store:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident,
        max $max:ident, min $min:ident, sqrt $sqrt:ident,
        and $and:ident, andnot $andnot:ident, or $or:ident, nonzero |$x:ident| $nonzero:expr,
        nonzero_bits |$y:ident| $bits:expr, exp2_whole |$low:ident| $exp2:expr,
        transpose $transpose:path
    ) => {
        #[derive(Clone, Copy)]
        pub struct $name($register);

        impl std::ops::Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $add(self.0, other.0) })
            }
        }

        impl std::ops::Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $sub(self.0, other.0) })
            }
        }

        impl std::ops::Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $mul(self.0, other.0) })
            }
        }

        impl std::ops::Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $div(self.0, other.0) })
            }
        }

        impl std::ops::Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self::splat(-0.0) - self
            }
        }

        // SAFETY: LANES is that of the register type, of 16, 32 or 64 bytes; see `load` and `store`.
        unsafe impl Vector for $name {
            type Scalar = $scalar;
            type Operands = $operands;
            const LANES: usize = $lanes;
            const MAX_ACCUMULATORS: usize = $acc;

            #[inline(always)]
            fn splat(x: $scalar) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $splat(x) })
            }

            #[inline(always)]
            unsafe fn load(p: *const $scalar) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $load(p) })
            }

            #[inline(always)]
            unsafe fn store(self, p: *mut $scalar) {
                // SAFETY: see the macro.
                unsafe { $store(p, self.0) }
            }

            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $fma(self.0, a.0, b.0) })
            }

            // The instruction returns its second operand when either is NaN: `self` has to come second.
            #[inline(always)]
            fn max(self, floor: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $max(floor.0, self.0) })
            }

            #[inline(always)]
            fn min(self, ceiling: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $min(ceiling.0, self.0) })
            }

            #[inline(always)]
            fn abs(self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $andnot(Self::splat(-0.0).0, self.0) })
            }

            #[inline(always)]
            fn with_sign_of(self, sign: Self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe {
                    let bit = Self::splat(-0.0).0;
                    $or($andnot(bit, self.0), $and(bit, sign.0))
                })
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: see the macro.
                Self(unsafe { $sqrt(self.0) })
            }

            #[inline(always)]
            fn nonzero(self) -> Self {
                let $x = self.0;
                // SAFETY: see the macro.
                Self(unsafe { $nonzero })
            }

            #[inline(always)]
            fn nonzero_bits(self) -> u32 {
                let $y = self.0;
                // SAFETY: see the macro.
                unsafe { $bits }
            }

            #[inline(always)]
            fn transpose(block: &[$scalar], out: &mut [$scalar]) {
                const LEN: usize = WIDTH * WIDTH;
                assert!(block.len() >= LEN && out.len() >= LEN);
                // SAFETY: LEN numbers are readable and writable, as just asserted; see the macro for the instructions.
                unsafe { $transpose(block.as_ptr(), out.as_mut_ptr()) }
            }

            #[inline(always)]
            fn exp2_whole(self) -> Self {
                let $low = (self
                    + Self::splat(<$scalar as crate::linalg::kernels::scalar::Scalar>::ROUNDER))
                .0;
                // SAFETY: see the macro.
                Self(unsafe { $exp2 })
            }
        }
    };
}

pub(super) use x86_vector;

/// The transpose of WIDTH rows of WIDTH f32, 8 x 8 at a time: pairs, then fours, then halves of a register change places.
///
/// # Safety
/// WIDTH * WIDTH numbers at each pointer; the processor has AVX.
#[inline(always)]
pub(super) unsafe fn transpose_f32(from: *const f32, to: *mut f32) {
    for i in (0..WIDTH).step_by(8) {
        for j in (0..WIDTH).step_by(8) {
            // SAFETY: i, j <= WIDTH - 8, so that all 8 rows of 8 are within WIDTH x WIDTH.
            unsafe {
                let mut r = [_mm256_setzero_ps(); 8];
                for (k, r) in r.iter_mut().enumerate() {
                    *r = _mm256_loadu_ps(from.add((i + k) * WIDTH + j));
                }
                let mut s = r;
                for k in (0..8).step_by(2) {
                    s[k] = _mm256_unpacklo_ps(r[k], r[k + 1]);
                    s[k + 1] = _mm256_unpackhi_ps(r[k], r[k + 1]);
                }
                for k in [0, 4] {
                    r[k] = _mm256_shuffle_ps::<0x44>(s[k], s[k + 2]);
                    r[k + 1] = _mm256_shuffle_ps::<0xee>(s[k], s[k + 2]);
                    r[k + 2] = _mm256_shuffle_ps::<0x44>(s[k + 1], s[k + 3]);
                    r[k + 3] = _mm256_shuffle_ps::<0xee>(s[k + 1], s[k + 3]);
                }
                for k in 0..4 {
                    let low = _mm256_permute2f128_ps::<0x20>(r[k], r[k + 4]);
                    let high = _mm256_permute2f128_ps::<0x31>(r[k], r[k + 4]);
                    _mm256_storeu_ps(to.add((j + k) * WIDTH + i), low);
                    _mm256_storeu_ps(to.add((j + k + 4) * WIDTH + i), high);
                }
            }
        }
    }
}

/// The transpose of WIDTH rows of WIDTH f64, 4 x 4 at a time.
///
/// # Safety
/// WIDTH * WIDTH numbers at each pointer; the processor has AVX.
#[inline(always)]
pub(super) unsafe fn transpose_f64(from: *const f64, to: *mut f64) {
    for i in (0..WIDTH).step_by(4) {
        for j in (0..WIDTH).step_by(4) {
            // SAFETY: i, j <= WIDTH - 4, so that all 4 rows of 4 are within WIDTH x WIDTH.
            unsafe {
                let mut r = [_mm256_setzero_pd(); 4];
                for (k, r) in r.iter_mut().enumerate() {
                    *r = _mm256_loadu_pd(from.add((i + k) * WIDTH + j));
                }
                let mut s = r;
                for k in [0, 2] {
                    s[k] = _mm256_unpacklo_pd(r[k], r[k + 1]);
                    s[k + 1] = _mm256_unpackhi_pd(r[k], r[k + 1]);
                }
                for k in 0..2 {
                    let low = _mm256_permute2f128_pd::<0x20>(s[k], s[k + 2]);
                    let high = _mm256_permute2f128_pd::<0x31>(s[k], s[k + 2]);
                    _mm256_storeu_pd(to.add((j + k) * WIDTH + i), low);
                    _mm256_storeu_pd(to.add((j + k + 2) * WIDTH + i), high);
                }
            }
        }
    }
}
