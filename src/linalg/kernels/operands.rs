//! What matrix products multiply: numbers as they are, or pairs of bfloat16 numbers.
//!
//! The [tile](crate::linalg::dense::tile) of the products is written once, for sums in registers `V` of lanes that hold one
//! term each, or two. The right matrix of a product has its terms along the rows of a panel, the left one along its columns
//! (δ wᵀ, a w) or along its rows too (aᵀ δ).

use crate::linalg::kernels::tile_registers::TileRegisters;
use crate::linalg::memory::panels::{Panels, View};

/// Two bfloat16 numbers, consecutive terms of a sum: the first in the low half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Pair(pub(in crate::linalg) u32);

impl Pair {
    pub const ZERO: Self = Self(0);
}

/// A register of what is multiplied for sums of numbers `T` in registers `V`.
pub trait Operands<T, V>: Copy {
    /// What a lane holds.
    type Lane: Copy + Default;
    /// Terms of a sum in one lane.
    const TERMS: usize;
    /// What products are of; `()` where they are of registers.
    type Tiles: TileRegisters;

    fn broadcast(lane: Self::Lane) -> Self;
    /// # Safety
    /// As many lanes as `V` has are readable at `p` (any alignment).
    unsafe fn load(p: *const Self::Lane) -> Self;
    /// `sum` + `self` times `other`, in every lane.
    fn multiply_add(self, other: Self, sum: V) -> V;

    /// A matrix with its terms along the columns; `pairs` has room for it.
    fn columns<'a>(matrix: &'a Panels<T>, pairs: &'a mut Panels<Pair>) -> &'a Panels<Self::Lane>;
    /// `rows` rows of panels with so many terms along the columns, which are followed by zeros; `pairs` has room for the panels,
    /// one after the other.
    fn left<'a>(
        panels: View<'a, T>,
        rows: usize,
        terms: usize,
        pairs: &'a mut [Pair],
    ) -> View<'a, Self::Lane>;
    /// A panel with its terms along the rows; `pairs` has room for it.
    fn rows<'a>(panel: &'a [T], pairs: &'a mut [Pair]) -> &'a [Self::Lane];
    /// The first `rows` rows of a few panels with their terms along the rows; `pairs` has room for them.
    fn panels<'a>(
        panels: View<'a, T>,
        count: usize,
        rows: usize,
        pairs: &'a mut [Pair],
    ) -> View<'a, Self::Lane>;
    /// A panel that [`rows`](Operands::rows) has brought into this form, as it is for the left matrix where products are of
    /// tiles: blocks of 16 rows, each transposed.
    fn left_tiles(_pairs: &mut [Pair]) {}
    /// A matrix that [`rows`](Operands::rows) has brought into this form before, from panel `panel` on.
    fn kept<'a>(
        matrix: &'a Panels<T>,
        pairs: Option<&'a Panels<Pair>>,
        panel: usize,
    ) -> View<'a, Self::Lane>;
}
