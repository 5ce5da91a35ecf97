//! What a kernel may do with one register: the whole interface between the arithmetic and the instruction sets.
//!
//! Kernels, activations and optimizers are written once, generic over [`Vector`]. `portable.rs`, `avx2.rs` and
//! `avx512.rs` implement it; [`dispatch()`](crate::linalg::kernels::dispatch()) is the only place that picks one, after
//! asking the processor.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::linalg::kernels::operands::{Operands, Pair};
use crate::linalg::kernels::scalar::Scalar;
use crate::linalg::memory::panels::{BLOCK, Panels, View, WIDTH};

/// A register of [`LANES`](Vector::LANES) numbers.
///
/// Values of the x86 implementations come into being only inside a kernel that [`dispatch()`] runs, which it does only where
/// the processor has the instructions; that is why the arithmetic is safe to call. All methods are `#[inline(always)]`, so
/// that they end up inside the function that enables the instruction set.
///
/// # Safety
/// `LANES` divides [`WIDTH`], and numbers are read and written as `load` and `store` say.
///
/// [`dispatch()`]: crate::linalg::kernels::dispatch()
pub unsafe trait Vector:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    type Scalar: Scalar;
    /// What matrix products multiply for sums in these registers.
    type Operands: Operands<Self::Scalar, Self>;
    const LANES: usize;
    /// How many accumulators a tile may hold without spilling registers to memory.
    const MAX_ACCUMULATORS: usize;

    fn splat(x: Self::Scalar) -> Self;
    /// # Safety
    /// `LANES` numbers are readable at `p` (any alignment).
    unsafe fn load(p: *const Self::Scalar) -> Self;
    /// # Safety
    /// `LANES` numbers are writable at `p` (any alignment).
    unsafe fn store(self, p: *mut Self::Scalar);
    /// `self * a + b`, rounded once where the processor can.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The larger; NaN in `self` stays NaN.
    fn max(self, floor: Self) -> Self;
    /// The smaller; NaN in `self` stays NaN.
    fn min(self, ceiling: Self) -> Self;
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn with_sign_of(self, sign: Self) -> Self;
    fn sqrt(self) -> Self;
    /// 1 where `self` is not zero, else 0 (NaN counts as not zero).
    fn nonzero(self) -> Self;
    /// Bit i is set where number i is not zero (NaN counts as not zero).
    fn nonzero_bits(self) -> u32;
    /// 2^self for whole numbers within the exponent range of normal numbers.
    fn exp2_whole(self) -> Self;

    #[inline(always)]
    fn zero() -> Self {
        Self::splat(Self::Scalar::ZERO)
    }

    #[inline(always)]
    fn one() -> Self {
        Self::splat(Self::Scalar::ONE)
    }

    /// The transpose of a block, [`WIDTH`] rows of [`WIDTH`] numbers.
    #[inline(always)]
    fn transpose(block: &[Self::Scalar], out: &mut [Self::Scalar]) {
        let (block, out) = (&block[..BLOCK], &mut out[..BLOCK]);
        for i in 0..WIDTH {
            for j in 0..WIDTH {
                out[j * WIDTH + i] = block[i * WIDTH + j];
            }
        }
    }

    /// Read the `LANES` numbers of a slice from `start`.
    #[inline(always)]
    fn read(slice: &[Self::Scalar], start: usize) -> Self {
        assert!(start + Self::LANES <= slice.len());
        // SAFETY: the assertion above keeps the read inside the slice.
        unsafe { Self::load(slice.as_ptr().add(start)) }
    }

    /// Write the `LANES` numbers of a slice from `start`.
    #[inline(always)]
    fn write(self, slice: &mut [Self::Scalar], start: usize) {
        assert!(start + Self::LANES <= slice.len());
        // SAFETY: the assertion above keeps the write inside the slice.
        unsafe { self.store(slice.as_mut_ptr().add(start)) }
    }
}

/// What a lane holds that is multiplied for sums in `V`.
pub type Lane<V> = <<V as Vector>::Operands as Operands<<V as Vector>::Scalar, V>>::Lane;

/// What products for sums in `V` are of: see [`Operands::Tiles`].
pub type TilesOf<V> = <<V as Vector>::Operands as Operands<<V as Vector>::Scalar, V>>::Tiles;

/// Numbers as they are.
impl<V: Vector> Operands<V::Scalar, V> for V {
    type Lane = V::Scalar;
    type Tiles = ();
    const TERMS: usize = 1;

    #[inline(always)]
    fn broadcast(lane: V::Scalar) -> Self {
        V::splat(lane)
    }

    #[inline(always)]
    unsafe fn load(p: *const V::Scalar) -> Self {
        // SAFETY: the caller vouches for the lanes.
        unsafe { <V as Vector>::load(p) }
    }

    #[inline(always)]
    fn multiply_add(self, other: Self, sum: V) -> V {
        self.mul_add(other, sum)
    }

    #[inline(always)]
    fn columns<'a>(
        matrix: &'a Panels<V::Scalar>,
        _pairs: &'a mut Panels<Pair>,
    ) -> &'a Panels<V::Scalar> {
        matrix
    }

    #[inline(always)]
    fn left<'a>(
        panels: View<'a, V::Scalar>,
        _rows: usize,
        _terms: usize,
        _pairs: &'a mut [Pair],
    ) -> View<'a, V::Scalar> {
        panels
    }

    #[inline(always)]
    fn rows<'a>(panel: &'a [V::Scalar], _pairs: &'a mut [Pair]) -> &'a [V::Scalar] {
        panel
    }

    #[inline(always)]
    fn panels<'a>(
        panels: View<'a, V::Scalar>,
        _count: usize,
        _rows: usize,
        _pairs: &'a mut [Pair],
    ) -> View<'a, V::Scalar> {
        panels
    }

    #[inline(always)]
    fn kept<'a>(
        matrix: &'a Panels<V::Scalar>,
        _pairs: Option<&'a Panels<Pair>>,
        panel: usize,
    ) -> View<'a, V::Scalar> {
        matrix.view().from(panel, 0)
    }
}
