//! Blocks for the caches: how much of each matrix a product takes at once.
//!
//! A matrix of a wide layer is larger than any cache of a core, and a product that went through all of it for each tile
//! would wait for memory. The loops are those of Goto and van de Geijn, Anatomy of high-performance matrix multiplication
//! (2008), without their copies, as panels lie in the order in which tiles read them. Matrices are drawn with what a block
//! of each loop takes of them:
//!
//! ```text
//! z = a w + b, `affine`                          δ wᵀ, `transposed`, as the transpose of w δᵀ
//!
//!            depth   group                                  depth     rows of the batch
//!           ┌──┬──┐ ┌────┬──┐   ┌────┬──┐                 ┌──┬───┐ ┌──┬──┬──┐   ┌──┬──┬──┐
//!      rows │##│  │x│#|##│  │ = │#|##│  │     some inputs │##│   │x│##│  │  │ = │##│  │  │
//!           │##│  │ ├────┼──┤   │#|##│  │                 ├──┼───┤ ├──┼──┼──┤   ├──┼──┼──┤
//!           └──┴──┘ └────┴──┘   └────┴──┘                 └──┴───┘ └──┴──┴──┘   └──┴──┴──┘
//!              a       w           z                          w         δᵀ     transposed: δ
//! for a group of panels of z:       L2           for some inputs:                        L2
//!   for a part of the depth of a:   L2             for a part of the depth of δᵀ:        L2
//!     for two panels of w:          L1               for two panels of δᵀ:               L1
//!       for a few rows: a tile      registers          for a few inputs: a tile          registers
//!
//! aᵀ δ, `outer`, and the update
//!
//!                rows    group of panels         for a group of panels of δ:             L2
//!              ┌──────┐ ┌─────┬────┐               for a group of panels of a:           L2
//!       panels │######│x│##|##│    │                 for two panels of δ:
//!      of a    ├──────┤ │##|##│    │                   for a panel of a: a block, and its update
//!              └──────┘ └─────┴────┘                     for a part of the rows:         L1
//!                 aᵀ       δ                               for a few columns: a tile     registers
//! ```
//!
//! Each element is summed in order over the whole depth, whatever the blocks: where the depth comes in parts, a tile goes on
//! from what the part before has left in memory.

use std::ops::Range;

use crate::linalg::dense::tile::panels_of_tile;
use crate::linalg::kernels::{Lane, Pair, Vector};
use crate::linalg::memory::panels::WIDTH;

/// The L1 cache of a core, and the L2 cache: the least of the processors that have AVX-512, as others lose little by it.
const L1: usize = 32 << 10;
const L2: usize = 1 << 20;

/// Rows of a tile divide this: 12, 6 and 3 for the instruction sets, and whole panels.
const TILES_AND_PANELS: usize = 3 * WIDTH;
/// No part of the depth is shorter: a tile reads and writes all of its sums for each part.
const LEAST_DEPTH: usize = 4 * WIDTH;

/// A thread may have no rows of a batch, and sizes are divided by them.
const fn at_least_one(rows: usize) -> usize {
    if rows > 0 { rows } else { 1 }
}

/// Bytes of a row of what a tile takes of the right matrix.
const fn right_row<V: Vector>() -> usize {
    panels_of_tile::<V>() * WIDTH * size_of::<Lane<V>>()
}

/// Steps of a sum that are taken at once, of a matrix of which `rows` rows go with each of them: what a tile takes of the
/// right matrix stays in half of the L1 cache, beside the rows of the left one that go through; and all of the left matrix (or for
/// δ wᵀ of the right one) in a part of the L2 cache.
pub const fn depth<V: Vector>(rows: usize) -> usize {
    let in_l1 = L1 / 2 / right_row::<V>();
    let in_l2 = L2 / 4 / (at_least_one(rows) * size_of::<Lane<V>>());
    let steps = if in_l1 < in_l2 { in_l1 } else { in_l2 };
    let steps = if steps < LEAST_DEPTH { LEAST_DEPTH } else { steps };
    steps - steps % WIDTH
}

/// Steps that are taken at once at most, of pairs of bfloat16 numbers.
pub const MOST_STEPS: usize = L1 / 2 / (2 * WIDTH * size_of::<Pair>());

/// Panels of a result of `rows` rows that are taken at once: they stay in a part of the L2 cache from one part of the depth
/// to the next.
pub const fn group<V: Vector>(rows: usize) -> usize {
    let panels = L2 / 4 / (at_least_one(rows) * WIDTH * size_of::<V::Scalar>());
    let most = panels_of_tile::<V>();
    if panels < most { most } else { panels - panels % most }
}

/// Inputs whose part of δ wᵀ is computed at once for so many rows of the batch: it stays in a part of the L2 cache until it is
/// transposed.
pub const fn inputs<T>(rows: usize) -> usize {
    let most = L2 / 4 / (at_least_one(rows).next_multiple_of(WIDTH) * size_of::<T>());
    let (least, most) = (TILES_AND_PANELS, if most < MOST_INPUTS { most } else { MOST_INPUTS });
    if most < least { least } else { most - most % least }
}

/// As many weights, of [`depth`] neurons each, fill a part of the L2 cache.
pub const MOST_INPUTS: usize = 5 * TILES_AND_PANELS;

/// Panels of δ, of so many rows of a batch (or pairs of rows), that are taken at once for aᵀ δ: they stay in a part of the L2
/// cache for all panels of a ...
pub const fn panels_of_delta<V: Vector>(rows: usize) -> usize {
    let (panels, tile) = (panels_of_a::<V>(rows), panels_of_tile::<V>());
    if panels < tile { tile } else { panels - panels % tile }
}

/// ... and panels of a, which stay in another part of it for all of these panels of δ.
pub const fn panels_of_a<V: Vector>(rows: usize) -> usize {
    let panels = L2 / 4 / (at_least_one(rows) * WIDTH * size_of::<Lane<V>>());
    if panels < 1 { 1 } else { panels }
}

/// Rows of a and δ that are gone through before the next ones, at most: both stay in the L1 cache for all tiles of a block.
pub const fn rows<V: Vector>() -> usize {
    L1 * 3 / 4 / (right_row::<V>() + WIDTH * size_of::<Lane<V>>())
}

/// Columns of a result of few rows that stay in half of the L1 cache; whole panels.
pub const fn columns_of_few<V: Vector>(rows: usize) -> usize {
    let panels = L1 / 2 / (at_least_one(rows) * WIDTH * size_of::<V::Scalar>());
    WIDTH * if panels < 2 { 2 } else { panels - panels % 2 }
}

/// Inputs of a layer of so many neurons that pass before the next ones: their weights stay in a part of the L2 cache for all
/// columns, and are on no more pages than the processor knows the addresses of.
pub const fn inputs_of_few<V: Vector>(cols: usize) -> usize {
    let inputs = L2 / 4 / (at_least_one(cols) * size_of::<V::Scalar>());
    let inputs = if inputs < 4 * WIDTH { inputs } else { 4 * WIDTH };
    if inputs < WIDTH { WIDTH } else { inputs - inputs % WIDTH }
}

/// A range in as few parts of up to `most` as possible, nearly equal, and all but the last one multiples of `unit`, as `most`
/// is.
#[derive(Clone)]
pub struct Parts {
    rest: Range<usize>,
    len: usize,
}

#[inline(always)]
pub fn parts(range: Range<usize>, most: usize, unit: usize) -> Parts {
    let len = range.len().div_ceil(range.len().div_ceil(most).max(1)).next_multiple_of(unit);
    Parts { rest: range, len }
}

impl Iterator for Parts {
    type Item = Range<usize>;

    #[inline(always)]
    fn next(&mut self) -> Option<Range<usize>> {
        let Range { start, end } = self.rest;
        if start >= end {
            return None;
        }
        let middle = end.min(start + self.len);
        self.rest.start = middle;
        Some(start..middle)
    }
}
