//! What the matrix products multiply: numbers as they are, or bfloat16 numbers in [pairs](crate::linalg::dense::bfloat16).
//!
//! The tile of [`product`](crate::linalg::dense::product) is written once, for sums in registers `V` of lanes that hold one term each, or
//! two. The right matrix of a product has its terms along the rows of a panel, the left one along its columns (δ wᵀ, a w)
//! or along its rows too (aᵀ δ).

use crate::linalg::dense::bfloat16::Pair;
use crate::linalg::kernels::vector::Vector;
use crate::linalg::memory::panels::Panels;

/// A register of what is multiplied for sums in `V`.
pub trait Operands<V: Vector>: Copy {
    /// What a lane holds.
    type Lane: Copy + Default;
    /// Terms of a sum in one lane.
    const TERMS: usize;

    fn broadcast(lane: Self::Lane) -> Self;
    /// # Safety
    /// `V::LANES` lanes are readable at `p` (any alignment).
    unsafe fn load(p: *const Self::Lane) -> Self;
    /// `sum` + `self` times `other`, in every lane.
    fn multiply_add(self, other: Self, sum: V) -> V;

    /// A matrix with its terms along the columns; `pairs` has room for it.
    fn columns<'a>(
        matrix: &'a Panels<V::Scalar>,
        pairs: &'a mut Panels<Pair>,
    ) -> &'a Panels<Self::Lane>;
    /// A panel with its terms along the rows; `pairs` has room for it.
    fn rows<'a>(panel: &'a [V::Scalar], pairs: &'a mut [Pair]) -> &'a [Self::Lane];
    /// A panel of a matrix that [`rows`](Operands::rows) has brought into this form before.
    fn kept<'a>(
        matrix: &'a Panels<V::Scalar>,
        pairs: Option<&'a Panels<Pair>>,
        panel: usize,
    ) -> &'a [Self::Lane];
}

/// What a lane holds that is multiplied for sums in `V`.
pub type Lane<V> = <<V as Vector>::Operands as Operands<V>>::Lane;

/// Numbers as they are.
impl<V: Vector> Operands<V> for V {
    type Lane = V::Scalar;
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
    fn rows<'a>(panel: &'a [V::Scalar], _pairs: &'a mut [Pair]) -> &'a [V::Scalar] {
        panel
    }

    #[inline(always)]
    fn kept<'a>(
        matrix: &'a Panels<V::Scalar>,
        _pairs: Option<&'a Panels<Pair>>,
        panel: usize,
    ) -> &'a [V::Scalar] {
        matrix.panel(panel)
    }
}
