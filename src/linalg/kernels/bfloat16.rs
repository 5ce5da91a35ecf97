//! Pairs of bfloat16 numbers, and registers of them.
//!
//! What they are for, and how they are rounded: [`dense::bfloat16`](crate::linalg::dense::bfloat16).

use crate::linalg::kernels::operands::{Operands, Pair};
use crate::linalg::kernels::tile_registers::TileRegisters;
use crate::linalg::kernels::vector::Vector;
use crate::linalg::memory::panels::{BLOCK, Panels, View, WIDTH};
use crate::linalg::memory::prefetch::{ROWS_AHEAD, prefetch};

impl Pair {
    /// The first number, and zero.
    fn first(self) -> Self {
        Self(self.0 & 0xffff)
    }
}

/// A register of [`WIDTH`] pairs, for sums in registers `V` of as many numbers.
pub trait PairRegister<V: Vector>: Copy {
    /// See [`Operands::Tiles`].
    type Tiles: TileRegisters;
    fn broadcast(pair: Pair) -> Self;
    /// # Safety
    /// WIDTH pairs are readable at `p` (any alignment).
    unsafe fn load(p: *const Pair) -> Self;
    fn write(self, out: &mut [Pair; WIDTH]);
    /// The pairs of a number of `first` and the number of `second` in the same lane.
    fn interleave(first: V, second: V) -> Self;
    /// The pairs of neighbours in `first`, then those in `second`.
    fn neighbours(first: V, second: V) -> Self;
    /// `sum` + the products of both numbers of each pair.
    fn dot(self, other: Self, sum: V) -> V;
}

/// [`Operands`] from a register of pairs.
#[derive(Clone, Copy)]
pub struct Pairs<P>(P);

impl<V: Vector, P: PairRegister<V>> Operands<V::Scalar, V> for Pairs<P> {
    type Lane = Pair;
    type Tiles = P::Tiles;
    const TERMS: usize = 2;

    #[inline(always)]
    fn broadcast(pair: Pair) -> Self {
        Self(P::broadcast(pair))
    }

    #[inline(always)]
    unsafe fn load(p: *const Pair) -> Self {
        // SAFETY: the caller vouches for the lanes.
        Self(unsafe { P::load(p) })
    }

    #[inline(always)]
    fn multiply_add(self, other: Self, sum: V) -> V {
        self.0.dot(other.0, sum)
    }

    #[inline(always)]
    fn columns<'a>(matrix: &'a Panels<V::Scalar>, pairs: &'a mut Panels<Pair>) -> &'a Panels<Pair> {
        let (rows, cols) = (matrix.rows(), matrix.cols());
        pairs.set_size(rows, cols.div_ceil(2));
        for panel in 0..pairs.panel_count() {
            let first = matrix.panel(2 * panel);
            let is_last = 2 * panel + 1 == matrix.panel_count();
            // An odd number of panels: what the missing one would hold is not read, and may be anything.
            let second = if is_last { first } else { matrix.panel(2 * panel + 1) };
            let (out, _) = pairs.panel_mut(panel).as_chunks_mut::<WIDTH>();
            for (row, out) in out.iter_mut().enumerate() {
                let at = row * WIDTH;
                P::neighbours(V::read(first, at), V::read(second, at)).write(out);
            }
        }
        if cols % 2 == 1 {
            // What fills up a panel of activations is any number, and infinity times zero is not zero.
            for row in 0..rows {
                let last = pairs.get(row, cols / 2).first();
                pairs.set(row, cols / 2, last);
            }
        }
        pairs
    }

    #[inline(always)]
    fn left<'a>(
        panels: View<'a, V::Scalar>,
        rows: usize,
        terms: usize,
        pairs: &'a mut [Pair],
    ) -> View<'a, Pair> {
        // Odd, as the stride of `Panels`.
        let stride = (rows | 1) * WIDTH;
        let count = terms.div_ceil(WIDTH);
        for (i, out) in pairs.chunks_exact_mut(stride).take(count.div_ceil(2)).enumerate() {
            let first = &panels.data[2 * i * panels.stride..][..rows * WIDTH];
            // An odd number of panels: what the missing one would hold is not read.
            let second = if 2 * i + 1 == count {
                first
            } else {
                &panels.data[(2 * i + 1) * panels.stride..][..rows * WIDTH]
            };
            let (out, _) = out.as_chunks_mut::<WIDTH>();
            for (row, out) in out[..rows].iter_mut().enumerate() {
                let at = row * WIDTH;
                prefetch(first.as_ptr().wrapping_add(at + ROWS_AHEAD * WIDTH));
                prefetch(second.as_ptr().wrapping_add(at + ROWS_AHEAD * WIDTH));
                P::neighbours(V::read(first, at), V::read(second, at)).write(out);
            }
        }
        View { data: pairs, stride }
    }

    #[inline(always)]
    fn rows<'a>(panel: &'a [V::Scalar], pairs: &'a mut [Pair]) -> &'a [Pair] {
        let rows = panel.len() / WIDTH;
        let pairs = &mut pairs[..rows.div_ceil(2) * WIDTH];
        let (two_rows, rest) = panel.as_chunks::<{ 2 * WIDTH }>();
        let (out, _) = pairs.as_chunks_mut::<WIDTH>();
        for (two, out) in two_rows.iter().zip(out.iter_mut()) {
            prefetch(two.as_ptr().wrapping_add(ROWS_AHEAD * WIDTH));
            prefetch(two.as_ptr().wrapping_add((ROWS_AHEAD + 1) * WIDTH));
            P::interleave(V::read(two, 0), V::read(two, WIDTH)).write(out);
        }
        if let Some(out) = out.get_mut(two_rows.len()) {
            P::interleave(V::read(rest, 0), V::zero()).write(out);
        }
        pairs
    }

    #[inline(always)]
    fn panels<'a>(
        panels: View<'a, V::Scalar>,
        count: usize,
        rows: usize,
        pairs: &'a mut [Pair],
    ) -> View<'a, Pair> {
        let stride = rows.div_ceil(2) * WIDTH;
        // No rows are no pairs, and a chunk of nothing is none.
        for (i, out) in pairs.chunks_exact_mut(stride.max(1)).take(count).enumerate() {
            Self::rows(&panels.data[i * panels.stride..][..rows * WIDTH], out);
        }
        View { data: pairs, stride }
    }

    #[inline(always)]
    fn left_tiles(pairs: &mut [Pair]) {
        if const { P::Tiles::THERE } {
            let (blocks, _) = pairs.as_chunks_mut::<BLOCK>();
            for block in blocks {
                for i in 0..WIDTH {
                    for j in 0..i {
                        block.swap(i * WIDTH + j, j * WIDTH + i);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn kept<'a>(
        _matrix: &'a Panels<V::Scalar>,
        pairs: Option<&'a Panels<Pair>>,
        panel: usize,
    ) -> View<'a, Pair> {
        debug_assert!(pairs.is_some(), "a workspace without pairs");
        match pairs {
            Some(pairs) => pairs.view().from(panel, 0),
            None => View { data: &[], stride: 0 },
        }
    }
}
