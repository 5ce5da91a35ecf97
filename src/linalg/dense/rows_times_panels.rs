//! The rows of a matrix times one panel or two, over a part of the depth: what a w + b and δ wᵀ are made of.

use crate::linalg::dense::next::Next;
use crate::linalg::dense::tile::{Size, Tiles, column, cover, panels_of_tile, tile};
use crate::linalg::kernels::tile_registers::TileRegisters;
use crate::linalg::kernels::tiles::Product;
use crate::linalg::kernels::{Operands, Vector};
use crate::linalg::memory::panels::{View, WIDTH};
use crate::linalg::memory::prefetch::{ROWS_AHEAD, prefetch};

struct RowsTimesPanels<V: Vector, O: Operands<V::Scalar, V>> {
    left: *const O::Lane,
    left_stride: usize,
    size: Size,
    right: *const O::Lane,
    right_stride: usize,
    /// What the result begins from: the same row for all rows (step 0), or what `out` holds (step WIDTH).
    start: *const V::Scalar,
    start_step: usize,
    start_stride: usize,
    out: *mut V::Scalar,
    out_stride: usize,
    next: Next<V::Scalar>,
}

/// `out` = `start` (one row, for every row; None: what `out` holds) + the rows of `left` times the columns of `right`, of one
/// panel or two; all panels of `out` are `out_stride` apart.
#[inline(always)]
pub(super) fn rows_times_panels<V: Vector, O: Operands<V::Scalar, V>>(
    left: View<'_, O::Lane>,
    right: View<'_, O::Lane>,
    size: Size,
    start: Option<View<'_, V::Scalar>>,
    (out, out_stride): (&mut [V::Scalar], usize),
    mut next: Next<V::Scalar>,
) {
    let Size { rows, depth, cols } = size;
    let panels = cols.div_ceil(WIDTH);
    assert!(panels <= panels_of_tile::<V>());
    assert!(left.has(depth.div_ceil(WIDTH), rows) && right.has(panels, depth));
    assert!(View { data: out, stride: out_stride }.has(panels, rows));
    assert!(start.is_none_or(|start| start.has(panels, 1)));
    let out = out.as_mut_ptr();
    let (start, start_step, start_stride) = match start {
        Some(View { data, stride }) => (data.as_ptr(), 0, stride),
        None => (out.cast_const(), WIDTH, out_stride),
    };
    if const { O::Tiles::THERE } {
        next.share(rows.div_ceil(Product::ROWS) * depth.div_ceil(WIDTH));
        for row in (0..rows).step_by(Product::ROWS) {
            let product = Product {
                left: (left.data.as_ptr().wrapping_add(row * WIDTH).cast(), left.stride),
                right: (right.data.as_ptr().cast(), right.stride),
                steps: depth,
                rows: (rows - row).min(Product::ROWS),
                panels,
                start: Some((
                    start.wrapping_add(row * start_step).cast(),
                    start_step,
                    start_stride,
                )),
                out: (out.wrapping_add(row * WIDTH).cast(), out_stride),
            };
            // SAFETY: numbers are f32 and lanes pairs where products are of tiles, which the kernel has configured; the rows
            // and panels are there, as asserted.
            unsafe { product.run::<O::Tiles>(|| next.ask()) };
        }
        return;
    }
    // A tile has WIDTH rows at most.
    next.share(rows.div_ceil(WIDTH) * depth.div_ceil(WIDTH));
    let mut job = RowsTimesPanels::<V, O> {
        left: left.data.as_ptr(),
        left_stride: left.stride,
        size,
        right: right.data.as_ptr(),
        right_stride: right.stride,
        start,
        start_step,
        start_stride,
        out,
        out_stride,
        next,
    };
    cover(&mut job, rows, cols);
}

impl<V: Vector, O: Operands<V::Scalar, V>> Tiles for RowsTimesPanels<V, O> {
    type V = V;
    const PANELS: usize = panels_of_tile::<V>();

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        debug_assert!(row + MR <= self.size.rows);
        let mut acc = [[V::zero(); NV]; MR];
        for (i, acc) in acc.iter_mut().enumerate() {
            for (j, acc) in acc.iter_mut().enumerate() {
                let at = (row + i) * self.start_step + column::<V>(j, self.start_stride);
                // SAFETY: start is one row of each panel, or as many as out has.
                *acc = unsafe { V::load(self.start.add(at)) };
            }
        }
        let mut done = 0;
        // SAFETY: the left matrix has `depth` columns in panels `left_stride` apart, each with the rows of this tile; the
        // right panels have `depth` rows.
        unsafe {
            let mut left = self.left.add(row * WIDTH);
            while done < self.size.depth {
                let steps = (self.size.depth - done).min(WIDTH);
                for i in 0..MR {
                    // The rows of the next tile: each panel is on other pages, where the processor does not guess.
                    prefetch(left.wrapping_add((MR + i) * WIDTH));
                }
                self.next.ask();
                let right = self.right.add(done * WIDTH);
                let ahead = (right.wrapping_add(ROWS_AHEAD * WIDTH), self.right_stride);
                let right = (right, self.right_stride);
                tile::<V, O, MR, NV>(&mut acc, (left, WIDTH, 1), right, steps, ahead);
                left = left.wrapping_add(self.left_stride);
                done += steps;
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                let at = (row + i) * WIDTH + column::<V>(j, self.out_stride);
                // SAFETY: `out` has the rows of this tile, WIDTH numbers in each panel.
                unsafe { acc.store(self.out.add(at)) };
            }
        }
    }
}
