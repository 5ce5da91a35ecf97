//! The tile that all three products are made of.
//!
//! It holds a few rows times the columns of a panel, or of two, in registers and adds, step after step of the sum, one
//! number of the left matrix (broadcast) times a row of the right one. What it multiplies are numbers, or pairs of bfloat16
//! numbers: see [`operands`](crate::linalg::kernels::operands).

use crate::linalg::kernels::{Operands, Vector};
use crate::linalg::memory::panels::WIDTH;
use crate::linalg::memory::prefetch::prefetch;

/// Panels that a tile is wide. Where a register holds a whole row of a panel, a tile takes two panels: one of a single
/// register has to load a number for each multiplication, which is all that two load ports can do, and in a tile two
/// registers wide a number serves two of them.
pub const fn panels_of_tile<V: Vector>() -> usize {
    if V::LANES == WIDTH { 2 } else { 1 }
}

/// Registers that hold `cols` columns.
#[inline(always)]
fn registers<V: Vector>(cols: usize) -> usize {
    cols.div_ceil(V::LANES)
}

/// `acc[i][j] += sum over p of a[i * row_stride + p * step] * b[p * WIDTH + j * LANES ..]`, p from 0 to `depth`; the columns
/// of a second panel of b are `panel_stride` further on.
///
/// At every step a row of WIDTH numbers at `ahead` is asked for, one after the other, and one of each panel: what the caller
/// will need next.
///
/// # Safety
/// `a` is readable at all those places for i < MR, `b` at `depth` rows of WIDTH of each panel.
#[inline(always)]
pub(super) unsafe fn tile<
    V: Vector,
    O: Operands<V::Scalar, V>,
    const MR: usize,
    const NV: usize,
>(
    acc: &mut [[V; NV]; MR],
    (a, row_stride, step): (*const O::Lane, usize, usize),
    (b, panel_stride): (*const O::Lane, usize),
    depth: usize,
    (ahead, ahead_stride): (*const O::Lane, usize),
) {
    for p in 0..depth {
        prefetch(ahead.wrapping_add(p * WIDTH));
        if NV * V::LANES > WIDTH {
            prefetch(ahead.wrapping_add(ahead_stride + p * WIDTH));
        }
        // Macros, since a closure need not be inlined, and would then not be compiled for the instruction set.
        macro_rules! left {
            ($i:expr) => {
                // SAFETY: the caller vouches for row i < MR and step p < depth of a.
                O::broadcast(unsafe { *a.add($i * row_stride + p * step) })
            };
        }
        macro_rules! right {
            ($j:expr) => {
                // SAFETY: the caller vouches for row p < depth of b, and NV registers are at most WIDTH lanes.
                unsafe { O::load(b.add(column::<V>($j, panel_stride) + p * WIDTH)) }
            };
        }
        // The shorter side stays in registers, the longer passes through one: beside 12 sums there are four.
        if MR < NV {
            let mut lefts = [left!(0); MR];
            for (i, l) in lefts.iter_mut().enumerate().skip(1) {
                *l = left!(i);
            }
            for j in 0..NV {
                let r = right!(j);
                for (acc, &l) in acc.iter_mut().zip(&lefts) {
                    acc[j] = l.multiply_add(r, acc[j]);
                }
            }
        } else {
            let mut rights = [right!(0); NV];
            for (j, r) in rights.iter_mut().enumerate().skip(1) {
                *r = right!(j);
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let l = left!(i);
                for (acc, &r) in acc.iter_mut().zip(&rights) {
                    *acc = l.multiply_add(r, *acc);
                }
            }
        }
    }
}

/// The sizes of a product, or of a part of one: of its result, and how many terms each of its sums has.
#[derive(Clone, Copy)]
pub struct Size {
    pub rows: usize,
    pub depth: usize,
    pub cols: usize,
}

/// Where the columns of register `j` begin in a row of panels that are `panel_stride` apart.
#[inline(always)]
pub(super) const fn column<V: Vector>(j: usize, panel_stride: usize) -> usize {
    let first = j * V::LANES;
    first / WIDTH * panel_stride + first % WIDTH
}

/// A product seen as rows of tiles, up to `PANELS` panels wide.
pub(in crate::linalg) trait Tiles {
    type V: Vector;
    const PANELS: usize = 1;
    /// Compute rows `row .. row + MR`, `NV` registers wide.
    ///
    /// # Safety
    /// The rows are within the product, the registers within its columns rounded up to whole registers.
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize);
}

/// Cover `rows` rows, `cols` columns wide, with tiles of nearly equal height.
#[inline(always)]
pub(in crate::linalg) fn cover<J: Tiles>(job: &mut J, rows: usize, cols: usize) {
    let nv = registers::<J::V>(cols);
    let highest = (<J::V as Vector>::MAX_ACCUMULATORS / nv).clamp(1, WIDTH);
    let tiles = rows.div_ceil(highest);
    if tiles == 0 {
        return;
    }
    // The first `higher` tiles have one row more.
    let (height, higher) = (rows / tiles, rows % tiles);
    let mut row = 0;
    for tile in 0..tiles {
        let mr = height + usize::from(tile < higher);
        macro_rules! sizes {
            ($($nv:literal: $($mr:literal)*;)*) => {
                match (nv, mr) {
                    $($(($nv, $mr) => {
                        // Sizes that an instruction set never uses are not compiled for it.
                        if const {
                            $nv * <J::V as Vector>::LANES <= WIDTH * J::PANELS
                                && $mr * $nv <= <J::V as Vector>::MAX_ACCUMULATORS
                        } {
                            // SAFETY: row + mr <= rows, nv registers hold cols columns.
                            unsafe { job.tile::<$mr, $nv>(row) }
                        }
                    })*)*
                    _ => debug_assert!(false, "no tile of {mr} rows by {nv} registers"),
                }
            };
        }
        sizes! {
            1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16;
            2: 1 2 3 4 5 6 7 8 9 10 11 12;
            3: 1 2 3 4;
            4: 1 2 3;
            5: 1 2;
            6: 1 2;
            7: 1;
            8: 1;
        }
        row += mr;
    }
}
