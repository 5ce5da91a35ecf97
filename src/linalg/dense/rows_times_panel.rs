//! The rows of a matrix times one panel: what a w + b and δ wᵀ share.
//!
//! The sum goes over a part of the panel that stays in the L1 cache, for all rows, before the next part.

use crate::linalg::dense::tile::{Tiles, cover, tile};
use crate::linalg::kernels::{Isa, Lane, Pair, Scalar, Vector};
use crate::linalg::memory::panels::{Aligned, Panels, WIDTH, panel_count};
use crate::linalg::memory::prefetch::{ROWS_AHEAD, prefetch};

/// What the products need room for on their way.
pub struct Scratch<T> {
    /// A panel of transposed weights.
    pub(super) transposed: Aligned<T>,
    /// bfloat16 numbers of the left matrix, and of a panel of the right one.
    pub(super) left: Panels<Pair>,
    pub(super) right: Aligned<Pair>,
}

impl<T: Scalar> Scratch<T> {
    /// Nothing: enough for a w + b where numbers are multiplied as they are. None where memory is refused.
    pub fn none() -> Option<Self> {
        Some(Self {
            transposed: Aligned::zeros(0)?,
            left: Panels::zeros(0, 0)?,
            right: Aligned::zeros(0)?,
        })
    }

    /// Room for products of up to `rows` rows in layers of up to so many inputs and outputs. None where memory is refused.
    pub fn new(isa: Isa, rows: usize, fan_in: usize, fan_out: usize) -> Option<Self> {
        let mut scratch = Self::none()?;
        scratch.transposed = Aligned::zeros(panel_count(fan_out) * WIDTH)?;
        if isa.multiplies_bfloat16() {
            let widest = fan_in.max(fan_out);
            scratch.left = Panels::zeros(rows, widest.div_ceil(2))?;
            scratch.right = Aligned::zeros(widest.div_ceil(2))?;
        }
        Some(scratch)
    }
}

/// Rows of a panelled matrix times one panel, over a part of the depth: what a w + b and δ wᵀ share.
struct RowsTimesPanel<V: Vector> {
    left: *const Lane<V>,
    /// Lanes between the panels of the left matrix.
    left_stride: usize,
    /// Rows of the left matrix and of the result.
    rows: usize,
    depth: usize,
    right: *const Lane<V>,
    /// What every row of the result begins from: the same row for all (stride 0), or what `out` holds (stride WIDTH).
    init: *const V::Scalar,
    init_stride: usize,
    out: *mut V::Scalar,
}

/// Rows of the right panel that are gone through before the next ones: they stay in the L1 cache for all tiles.
const fn depth_at_once<T>() -> usize {
    let rows = (16 << 10) / (WIDTH * size_of::<T>());
    rows - rows % WIDTH
}

/// `out` = `init` (one row, for every row) + the rows of `left` times `right`, of `depth` rows and `cols` columns.
#[inline(always)]
pub(super) fn rows_times_panel<V: Vector>(
    left: &Panels<Lane<V>>,
    right: &[Lane<V>],
    depth: usize,
    init: &[V::Scalar],
    cols: usize,
    out: &mut [V::Scalar],
) {
    assert!(depth <= left.cols() && right.len() >= depth * WIDTH && init.len() >= WIDTH);
    assert!(out.len() == left.rows() * WIDTH);
    let out = out.as_mut_ptr();
    let mut done = 0;
    while done < depth {
        let steps = (depth - done).min(depth_at_once::<Lane<V>>());
        let (init, init_stride) =
            if done == 0 { (init.as_ptr(), 0) } else { (out.cast_const(), WIDTH) };
        let mut job = RowsTimesPanel::<V> {
            // `done` is a multiple of WIDTH: whole panels are done.
            left: left.panels_from(done / WIDTH).as_ptr(),
            left_stride: left.panel_stride(),
            rows: left.rows(),
            depth: steps,
            right: right[done * WIDTH..].as_ptr(),
            init,
            init_stride,
            out,
        };
        cover(&mut job, left.rows(), cols);
        done += steps;
    }
}

impl<V: Vector> Tiles for RowsTimesPanel<V> {
    type V = V;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        debug_assert!(row + MR <= self.rows && NV * V::LANES <= WIDTH);
        let mut acc = [[V::zero(); NV]; MR];
        for (i, acc) in acc.iter_mut().enumerate() {
            for (j, acc) in acc.iter_mut().enumerate() {
                let at = (row + i) * self.init_stride + j * V::LANES;
                // SAFETY: init is one row of WIDTH numbers, or as many as out has.
                *acc = unsafe { V::load(self.init.add(at)) };
            }
        }
        let mut done = 0;
        // SAFETY: the left matrix has `depth` columns in panels `left_stride` apart, each with the rows of this tile; the
        // right panel has `depth` rows.
        unsafe {
            let mut left = self.left.add(row * WIDTH);
            while done < self.depth {
                let steps = (self.depth - done).min(WIDTH);
                for i in 0..MR {
                    // The rows of the next tile: each panel is on other pages, where the processor does not guess.
                    prefetch(left.wrapping_add((MR + i) * WIDTH));
                }
                let right = self.right.add(done * WIDTH);
                let ahead = right.wrapping_add(ROWS_AHEAD * WIDTH);
                tile::<V, V::Operands, MR, NV>(&mut acc, (left, WIDTH, 1), right, steps, ahead);
                left = left.wrapping_add(self.left_stride);
                done += steps;
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                // SAFETY: `out` has the rows of this tile, WIDTH numbers each.
                unsafe { acc.store(self.out.add((row + i) * WIDTH + j * V::LANES)) };
            }
        }
    }
}
