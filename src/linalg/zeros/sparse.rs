//! The products of a layer without the zeros of its inputs, which stand here as X.
//!
//! Both are made of one step: a row of the result, over a few panels at once, in registers, to which a number times a row
//! of the right matrix is added for each term of a list. Forward the list runs along a row of X and the right matrix is
//! the weights; for BP4 it runs along a column of X and the right matrix is δ. Sums run in the order of the dense products,
//! without the zeros: the results are the same.

use std::ops::Range;

use crate::linalg::dense::{Epilogue, Layer};
use crate::linalg::kernels::{Isa, Kernel, Real, Scalar, Vector, dispatch};
use crate::linalg::memory::panels::{BLOCK, Panels, PanelsMut, WIDTH};
use crate::linalg::zeros::bits::BITS;

/// A list of numbers that are not zero, each after where it is: its column in a list along a row, its row in one along a
/// column.
pub trait Terms<T>: Iterator<Item = (usize, T)> {
    fn is_empty(&self) -> bool;
}

/// A matrix by its lists. They come in parts: what the terms of one part are multiplied with stays in the L1 cache while
/// all lists take their part of it.
///
/// # Safety
/// Terms along a row name columns less than `cols()`, and those along a column rows less than `rows()`.
pub unsafe trait Sparse<T> {
    type InRow: Terms<T>;
    type InColumn: Terms<T>;
    fn rows(&self) -> usize;
    fn cols(&self) -> usize;
    fn parts_of_rows(&self) -> usize;
    fn parts_of_columns(&self) -> usize;
    fn in_row(&self, row: usize, part: usize) -> Self::InRow;
    fn in_column(&self, column: usize, part: usize) -> Self::InColumn;
}

/// The most panels that are taken at once with any instruction set: 8 sums hide the latency of two FMA units.
pub const MAX_PANELS_AT_ONCE: usize = 8;

/// Sums that are held in registers: beside them there is one number of X, a tile of the dense products holds more.
const fn accumulators<V: Vector>() -> usize {
    let (held, panels) = (V::MAX_ACCUMULATORS + 2, MAX_PANELS_AT_ONCE * (WIDTH / V::LANES));
    if held < panels { held } else { panels }
}

/// What is multiplied over and over is to stay in the L1 cache. With float64, of which fewer panels fit, one panel more than
/// that was measured to be faster: what it takes to go through a list is then shared by more panels.
const fn l1<T>() -> usize {
    if size_of::<T>() == 8 { 40 << 10 } else { 32 << 10 }
}

/// Panels that are taken at once: as many as there are registers for, and as stay in the L1 cache with the rows that a word
/// of bits stands for.
const fn panels_at_once<V: Vector>() -> usize {
    let held = accumulators::<V>() / (WIDTH / V::LANES);
    let cached = l1::<V::Scalar>() / (BITS * WIDTH * size_of::<V::Scalar>());
    if held < cached { held } else { cached }
}

/// Panels of δ that [`outer`] should take at once: the rows of a part and the sums are to stay in the L1 cache.
pub fn panels_of_delta<V: Vector>(x: impl Sparse<V::Scalar>) -> usize {
    let rows = x.rows().div_ceil(x.parts_of_columns().max(1));
    let panel = (rows + WIDTH) * WIDTH * size_of::<V::Scalar>();
    (l1::<V::Scalar>() / panel).clamp(2, MAX_PANELS_AT_ONCE).min(panels_at_once::<V>())
}

/// Registers that hold some panels of a matrix of `cols` columns.
#[inline(always)]
fn registers<V: Vector>(cols: usize, panels: &Range<usize>) -> usize {
    (cols.min(panels.end * WIDTH) - panels.start * WIDTH).div_ceil(V::LANES)
}

/// Some panels of `cols` columns in as few groups as registers allow, nearly equal in size.
#[inline(always)]
fn groups<V: Vector>(cols: usize, panels: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let (Range { start, end }, at_once) = (panels, panels_at_once::<V>());
    // A narrow last panel may go along with as many whole ones.
    let last = registers::<V>(cols, &(start.max(end.saturating_sub(at_once + 1))..end));
    let goes_along = end - start > 1 && last <= accumulators::<V>();
    let whole = end - start - usize::from(goes_along);
    let groups = whole.div_ceil(at_once);
    (0..groups).map(move |g| {
        let end = if g + 1 == groups { end } else { start + (g + 1) * whole / groups };
        start + g * whole / groups..end
    })
}

/// Rows of a few adjacent panels: where the first one's are, and how many numbers further the next one's.
#[derive(Clone, Copy)]
struct Rows<T> {
    first: *const T,
    stride: usize,
}

/// Row i of `out` = row i of `init` + Σ value · (row `at` of `right`) over the terms of list i, as many registers wide,
/// in panels; `init` is None where sums go on from what `out` holds, and one row for all otherwise.
///
/// # Safety
/// In each panel that a register belongs to: `right` is readable at every row that a term names, `init` at one row, `out` is
/// readable and writable at as many rows as there are lists.
#[inline(always)]
unsafe fn add_rows<V: Vector>(
    registers: usize,
    lists: impl Iterator<Item: Terms<V::Scalar>>,
    right: Rows<V::Scalar>,
    init: Option<Rows<V::Scalar>>,
    (out, out_stride): (*mut V::Scalar, usize),
) {
    let sums = Rows { first: out.cast_const(), stride: out_stride };
    let (init, init_step) = init.map_or((sums, WIDTH), |init| (init, 0));
    /// Where register r of a row is.
    macro_rules! at {
        ($r:expr, $stride:expr) => {
            $r * V::LANES / WIDTH * $stride + $r * V::LANES % WIDTH
        };
    }
    macro_rules! sizes {
        ($($registers:literal)*) => {
            match registers {
                // Only what the registers of this instruction set can hold is compiled for it.
                $($registers if const { $registers <= accumulators::<V>() } => {
                    for (i, terms) in lists.enumerate() {
                        if terms.is_empty() && init_step > 0 {
                            continue;
                        }
                        let mut acc = [V::zero(); $registers];
                        for (r, acc) in acc.iter_mut().enumerate() {
                            let at = i * init_step + at!(r, init.stride);
                            // SAFETY: one row of each panel, or as many as out has, as the caller vouches.
                            *acc = unsafe { V::load(init.first.add(at)) };
                        }
                        for (at, value) in terms {
                            let value = V::splat(value);
                            // SAFETY: a row that the term names, as the caller vouches.
                            let row = unsafe { right.first.add(at * WIDTH) };
                            for (r, acc) in acc.iter_mut().enumerate() {
                                // SAFETY: the same row of each panel.
                                let w = unsafe { V::load(row.add(at!(r, right.stride))) };
                                *acc = value.mul_add(w, *acc);
                            }
                        }
                        for (r, acc) in acc.iter().enumerate() {
                            // SAFETY: a row of each panel for each list, as the caller vouches.
                            unsafe { acc.store(out.add(i * WIDTH + at!(r, out_stride))) };
                        }
                    }
                })*
                _ => debug_assert!(false, "no kernel for {registers} registers at once"),
            }
        };
    }
    sizes! { 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 }
}

struct Affine<'a, T, X, E> {
    x: X,
    layer: Layer<'a, T>,
    out: PanelsMut<'a, T>,
    epilogue: E,
}

impl<T: Real, X: Sparse<T>, E: Epilogue<T>> Kernel<T> for Affine<'_, T, X, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let (x, Layer { fan_in, fan_out, .. }) = (self.x, self.layer);
        for group in groups::<V>(fan_out, self.layer.panels()) {
            // All panels of the group are there, with `fan_in` rows of weights and one of biases.
            let (weights, stride) = (self.layer.panels_from(group.start), (fan_in + 1) * WIDTH);
            debug_assert!(weights.len() >= group.len() * stride);
            let right = Rows { first: weights.as_ptr(), stride };
            let bias = Rows { first: weights[fan_in * WIDTH..].as_ptr(), ..right };
            let registers = registers::<V>(fan_out, &group);
            let out_stride = self.out.panel_stride();
            let out = self.out.panels_from_mut(group.start).as_mut_ptr();
            for part in 0..x.parts_of_rows() {
                let lists = (0..x.rows()).map(|row| x.in_row(row, part));
                let init = (part == 0).then_some(bias);
                // SAFETY: columns of x are rows of weights (fan_in of them, see `affine`); `out` has as many rows as x and
                // all panels of the group.
                unsafe { add_rows::<V>(registers, lists, right, init, (out, out_stride)) };
            }
            for panel in group {
                self.epilogue.apply::<V>(panel, self.out.panel_mut(panel));
            }
        }
    }
}

/// z = x w + b for every row of `x` and the panels that `layer` has, the epilogue on each panel of z.
pub fn affine<T: Real>(
    isa: Isa,
    x: impl Sparse<T>,
    layer: Layer<'_, T>,
    out: PanelsMut<'_, T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(x.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == x.rows());
    assert!(out.panels().start <= layer.panels().start && layer.panels().end <= out.panels().end);
    dispatch(isa, Affine { x, layer, out, epilogue });
}

/// xᵀ δ for up to 16 columns of `x` and a few panels of outputs, with `resume` added to what `gradient` holds: for each
/// panel [`WIDTH`] rows of WIDTH numbers, of which as many as there are columns are computed.
#[inline(always)]
pub fn outer<V: Vector>(
    x: impl Sparse<V::Scalar>,
    delta: &Panels<V::Scalar>,
    panels: Range<usize>,
    columns: Range<usize>,
    mut resume: bool,
    gradient: &mut [V::Scalar],
) {
    let zeros = [V::Scalar::ZERO; WIDTH];
    assert!(delta.rows() == x.rows() && panels.end <= delta.panel_count());
    assert!(columns.len() <= WIDTH && gradient.len() >= panels.len() * BLOCK);
    let first = delta.panels_from(panels.start).as_ptr();
    let right = Rows { first, stride: delta.panel_stride() };
    let registers = registers::<V>(delta.cols(), &panels);
    for part in 0..x.parts_of_columns() {
        let lists = columns.clone().map(|column| x.in_column(column, part));
        let init = (!resume).then_some(Rows { first: zeros.as_ptr(), stride: 0 });
        // SAFETY: rows of x are rows of delta, all panels are there, and the gradient has a block for each (see above).
        unsafe { add_rows::<V>(registers, lists, right, init, (gradient.as_mut_ptr(), BLOCK)) };
        resume = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backprop::nothing;
    use crate::linalg::dense;
    use crate::linalg::memory::panels::panel_count;
    use crate::linalg::zeros::entries::Entries;
    use crate::linalg::zeros::masks::{Masked, Masks};

    const COLS: [usize; 7] = [1, 15, 16, 63, 64, 65, 200];
    const NEURONS: [usize; 6] = [1, 16, 17, 100, 113, 240];

    struct Outer<'a, T, X> {
        x: X,
        delta: &'a Panels<T>,
        panels: Range<usize>,
        columns: Range<usize>,
        gradient: &'a mut [T],
    }
    impl<T: Real, X: Sparse<T> + Copy> Kernel<T> for Outer<'_, T, X> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector<Scalar = T>>(self) {
            let Outer { x, delta, panels, columns, gradient } = self;
            if panels.len() <= panels_of_delta::<V>(x) {
                outer::<V>(x, delta, panels, columns, true, gradient);
            } else {
                for (i, panel) in panels.enumerate() {
                    let gradient = &mut gradient[i * WIDTH * WIDTH..];
                    outer::<V>(x, delta, panel..panel + 1, columns.clone(), true, gradient);
                }
            }
        }
    }

    /// A number in steps of 1/8 that is zero four times out of five, or hardly ever.
    fn number(i: usize, j: usize, zeros: bool) -> f64 {
        let hash = (i * 7919 + j * 104_729 + i * j * 31) % 1009;
        if zeros && !hash.is_multiple_of(5) { 0.0 } else { (hash as f64 - 504.0) / 8.0 }
    }

    /// Both kinds of lists against plain loops; the numbers are such that all sums are exact.
    fn check<T: Real>(isa: Isa, rows: usize, cols: usize, neurons: usize) {
        let mut x = Entries::with_capacity(rows, cols, rows * cols, 0.2).unwrap();
        // More room than needed, and what an earlier batch left behind.
        let mut a = Panels::zeros(rows + 3, cols).unwrap();
        let mut masks = Masks::with_capacity(rows + 3, cols).unwrap();
        masks.along_columns().unwrap();
        (0..rows + 3).for_each(|i| (0..cols).for_each(|j| a.set(i, j, T::ONE)));
        masks.find(isa, &a);
        x.clear();
        a.set_rows(rows);
        for i in 0..rows {
            let row: Vec<T> = (0..cols).map(|j| T::of(number(i, j, true))).collect();
            a.set_row(i, &row);
            if i % 3 == 0 {
                x.push_strided(row.iter().copied());
            } else {
                x.push_dense(isa, &row, row.as_ptr());
            }
        }
        x.sort_by_column();
        masks.find(isa, &a);
        check_products(isa, &x, neurons);
        check_products(isa, Masked::new(&a, &masks), neurons);
    }

    fn check_products<T: Real>(isa: Isa, x: impl Sparse<T> + Copy, neurons: usize) {
        let (rows, cols) = (x.rows(), x.cols());
        let case = format!("{isa:?} {} {rows} x {cols} x {neurons}", T::NAME);
        let mut parameters = vec![T::ZERO; panel_count(neurons) * (cols + 1) * WIDTH];
        for k in 0..=cols {
            for n in 0..neurons {
                let at = ((n / WIDTH) * (cols + 1) + k) * WIDTH + n % WIDTH;
                parameters[at] = T::of(number(k, n + 1, false) / 8.0);
            }
        }
        let layer = Layer { fan_in: cols, fan_out: neurons, first: 0, data: &parameters };
        let mut z = Panels::zeros(rows, neurons).unwrap();
        affine(isa, x, layer, z.as_mut(), nothing());
        let mut delta = Panels::zeros(rows, neurons).unwrap();
        for i in 0..rows {
            for n in 0..neurons {
                let products =
                    (0..cols).map(|k| number(i, k, true) * number(k, n + 1, false) / 8.0);
                let expected = number(cols, n + 1, false) / 8.0 + products.sum::<f64>();
                assert_eq!(z.get(i, n).as_f64(), expected, "x w + b: {case}");
                delta.set(i, n, T::of(number(i, n + 2, false)));
            }
        }

        for columns in [0..cols.min(WIDTH), cols - 1..cols] {
            let mut gradient = vec![T::ONE; panel_count(neurons) * WIDTH * WIDTH];
            let all = 0..panel_count(neurons);
            let halves = [all.start..all.end / 2, all.end / 2..all.end];
            for panels in halves.into_iter().filter(|panels| !panels.is_empty()) {
                let gradient = &mut gradient[panels.start * WIDTH * WIDTH..];
                let columns = columns.clone();
                dispatch(isa, Outer { x, delta: &delta, panels, columns, gradient });
            }
            for (i, column) in columns.enumerate() {
                for n in 0..neurons {
                    let at = (n / WIDTH * WIDTH + i) * WIDTH + n % WIDTH;
                    let products =
                        (0..rows).map(|r| number(r, column, true) * number(r, n + 2, false));
                    let expected = 1.0 + products.sum::<f64>();
                    assert_eq!(gradient[at].as_f64(), expected, "x^T delta: {case}");
                }
            }
        }
    }

    #[test]
    fn every_kernel_against_plain_loops() {
        for isa in Isa::all_available() {
            for rows in [1, 2, 16, 33, 64, 130] {
                for cols in COLS {
                    for neurons in NEURONS {
                        check::<f32>(isa, rows, cols, neurons);
                        check::<f64>(isa, rows, cols, neurons);
                    }
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_dense_product_to_the_last_bit() {
        let (rows, cols, neurons) = (9, 300, 40);
        let value = |i: usize, j: usize| number(i, j, true).sin() as f32;
        let mut parameters = vec![0.0; panel_count(neurons) * (cols + 1) * WIDTH];
        for (i, w) in parameters.iter_mut().enumerate() {
            *w = (i as f32).cos();
        }
        let layer = Layer { fan_in: cols, fan_out: neurons, first: 0, data: &parameters };
        for isa in Isa::all_available() {
            let mut dense = Panels::zeros(rows, cols).unwrap();
            let mut x = Entries::with_capacity(rows, cols, rows * cols, 0.2).unwrap();
            x.clear();
            for i in 0..rows {
                let row: Vec<f32> = (0..cols).map(|j| value(i, j)).collect();
                dense.set_row(i, &row);
                x.push_dense(isa, &row, row.as_ptr());
            }
            let mut z = [0, 1].map(|_| Panels::zeros(rows, neurons).unwrap());
            let mut scratch = dense::Scratch::new(isa, rows, cols, neurons).unwrap();
            dense::affine(isa, &dense, layer, &mut scratch, z[0].as_mut(), nothing());
            affine(isa, &x, layer, z[1].as_mut(), nothing());
            for i in 0..rows {
                for n in 0..neurons {
                    assert_eq!(z[0].get(i, n).to_bits(), z[1].get(i, n).to_bits(), "{isa:?}");
                }
            }
        }
    }
}
