//! The columns of a few rows of X in which some row has a number: of an X with many zeros, about half.
//!
//! With few rows the lists that [`sparse`](crate::linalg::zeros::sparse) goes through would be too short to pay. Here a
//! column counts in all rows or in none, so that the tiles are those of the [dense](crate::linalg::dense) products, which
//! leave out columns: forward as steps of their sums, in BP4 as rows of the gradient. The results are the same.

use std::ops::Range;

use crate::linalg::dense::tile::{Tiles, cover};
use crate::linalg::dense::{Epilogue, Layer};
use crate::linalg::kernels::{Isa, Kernel, Real, Scalar, Vector, dispatch};
use crate::linalg::memory::panels::{BLOCK, Panels, PanelsMut, WIDTH, panel_cols};
use crate::linalg::memory::prefetch::prefetch;
use crate::linalg::zeros::bits::take_lowest;

/// How many columns ahead weights are asked for: where there are gaps the processor does not guess.
const AHEAD: usize = 8;

/// A column, and where it begins in a matrix in panels.
#[derive(Clone, Copy, Default)]
pub struct Column {
    pub number: usize,
    place: usize,
}

/// The columns that count.
pub struct Columns {
    cols: usize,
    /// That of the matrix they were found in.
    panel_stride: usize,
    /// All of them in order, then [`AHEAD`] times column 0, which is asked for to no avail.
    list: Vec<Column>,
}

impl Columns {
    /// Room for those of `cols` columns, or None where memory is refused.
    pub fn with_capacity(cols: usize) -> Option<Self> {
        let mut list = Vec::new();
        list.try_reserve_exact(cols.checked_add(AHEAD)?).ok()?;
        Some(Self { cols, panel_stride: 0, list })
    }

    /// Find those of `a`.
    pub fn find<T: Real>(&mut self, isa: Isa, a: &Panels<T>) {
        assert!(a.cols() == self.cols);
        dispatch(isa, Find { a, columns: self });
    }
}

struct Find<'a, T> {
    a: &'a Panels<T>,
    columns: &'a mut Columns,
}

impl<T: Real> Kernel<T> for Find<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let Columns { panel_stride, list, .. } = self.columns;
        *panel_stride = self.a.panel_stride();
        list.clear();
        for panel in 0..self.a.panel_count() {
            let values = self.a.panel(panel);
            let mut bits = 0;
            for lane in (0..WIDTH).step_by(V::LANES) {
                // A sum of magnitudes is zero where all numbers are; NaN is not zero.
                let mut sum = V::zero();
                for i in (lane..values.len()).step_by(WIDTH) {
                    sum = sum + V::read(values, i).abs();
                }
                bits |= sum.nonzero_bits() << lane;
            }
            // What fills up the last panel is no column.
            let mut bits = u64::from(bits) & ((1 << panel_cols(self.a.cols(), panel)) - 1);
            while let Some(i) = take_lowest(&mut bits) {
                list.push(Column { number: panel * WIDTH + i, place: panel * *panel_stride + i });
            }
        }
        list.extend([Column::default(); AHEAD]);
    }
}

/// Rows of X, and the [`Columns`] that have been found for them.
#[derive(Clone, Copy)]
pub struct InColumns<'a, T> {
    a: &'a Panels<T>,
    columns: &'a Columns,
}

impl<'a, T: Real> InColumns<'a, T> {
    pub fn new(a: &'a Panels<T>, columns: &'a Columns) -> Self {
        assert!(a.cols() == columns.cols && columns.list.len() >= AHEAD);
        assert!(a.panel_stride() == columns.panel_stride);
        Self { a, columns }
    }

    /// Those that count.
    #[inline(always)]
    fn list(&self) -> &'a [Column] {
        let list = &self.columns.list;
        &list[..list.len() - AHEAD]
    }

    /// Those that count, of some panels.
    pub fn between(&self, panels: Range<usize>) -> &'a [Column] {
        let list = self.list();
        let end = |panel: usize| list.partition_point(|column| column.number < panel * WIDTH);
        &list[end(panels.start)..end(panels.end)]
    }
}

struct Affine<'a, T, E> {
    x: InColumns<'a, T>,
    layer: Layer<'a, T>,
    out: PanelsMut<'a, T>,
    epilogue: E,
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for Affine<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        let (a, Layer { fan_in, fan_out, .. }) = (self.x.a, self.layer);
        for panel in self.layer.panels() {
            let (weights, bias) = self.layer.panel(panel).split_at(fan_in * WIDTH);
            let out = self.out.panel_mut(panel);
            debug_assert!(out.len() == a.rows() * WIDTH);
            let mut job = AffineTiles::<V> {
                list: &self.x.columns.list,
                left: a.panels_from(0).as_ptr(),
                weights: weights.as_ptr(),
                bias,
                out: out.as_mut_ptr(),
            };
            cover(&mut job, a.rows(), panel_cols(fan_out, panel));
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// z = x w + b for every row of `x` and the panels that `layer` has, the epilogue on each panel of z.
pub fn affine<T: Real>(
    isa: Isa,
    x: InColumns<'_, T>,
    layer: Layer<'_, T>,
    out: PanelsMut<'_, T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(x.a.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == x.a.rows());
    dispatch(isa, Affine { x, layer, out, epilogue });
}

/// Rows of X times a panel of weights.
struct AffineTiles<'a, V: Vector> {
    list: &'a [Column],
    left: *const V::Scalar,
    weights: *const V::Scalar,
    bias: &'a [V::Scalar],
    out: *mut V::Scalar,
}

impl<V: Vector> Tiles for AffineTiles<'_, V> {
    type V = V;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        let mut acc = [[V::zero(); NV]; MR];
        for acc in &mut acc {
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc = V::read(self.bias, j * V::LANES);
            }
        }
        for (column, ahead) in self.list.iter().zip(&self.list[AHEAD..]) {
            prefetch(self.weights.wrapping_add(ahead.number * WIDTH));
            // SAFETY: the list is of columns that X has, which are rows of weights; X has the rows of this tile.
            unsafe {
                let left = self.left.add(column.place + row * WIDTH);
                let weights = self.weights.add(column.number * WIDTH);
                let mut rights = [V::zero(); NV];
                for (j, right) in rights.iter_mut().enumerate() {
                    *right = V::load(weights.add(j * V::LANES));
                }
                for (i, acc) in acc.iter_mut().enumerate() {
                    let left = V::splat(*left.add(i * WIDTH));
                    for (acc, &right) in acc.iter_mut().zip(&rights) {
                        *acc = left.mul_add(right, *acc);
                    }
                }
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

/// xᵀ δ for up to [`WIDTH`] columns of `x` and one panel of outputs: a row of WIDTH numbers for each column, of which `cols`
/// are computed and the rest is zero.
#[inline(always)]
pub fn outer<V: Vector>(
    x: InColumns<'_, V::Scalar>,
    columns: &[Column],
    delta: &[V::Scalar],
    cols: usize,
    gradient: &mut [V::Scalar; BLOCK],
) {
    let a = x.a;
    assert!(columns.len() <= WIDTH && cols <= WIDTH && delta.len() == a.rows() * WIDTH);
    let mut places = [0; WIDTH];
    for (place, column) in places.iter_mut().zip(columns) {
        *place = column.place;
    }
    if cols.next_multiple_of(V::LANES) < WIDTH {
        gradient.fill(V::Scalar::ZERO);
    }
    let (a, gradient) = (a.panels_from(0).as_ptr(), gradient.as_mut_ptr());
    cover(&mut OuterTiles::<V> { places, a, delta, gradient }, columns.len(), cols);
}

struct OuterTiles<'a, V: Vector> {
    /// Where the columns begin.
    places: [usize; WIDTH],
    a: *const V::Scalar,
    delta: &'a [V::Scalar],
    gradient: *mut V::Scalar,
}

impl<V: Vector> Tiles for OuterTiles<'_, V> {
    type V = V;

    #[inline(always)]
    unsafe fn tile<const MR: usize, const NV: usize>(&mut self, row: usize) {
        let mut places = [0; MR];
        places.copy_from_slice(&self.places[row..row + MR]);
        let mut acc = [[V::zero(); NV]; MR];
        for i in (0..self.delta.len()).step_by(WIDTH) {
            let mut rights = [V::zero(); NV];
            for (j, right) in rights.iter_mut().enumerate() {
                *right = V::read(self.delta, i + j * V::LANES);
            }
            for (place, acc) in places.iter().zip(&mut acc) {
                // SAFETY: a has as many rows of WIDTH numbers as δ, from where each column begins.
                let left = V::splat(unsafe { *self.a.add(place + i) });
                for (acc, &right) in acc.iter_mut().zip(&rights) {
                    *acc = left.mul_add(right, *acc);
                }
            }
        }
        for (i, acc) in acc.iter().enumerate() {
            for (j, acc) in acc.iter().enumerate() {
                // SAFETY: `gradient` has WIDTH rows of WIDTH numbers.
                unsafe { acc.store(self.gradient.add((row + i) * WIDTH + j * V::LANES)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backprop::nothing;
    use crate::linalg::dense::{self, Scratch};
    use crate::linalg::memory::panels::panel_count;

    struct Outer<'a, T> {
        x: InColumns<'a, T>,
        columns: &'a [Column],
        delta: &'a [T],
        cols: usize,
        gradient: &'a mut [T; BLOCK],
    }
    impl<T: Real> Kernel<T> for Outer<'_, T> {
        type Output = ();
        #[inline(always)]
        fn run<V: Vector<Scalar = T>>(self) {
            outer::<V>(self.x, self.columns, self.delta, self.cols, self.gradient);
        }
    }

    /// A number of column `j`, two thirds of which are zero but for a few rows.
    fn number(i: usize, j: usize) -> f64 {
        match (j % 3, (i + j) % 4) {
            (0, _) | (_, 0) => ((i * 7 + j * 5) % 11) as f64 - 5.0,
            _ => 0.0,
        }
    }

    fn panels<T: Real>(rows: usize, cols: usize, at: impl Fn(usize, usize) -> f64) -> Panels<T> {
        let mut a = Panels::zeros(rows, cols).unwrap();
        (0..rows).for_each(|i| (0..cols).for_each(|j| a.set(i, j, T::of(at(i, j)))));
        a
    }

    fn check_products<T: Real>(isa: Isa, rows: usize, cols: usize, neurons: usize) {
        let case = format!("{isa:?} {} {rows} x {cols} x {neurons}", T::NAME);
        let a = panels::<T>(rows, cols, number);
        let mut columns = Columns::with_capacity(cols).unwrap();
        columns.find(isa, &a);
        let x = InColumns::new(&a, &columns);
        let counts = |j: &usize| (0..rows).any(|i| number(i, *j) != 0.0);
        let found = x.list().iter().map(|column| column.number);
        assert!(found.eq((0..cols).filter(counts)), "{case}");

        // The dense product is checked against plain loops; its sums have the same order.
        let len = panel_count(neurons) * (cols + 1) * WIDTH;
        let parameters: Vec<T> = (0..len).map(|i| T::of((i as f64).sin())).collect();
        let layer = Layer { fan_in: cols, fan_out: neurons, first: 0, data: &parameters };
        let mut z = [0, 1].map(|_| Panels::zeros(rows, neurons).unwrap());
        let mut scratch = Scratch::new(isa, rows, cols, neurons).unwrap();
        dense::affine(isa, &a, layer, &mut scratch, z[0].as_mut(), nothing());
        affine(isa, x, layer, z[1].as_mut(), nothing());
        for i in 0..rows {
            for n in 0..neurons {
                assert!(z[0].get(i, n) == z[1].get(i, n), "{case}");
            }
        }

        let delta = panels::<T>(rows, neurons, |i, n| ((i * 3 + n) % 7) as f64 - 3.0);
        for panel in 0..delta.panel_count() {
            for columns in x.between(0..a.panel_count()).chunks(WIDTH) {
                let cols = panel_cols(neurons, panel);
                let mut gradient = [T::ONE; BLOCK];
                let delta = delta.panel(panel);
                dispatch(isa, Outer { x, columns, delta, cols, gradient: &mut gradient });
                for (column, row) in columns.iter().zip(gradient.chunks(WIDTH)) {
                    for (n, found) in row.iter().enumerate() {
                        let products = (0..rows)
                            .map(|i| number(i, column.number) * delta[i * WIDTH + n].as_f64());
                        // Whole numbers, whose sums are exact; what fills up a panel is zero.
                        assert_eq!(found.as_f64(), products.sum::<f64>(), "{case}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_kernel_against_dense_products_and_plain_loops() {
        for isa in Isa::all_available() {
            for rows in 1..16 {
                for cols in [1, 16, 47, 200] {
                    for neurons in [1, 16, 30] {
                        check_products::<f32>(isa, rows, cols, neurons);
                        check_products::<f64>(isa, rows, cols, neurons);
                    }
                }
            }
        }
    }

    #[test]
    fn columns_of_earlier_rows_are_forgotten_and_nan_is_no_zero() {
        for isa in Isa::all_available() {
            let mut columns = Columns::with_capacity(40).unwrap();
            for (at, value) in [(3, 1.0), (39, f64::NAN), (20, f64::INFINITY), (16, -1e-300)] {
                let a = panels::<f64>(5, 40, |i, j| if (i, j) == (2, at) { value } else { -0.0 });
                columns.find(isa, &a);
                let list = InColumns::new(&a, &columns);
                let found: Vec<_> = list.between(0..3).iter().map(|column| column.number).collect();
                assert_eq!(found, [at], "{isa:?}");
                assert_eq!(list.between(at / WIDTH..at / WIDTH + 1).len(), 1);
                assert!(list.between(at / WIDTH + 1..4).is_empty());
            }
        }
    }
}
