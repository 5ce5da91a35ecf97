//! aᵀ δ, for a block of up to 16 inputs and 16 neurons at a time; and the sums of δ, which are the same with 1 for a.

use crate::linalg::dense::tile::{Tiles, cover, tile};
use crate::linalg::kernels::{Lane, Operands, Scalar, Vector};
use crate::linalg::memory::panels::{BLOCK, WIDTH};

struct OuterTiles<V: Vector, O: Operands<V::Scalar, V>> {
    a: *const O::Lane,
    /// Lanes from one row of a to the next; 0 where a is a single number for all rows.
    step: usize,
    delta: *const O::Lane,
    rows: usize,
    /// Rows of the gradient.
    inputs: usize,
    /// What will be needed after these rows.
    ahead: *const O::Lane,
    /// Go on from what `gradient` holds, instead of from 0.
    resume: bool,
    gradient: *mut V::Scalar,
}

impl<V: Vector, O: Operands<V::Scalar, V>> Tiles for OuterTiles<V, O> {
    type V = V;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        debug_assert!(row + MR <= self.inputs && NV * V::LANES <= WIDTH);
        let mut acc = [[V::zero(); NV]; MR];
        if self.resume {
            for (i, acc) in acc.iter_mut().enumerate() {
                for (j, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: `gradient` has the rows of this tile, WIDTH numbers each.
                    *acc = unsafe { V::load(self.gradient.add((row + i) * WIDTH + j * V::LANES)) };
                }
            }
        }
        // SAFETY: a and delta have `rows` rows of WIDTH numbers, of which columns row .. row + MR of a are read; or a is one
        // number, read over and over by a tile of one row.
        unsafe {
            let a = (self.a.add(row), 1, self.step);
            tile::<V, O, MR, NV>(&mut acc, a, self.delta, self.rows, self.ahead);
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                // SAFETY: `gradient` has the rows of this tile, WIDTH numbers each.
                unsafe { acc.store(self.gradient.add((row + i) * WIDTH + j * V::LANES)) };
            }
        }
    }
}

/// Rows of a and δ that are gone through before the next ones: both stay in the L1 cache for all tiles of a block.
const fn rows_at_once<T>() -> usize {
    (8 << 10) / (WIDTH * size_of::<T>())
}

/// Terms, a register of each, that take about as long as to transpose a block.
const TRANSPOSING: usize = 256;

/// aᵀ δ for a block of up to 16 inputs and one panel of outputs, with `resume` added to what `gradient` holds.
///
/// `a` and `delta` are the same rows (or pairs of rows) of one panel each; `gradient` gets `inputs` rows of WIDTH
/// numbers, of which `cols` columns are computed. To be used inside a [`Kernel`](crate::linalg::kernels::Kernel): the
/// update follows in the same one, while the block is in the L1 cache.
#[inline(always)]
pub fn outer<V: Vector>(
    a: &[Lane<V>],
    delta: &[Lane<V>],
    inputs: usize,
    cols: usize,
    mut resume: bool,
    gradient: &mut [V::Scalar],
) {
    assert!(inputs <= WIDTH && cols <= WIDTH && gradient.len() >= inputs * WIDTH);
    assert!(a.len() == delta.len() && a.len().is_multiple_of(WIDTH));
    // Few outputs would leave much of a register idle: then it is the inputs that are in registers.
    let is_narrow = gradient.len() >= BLOCK && (WIDTH - cols) * (delta.len() / WIDTH) > TRANSPOSING;
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
    let at_once = rows_at_once::<Lane<V>>() * WIDTH;
    for (a, delta) in a.chunks(at_once).zip(delta.chunks(at_once)) {
        let mut job = OuterTiles::<V, V::Operands> {
            a: a.as_ptr(),
            step: WIDTH,
            delta: delta.as_ptr(),
            rows: delta.len() / WIDTH,
            inputs: height,
            // The rows after these, or where the next panel begins.
            ahead: a.as_ptr_range().end,
            resume,
            gradient: sums,
        };
        cover(&mut job, height, width);
        resume = true;
    }
    if let Some(transposed) = &transposed {
        V::transpose(transposed, gradient);
    }
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
        rows: delta.len() / WIDTH,
        inputs: 1,
        ahead: delta.as_ptr(),
        resume,
        gradient: gradient.as_mut_ptr(),
    };
    cover(&mut job, 1, cols);
}
