//! aᵀ δ, for a block of up to 16 inputs and one panel of neurons, or two, at a time; and the sums of δ, which are the same with
//! 1 for a.

use crate::linalg::dense::blocks::{self, parts};
use crate::linalg::dense::tile::{Size, Tiles, column, cover, panels_of_tile, tile};
use crate::linalg::kernels::tile_registers::TileRegisters;
use crate::linalg::kernels::tiles::Product;
use crate::linalg::kernels::{Lane, Operands, Scalar, TilesOf, Vector};
use crate::linalg::memory::panels::{BLOCK, View, WIDTH};

struct OuterTiles<V: Vector, O: Operands<V::Scalar, V>> {
    a: *const O::Lane,
    /// Lanes from one row of a to the next; 0 where a is a single number for all rows.
    step: usize,
    delta: *const O::Lane,
    delta_stride: usize,
    rows: usize,
    /// Rows of the gradient.
    inputs: usize,
    /// What will be needed after these rows.
    ahead: *const O::Lane,
    /// Go on from what `gradient` holds, instead of from 0.
    resume: bool,
    /// A block for each panel.
    gradient: *mut V::Scalar,
}

impl<V: Vector, O: Operands<V::Scalar, V>> Tiles for OuterTiles<V, O> {
    type V = V;
    const PANELS: usize = panels_of_tile::<V>();

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        debug_assert!(row + MR <= self.inputs);
        let mut acc = [[V::zero(); NV]; MR];
        if self.resume {
            for (i, acc) in acc.iter_mut().enumerate() {
                for (j, acc) in acc.iter_mut().enumerate() {
                    let at = (row + i) * WIDTH + column::<V>(j, BLOCK);
                    // SAFETY: `gradient` has the rows of this tile, WIDTH numbers in each block.
                    *acc = unsafe { V::load(self.gradient.add(at)) };
                }
            }
        }
        // SAFETY: a and delta have `rows` rows of WIDTH numbers, of which columns row .. row + MR of a are read; or a is one
        // number, read over and over by a tile of one row.
        unsafe {
            let a = (self.a.add(row), 1, self.step);
            let delta = (self.delta, self.delta_stride);
            tile::<V, O, MR, NV>(&mut acc, a, delta, self.rows, (self.ahead, 0));
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                let at = (row + i) * WIDTH + column::<V>(j, BLOCK);
                // SAFETY: `gradient` has the rows of this tile, WIDTH numbers in each block.
                unsafe { acc.store(self.gradient.add(at)) };
            }
        }
    }
}

/// Terms, a register of each, that take about as long as to transpose a block.
const TRANSPOSING: usize = 256;

/// aᵀ δ for a block of up to 16 inputs and the outputs of one panel, or of as many as a tile is wide, with `resume` added to
/// what `gradient` holds.
///
/// `a` and `delta` are the same rows (or pairs of rows), as many as `size` has depth; `gradient` gets a block for each panel
/// of `delta`, the rows of `size`, one for each input (16, where products are of tiles), of WIDTH numbers, of which its
/// columns are computed. To be used inside a [`Kernel`](crate::linalg::kernels::Kernel): the update follows in the same
/// one, while the blocks are in the L1 cache.
#[inline(always)]
pub fn outer<V: Vector>(
    a: View<'_, Lane<V>>,
    delta: View<'_, Lane<V>>,
    size: Size,
    mut resume: bool,
    gradient: &mut [V::Scalar],
) {
    let Size { rows: inputs, depth: rows, cols } = size;
    let panels = cols.div_ceil(WIDTH);
    assert!(panels <= panels_of_tile::<V>() && inputs <= WIDTH);
    assert!(View { data: &*gradient, stride: BLOCK }.has(panels, inputs));
    assert!(a.has(1, rows) && delta.has(panels, rows));
    if rows == 0 && !resume {
        // No part of them is there for a tile to begin with.
        return gradient.fill(V::Scalar::ZERO);
    }
    if const { TilesOf::<V>::THERE } {
        let blocks = rows.next_multiple_of(WIDTH);
        assert!(a.has(1, blocks) && delta.has(panels, blocks) && gradient.len() >= panels * BLOCK);
        let gradient: *mut f32 = gradient.as_mut_ptr().cast();
        let product = Product {
            left: (a.data.as_ptr().cast(), BLOCK),
            right: (delta.data.as_ptr().cast(), delta.stride),
            steps: blocks,
            rows: WIDTH,
            panels,
            start: resume.then_some((gradient.cast_const(), WIDTH, BLOCK)),
            out: (gradient, BLOCK),
        };
        // SAFETY: numbers are f32 and lanes pairs where products are of tiles, which the kernel has configured; what is read
        // and written is there, as asserted.
        return unsafe { product.run::<TilesOf<V>>(|| ()) };
    }
    // Few outputs would leave much of a register idle: then it is the inputs that are in registers.
    let is_narrow = gradient.len() >= BLOCK && is_narrow(cols, rows);
    let mut transposed = is_narrow.then_some([V::Scalar::ZERO; BLOCK]);
    let (a, delta, height, width, sums) = match &mut transposed {
        Some(transposed) => {
            if resume {
                V::transpose(gradient, transposed);
            }
            (delta, a, cols, inputs, transposed.as_mut_ptr())
        }
        None => (a, delta, inputs, cols, gradient.as_mut_ptr()),
    };
    let mut parts = parts(0..rows, blocks::rows::<V>(), 1);
    // Once at least, as a sum over no rows is 0.
    let mut part = Some(parts.next().unwrap_or(0..0));
    while let Some(rows) = part {
        let (a, delta) = (a.from(0, rows.start), delta.from(0, rows.start));
        let mut job = OuterTiles::<V, V::Operands> {
            a: a.data.as_ptr(),
            step: WIDTH,
            delta: delta.data.as_ptr(),
            delta_stride: delta.stride,
            rows: rows.len(),
            inputs: height,
            // The rows after these, or where the next panel begins.
            ahead: a.data.as_ptr().wrapping_add(rows.len() * WIDTH),
            resume,
            gradient: sums,
        };
        cover(&mut job, height, width);
        resume = true;
        part = parts.next();
    }
    if let Some(transposed) = &transposed {
        V::transpose(transposed, gradient);
    }
}

/// Whether so few columns leave so much of the registers idle, over so many terms, that it pays to transpose the block.
#[inline(always)]
pub fn is_narrow(cols: usize, rows: usize) -> bool {
    cols < WIDTH && (WIDTH - cols) * rows > TRANSPOSING
}

/// The sum over all rows of δ, with `resume` added to what `gradient` holds, one row of WIDTH numbers.
///
/// The gradient of a bias (BP3) is that of a weight (BP4) whose input is 1.
#[inline(always)]
pub fn column_sums<V: Vector>(
    delta: &[V::Scalar],
    cols: usize,
    resume: bool,
    gradient: &mut [V::Scalar],
) {
    assert!(cols <= WIDTH && gradient.len() >= WIDTH);
    let one = V::Scalar::ONE;
    let mut job = OuterTiles::<V, V> {
        a: &raw const one,
        step: 0,
        delta: delta.as_ptr(),
        delta_stride: 0,
        rows: delta.len() / WIDTH,
        inputs: 1,
        ahead: delta.as_ptr(),
        resume,
        gradient: gradient.as_mut_ptr(),
    };
    cover(&mut job, 1, cols);
}
