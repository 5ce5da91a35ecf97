//! The shape that the x86 instruction sets share: a register type from the names of its intrinsics.

/// Define a [`Vector`](super::vector::Vector) over one x86 register type.
///
/// SAFETY of every block below: the instructions exist, because these types are used only by kernels that
/// [`dispatch`](super::dispatch::dispatch) runs after asking the processor; pointers are vouched for by the caller.
macro_rules! x86_vector {
    (
        $name:ident, $register:ty, $scalar:ty, lanes $lanes:literal, accumulators $acc:literal,
        splat $splat:ident, load $load:ident, store $store:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident,
        max $max:ident, min $min:ident, sqrt $sqrt:ident,
        and $and:ident, andnot $andnot:ident, or $or:ident, nonzero |$x:ident| $nonzero:expr, exp2_whole |$low:ident| $exp2:expr
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

        impl Vector for $name {
            type Scalar = $scalar;
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
            fn exp2_whole(self) -> Self {
                let $low = (self + Self::splat(<$scalar as crate::linalg::real::Real>::ROUNDER)).0;
                // SAFETY: see the macro.
                Self(unsafe { $exp2 })
            }
        }
    };
}

pub(super) use x86_vector;
