//! The three products of backpropagation, all made of one tile.
//!
//! Dimensions: `m` rows of a batch, `k` inputs (`fan_in`) and `n` outputs (`fan_out`) of a layer. Every matrix is in
//! [panels](crate::linalg::memory::panels); the parameters of a layer are one panel after another, each of `fan_in` rows of weights and
//! one row of biases.
//!
//! | product | tile (rows x columns) | sum over |
//! |---|---|---|
//! | [`affine`]: z = a w + b | m x n | k |
//! | [`transposed`]: δ wᵀ | m x k | n |
//! | [`outer`]: aᵀ δ | k x n | m |
//!
//! The tile holds a few rows times up to 16 columns in registers and adds, step after step of the sum, one number of the
//! left matrix (broadcast) times up to 16 of the right one. For [`transposed`] a panel of wᵀ is put together first, in a
//! buffer that fits the L1 or L2 cache: a 1/m of the work, and the tile stays the same. What it multiplies are numbers, or
//! pairs of bfloat16 numbers: see [`operands`](crate::linalg::kernels::operands). Each element is summed in the
//! order of the sum's index, whatever the tile, the number of threads or the size of the batch: results do not depend on
//! them.

use std::ops::Range;

use crate::linalg::dense::bfloat16::Pair;
use crate::linalg::kernels::operands::{Lane, Operands};
use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Aligned, BLOCK, Panels, WIDTH, panel_cols, panel_count};
use crate::linalg::memory::prefetch::prefetch;

/// The parameters of one layer in panels: `panel_count(fan_out)` panels of `fan_in + 1` rows, the last row the biases; or
/// some of these panels, for [`affine`] alone.
#[derive(Clone, Copy)]
pub struct Layer<'a, T> {
    pub fan_in: usize,
    pub fan_out: usize,
    /// The first panel that `data` has.
    pub first: usize,
    pub data: &'a [T],
}

impl<'a, T: Real> Layer<'a, T> {
    /// Weights and biases of panel `panel`, `(fan_in + 1) * WIDTH` numbers.
    #[inline(always)]
    pub fn panel(&self, panel: usize) -> &'a [T] {
        let len = (self.fan_in + 1) * WIDTH;
        let panel = panel - self.first;
        &self.data[panel * len..(panel + 1) * len]
    }

    pub fn panels(&self) -> Range<usize> {
        self.first..self.first + self.data.len() / ((self.fan_in + 1) * WIDTH)
    }
}

/// What to do with the rows of a panel once a product has filled them.
pub trait Epilogue<T: Real> {
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, values: &mut [T]);
}

/// What the products need room for on their way.
pub struct Scratch<T> {
    /// A panel of transposed weights.
    transposed: Aligned<T>,
    /// bfloat16 numbers of the left matrix, and of a panel of the right one.
    left: Panels<Pair>,
    right: Aligned<Pair>,
}

impl<T: Real> Scratch<T> {
    /// Nothing: enough for [`affine`] where numbers are multiplied as they are. None where memory is refused.
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

/// Registers that hold `cols` columns.
#[inline(always)]
fn registers<V: Vector>(cols: usize) -> usize {
    cols.div_ceil(V::LANES)
}

/// `acc[i][j] += sum over p of a[i * row_stride + p * step] * b[p * WIDTH + j * LANES ..]`, p from 0 to `depth`.
///
/// At every step a row of WIDTH numbers at `ahead` is asked for, one after the other: what the caller will need next.
///
/// # Safety
/// `a` is readable at all those places for i < MR, `b` at `depth` rows of WIDTH.
#[inline(always)]
unsafe fn tile<V: Vector, O: Operands<V>, const MR: usize, const NV: usize>(
    acc: &mut [[V; NV]; MR],
    (a, row_stride, step): (*const O::Lane, usize, usize),
    b: *const O::Lane,
    depth: usize,
    ahead: *const O::Lane,
) {
    for p in 0..depth {
        prefetch(ahead.wrapping_add(p * WIDTH));
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
                unsafe { O::load(b.add(p * WIDTH + $j * V::LANES)) }
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
                for (acc, l) in acc.iter_mut().zip(lefts) {
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
                for (acc, r) in acc.iter_mut().zip(rights) {
                    *acc = l.multiply_add(r, *acc);
                }
            }
        }
    }
}

/// A product seen as rows of tiles, one panel wide.
pub(in crate::linalg) trait Tiles {
    type V: Vector;
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
    }
}

/// Rows of a panelled matrix times one panel, over a part of the depth: what [`affine`] and [`transposed`] share.
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

/// How far ahead rows of the right panel are asked for: the processor's own prefetching stops at the end of each page.
pub(in crate::linalg) const ROWS_AHEAD: usize = 12;

/// Rows of the right panel that are gone through before the next ones: they stay in the L1 cache for all tiles.
const fn depth_at_once<T>() -> usize {
    let rows = (16 << 10) / (WIDTH * size_of::<T>());
    rows - rows % WIDTH
}

/// `out` = `init` (one row, for every row) + the rows of `left` times `right`, of `depth` rows and `cols` columns.
#[inline(always)]
fn rows_times_panel<V: Vector>(
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
            left: left.panel(done / WIDTH).as_ptr(),
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

struct Affine<'a, T, E> {
    a: &'a Panels<T>,
    layer: Layer<'a, T>,
    scratch: &'a mut Scratch<T>,
    out: &'a mut Panels<T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Affine<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let Scratch { left, right, .. } = self.scratch;
        let depth = fan_in.div_ceil(V::Operands::TERMS);
        let left = V::Operands::columns(self.a, left);
        for panel in self.layer.panels() {
            let (weights, bias) = self.layer.panel(panel).split_at(fan_in * WIDTH);
            let right = V::Operands::rows(weights, right.as_mut_slice());
            let out = self.out.panel_mut(panel);
            let cols = panel_cols(fan_out, panel);
            rows_times_panel::<V>(left, right, depth, bias, cols, out);
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// z = a w + b for every row of `a` and the panels that `layer` has, the epilogue on each panel of z while it is still in the cache.
pub fn affine<T: Real>(
    isa: Isa,
    a: &Panels<T>,
    layer: Layer<'_, T>,
    scratch: &mut Scratch<T>,
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(a.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == a.rows());
    dispatch(isa, Affine { a, layer, scratch, out, epilogue });
}

struct Transposed<'a, T, E> {
    delta: &'a Panels<T>,
    layer: Layer<'a, T>,
    scratch: &'a mut Scratch<T>,
    out: &'a mut Panels<T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Transposed<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let Layer { fan_in, fan_out, .. } = self.layer;
        let Scratch { transposed, left, right } = self.scratch;
        let zeros = [T::ZERO; WIDTH];
        let depth = fan_out.div_ceil(V::Operands::TERMS);
        let left = V::Operands::columns(self.delta, left);
        for panel in 0..panel_count(fan_in) {
            let transposed = transposed.as_mut_slice();
            transpose_panel::<V>(self.layer, panel, transposed);
            let weights = &transposed[..fan_out * WIDTH];
            let right = V::Operands::rows(weights, right.as_mut_slice());
            let out = self.out.panel_mut(panel);
            let cols = panel_cols(fan_in, panel);
            rows_times_panel::<V>(left, right, depth, &zeros, cols, out);
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// δ wᵀ for every row of `delta`.
pub fn transposed<T: Real>(
    isa: Isa,
    delta: &Panels<T>,
    layer: Layer<'_, T>,
    scratch: &mut Scratch<T>,
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(
        delta.cols() == layer.fan_out && out.cols() == layer.fan_in && out.rows() == delta.rows()
    );
    dispatch(isa, Transposed { delta, layer, scratch, out, epilogue });
}

/// Columns `panel * WIDTH ..` of wᵀ: row c of `out` gets the weights of neuron c from those inputs.
#[inline(always)]
fn transpose_panel<V: Vector>(layer: Layer<'_, V::Scalar>, panel: usize, out: &mut [V::Scalar]) {
    let len = panel_cols(layer.fan_in, panel) * WIDTH;
    for block in 0..panel_count(layer.fan_out) {
        let weights = &layer.panel(block)[panel * BLOCK..];
        let out = &mut out[block * BLOCK..(block + 1) * BLOCK];
        if len == BLOCK {
            V::transpose(weights, out);
        } else {
            let mut filled_up = [V::Scalar::ZERO; BLOCK];
            filled_up[..len].copy_from_slice(&weights[..len]);
            V::transpose(&filled_up, out);
        }
    }
}

struct OuterTiles<V: Vector, O: Operands<V>> {
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

impl<V: Vector, O: Operands<V>> Tiles for OuterTiles<V, O> {
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
/// `a` and `delta` are the same rows (or pairs of rows) of one panel each; `gradient` gets `inputs` rows of WIDTH numbers,
/// of which `cols` columns are computed. To be used inside a [`Kernel`]: the update follows in the same one, while the block is in the L1 cache.
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

#[cfg(test)]
mod tests;
