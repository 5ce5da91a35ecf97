//! The three products of backpropagation, all made of one tile.
//!
//! Dimensions: `m` rows of a batch, `k` inputs (`fan_in`) and `n` outputs (`fan_out`) of a layer. Every matrix is in
//! [panels](super::panels); the parameters of a layer are one panel after another, each of `fan_in` rows of weights and
//! one row of biases.
//!
//! | product | tile (rows x columns) | sum over |
//! |---|---|---|
//! | [`affine`]: z = a w + b | m x n | k |
//! | [`transposed`]: δ wᵀ | m x k | n |
//! | [`Outer`]: aᵀ δ | k x n | m |
//!
//! The tile holds a few rows times up to 16 columns in registers and adds, step after step of the sum, one number of the
//! left matrix (broadcast) times up to 16 of the right one. For [`transposed`] a panel of wᵀ is put together first, in a
//! buffer that fits the L1 or L2 cache: a 1/m of the work, and the tile stays the same. Each element is summed in the
//! order of the sum's index, whatever the tile, the number of threads or the size of the batch: results do not depend on
//! them.

use super::dispatch::{Isa, Kernel, dispatch};
use super::panels::{Panels, WIDTH, panel_cols, panel_count};
use super::real::Real;
use super::vector::Vector;

/// The parameters of one layer in panels: `panel_count(fan_out)` panels of `fan_in + 1` rows, the last row the biases.
#[derive(Clone, Copy)]
pub struct Layer<'a, T> {
    pub fan_in: usize,
    pub fan_out: usize,
    pub data: &'a [T],
}

impl<'a, T: Real> Layer<'a, T> {
    /// Weights and biases of panel `panel`, `(fan_in + 1) * WIDTH` numbers.
    #[inline(always)]
    pub fn panel(&self, panel: usize) -> &'a [T] {
        let len = (self.fan_in + 1) * WIDTH;
        &self.data[panel * len..(panel + 1) * len]
    }
}

/// What to do with the rows of a panel once a product has filled them.
pub trait Epilogue<T: Real> {
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, values: &mut [T]);
}

/// Registers that hold `cols` columns.
#[inline(always)]
fn registers<V: Vector>(cols: usize) -> usize {
    cols.div_ceil(V::LANES)
}

/// `acc[i][j] += sum over p of a[i * row_stride + p * step] * b[p * WIDTH + j * LANES ..]`, p from 0 to `depth`.
///
/// # Safety
/// `a` is readable at all those places for i < MR, `b` at `depth` rows of WIDTH.
#[inline(always)]
unsafe fn tile<V: Vector, const MR: usize, const NV: usize>(
    acc: &mut [[V; NV]; MR],
    a: *const V::Scalar,
    row_stride: usize,
    step: usize,
    b: *const V::Scalar,
    depth: usize,
) {
    for p in 0..depth {
        let mut right = [V::zero(); NV];
        for (j, right) in right.iter_mut().enumerate() {
            // SAFETY: row p of b, columns within WIDTH.
            *right = unsafe { V::load(b.add(p * WIDTH + j * V::LANES)) };
        }
        for (i, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the caller vouches for every i < MR and p < depth.
            let left = V::splat(unsafe { *a.add(i * row_stride + p * step) });
            for (acc, right) in acc.iter_mut().zip(right) {
                *acc = left.mul_add(right, *acc);
            }
        }
    }
}

/// A product seen as rows of tiles, one panel wide.
pub(super) trait Tiles {
    type V: Vector;
    /// Compute rows `row .. row + MR`, `NV` registers wide.
    ///
    /// # Safety
    /// The rows are within the product, the registers within its columns rounded up to whole registers.
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize);
}

/// Cover `rows` rows, `cols` columns wide, with tiles of nearly equal height.
#[inline(always)]
pub(super) fn cover<J: Tiles>(job: &mut J, rows: usize, cols: usize) {
    let nv = registers::<J::V>(cols);
    let highest = (<J::V as Vector>::MAX_ACCUMULATORS / nv).clamp(1, WIDTH);
    let mut row = 0;
    let mut tiles = rows.div_ceil(highest);
    while tiles > 0 {
        let mr = (rows - row).div_ceil(tiles);
        macro_rules! sizes {
            ($($nv:literal: $($mr:literal)*;)*) => {
                match (nv, mr) {
                    $($(($nv, $mr) => {
                        // Sizes that an instruction set never uses are not compiled for it.
                        if const {
                            $nv * <J::V as Vector>::LANES <= WIDTH
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
            2: 1 2 3 4 5 6 7 8;
            3: 1 2 3 4;
            4: 1 2 3;
            5: 1 2;
            6: 1 2;
            7: 1;
            8: 1;
        }
        row += mr;
        tiles -= 1;
    }
}

/// A result of one row, one panel wide, in registers from end to end.
pub(super) trait Row {
    type V: Vector;
    /// Compute the row, `NV` registers wide.
    fn row<const NV: usize>(&mut self);
}

/// Compute one row, `cols` columns wide.
#[inline(always)]
pub(super) fn cover_row<J: Row>(job: &mut J, cols: usize) {
    macro_rules! sizes {
        ($($nv:literal)*) => {
            match registers::<J::V>(cols) {
                $($nv => if const { $nv * <J::V as Vector>::LANES <= WIDTH } { job.row::<$nv>() })*
                _ => debug_assert!(false, "a row of {cols} columns is wider than a panel"),
            }
        };
    }
    sizes! { 1 2 3 4 5 6 7 8 }
}

/// Rows of a panelled matrix times one panel: what [`affine`] and [`transposed`] share.
struct RowsTimesPanel<V: Vector> {
    left: *const V::Scalar,
    /// Numbers between the panels of the left matrix.
    left_stride: usize,
    depth: usize,
    right: *const V::Scalar,
    /// The row every row of the result begins from.
    init: *const V::Scalar,
    out: *mut V::Scalar,
}

impl<V: Vector> Tiles for RowsTimesPanel<V> {
    type V = V;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        let mut acc = [[V::zero(); NV]; MR];
        for acc in &mut acc {
            for (j, acc) in acc.iter_mut().enumerate() {
                // SAFETY: init is a row of WIDTH numbers.
                *acc = unsafe { V::load(self.init.add(j * V::LANES)) };
            }
        }
        let mut done = 0;
        // SAFETY: the left matrix has `depth` columns in panels `left_stride` apart, each with the rows of this tile; the
        // right panel has `depth` rows.
        unsafe {
            let mut left = self.left.add(row * WIDTH);
            while done < self.depth {
                let steps = (self.depth - done).min(WIDTH);
                tile(
                    &mut acc,
                    left,
                    WIDTH,
                    1,
                    self.right.add(done * WIDTH),
                    steps,
                );
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

struct Affine<'a, T, E> {
    a: &'a Panels<T>,
    layer: Layer<'a, T>,
    out: &'a mut Panels<T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Affine<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer {
            fan_in, fan_out, ..
        } = self.layer;
        for panel in 0..panel_count(fan_out) {
            let right = self.layer.panel(panel);
            let out = self.out.panel_mut(panel);
            let mut job = RowsTimesPanel::<V> {
                left: self.a.first(),
                left_stride: self.a.panel_stride(),
                depth: fan_in,
                right: right.as_ptr(),
                init: right[fan_in * WIDTH..].as_ptr(),
                out: out.as_mut_ptr(),
            };
            cover(&mut job, self.a.rows(), panel_cols(fan_out, panel));
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// z = a w + b for every row of `a`, the epilogue on each panel of z while it is still in the cache.
pub fn affine<T: Real>(
    isa: Isa,
    a: &Panels<T>,
    layer: Layer<'_, T>,
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(a.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == a.rows());
    dispatch(
        isa,
        Affine {
            a,
            layer,
            out,
            epilogue,
        },
    );
}

struct Transposed<'a, T, E> {
    delta: &'a Panels<T>,
    layer: Layer<'a, T>,
    buffer: &'a mut [T],
    out: &'a mut Panels<T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Transposed<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer {
            fan_in, fan_out, ..
        } = self.layer;
        let zeros = [T::ZERO; WIDTH];
        for panel in 0..panel_count(fan_in) {
            transpose_panel(self.layer, panel, self.buffer);
            let out = self.out.panel_mut(panel);
            let mut job = RowsTimesPanel::<V> {
                left: self.delta.first(),
                left_stride: self.delta.panel_stride(),
                depth: fan_out,
                right: self.buffer.as_ptr(),
                init: zeros.as_ptr(),
                out: out.as_mut_ptr(),
            };
            cover(&mut job, self.delta.rows(), panel_cols(fan_in, panel));
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// δ wᵀ for every row of `delta`. `buffer` has room for `buffer_len(fan_out)` numbers.
pub fn transposed<T: Real>(
    isa: Isa,
    delta: &Panels<T>,
    layer: Layer<'_, T>,
    buffer: &mut [T],
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(
        delta.cols() == layer.fan_out && out.cols() == layer.fan_in && out.rows() == delta.rows()
    );
    assert!(buffer.len() >= buffer_rows(layer.fan_out) * WIDTH);
    dispatch(
        isa,
        Transposed {
            delta,
            layer,
            buffer,
            out,
            epilogue,
        },
    );
}

/// Rows of the buffer that [`transposed`] needs for a layer of `fan_out` neurons.
pub fn buffer_rows(fan_out: usize) -> usize {
    panel_count(fan_out) * WIDTH
}

/// Columns `panel * WIDTH ..` of wᵀ: row c of `out` gets the weights of neuron c from those inputs.
#[inline(always)]
fn transpose_panel<T: Real>(layer: Layer<'_, T>, panel: usize, out: &mut [T]) {
    let inputs = panel_cols(layer.fan_in, panel);
    for block in 0..panel_count(layer.fan_out) {
        let weights = &layer.panel(block)[panel * WIDTH * WIDTH..];
        let out = &mut out[block * WIDTH * WIDTH..(block + 1) * WIDTH * WIDTH];
        for i in 0..inputs {
            for c in 0..WIDTH {
                out[c * WIDTH + i] = weights[i * WIDTH + c];
            }
        }
        for i in inputs..WIDTH {
            for c in 0..WIDTH {
                out[c * WIDTH + i] = T::ZERO;
            }
        }
    }
}

/// aᵀ δ for a block of up to 16 inputs and one panel of outputs, added to what `gradient` holds.
///
/// To be used inside a [`Kernel`]: the update follows in the same one, while the block is in the L1 cache.
pub struct Outer<'a, T> {
    /// Rows of one panel of a (`rows * WIDTH`), the columns of which are the rows of the result.
    pub a: &'a [T],
    /// As many rows of one panel of δ.
    pub delta: &'a [T],
}

struct OuterTiles<'a, V: Vector> {
    parts: &'a [Outer<'a, V::Scalar>],
    /// Take a as 1 everywhere: the gradient of a bias (BP3) is that of a weight (BP4) whose input is 1.
    ones: bool,
    gradient: *mut V::Scalar,
}

impl<V: Vector> Tiles for OuterTiles<'_, V> {
    type V = V;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        let mut acc = [[V::zero(); NV]; MR];
        for (i, acc) in acc.iter_mut().enumerate() {
            for (j, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `gradient` has the rows of this tile, WIDTH numbers each.
                *acc = unsafe { V::load(self.gradient.add((row + i) * WIDTH + j * V::LANES)) };
            }
        }
        let one = V::Scalar::ONE;
        for part in self.parts {
            let rows = part.delta.len() / WIDTH;
            let (a, step) = if self.ones {
                (&raw const one, 0)
            } else {
                (part.a[row..].as_ptr(), WIDTH)
            };
            // SAFETY: a has `rows` rows of WIDTH numbers (checked by `outer`) of which columns row .. row + MR are read,
            // or is one number read over and over by tiles of one row.
            unsafe { tile(&mut acc, a, 1, step, part.delta.as_ptr(), rows) };
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                // SAFETY: as above.
                unsafe { acc.store(self.gradient.add((row + i) * WIDTH + j * V::LANES)) };
            }
        }
    }
}

/// Add the sum over `parts` of aᵀ δ to `gradient`: `inputs` rows of WIDTH numbers, of which `cols` columns are computed.
#[inline(always)]
pub fn outer<V: Vector>(
    parts: &[Outer<'_, V::Scalar>],
    inputs: usize,
    cols: usize,
    gradient: &mut [V::Scalar],
) {
    assert!(inputs <= WIDTH && cols <= WIDTH && gradient.len() >= inputs * WIDTH);
    for part in parts {
        assert!(part.a.len() == part.delta.len() && part.delta.len() >= WIDTH);
    }
    let gradient = gradient.as_mut_ptr();
    cover(
        &mut OuterTiles::<V> {
            parts,
            ones: false,
            gradient,
        },
        inputs,
        cols,
    );
}

/// Add the sum over all rows of the parts' δ to `gradient`, one row of WIDTH numbers.
#[inline(always)]
pub fn column_sums<V: Vector>(
    parts: &[Outer<'_, V::Scalar>],
    cols: usize,
    gradient: &mut [V::Scalar],
) {
    assert!(cols <= WIDTH && gradient.len() >= WIDTH);
    cover(
        &mut OuterTiles::<V> {
            parts,
            ones: true,
            gradient: gradient.as_mut_ptr(),
        },
        1,
        cols,
    );
}
