//! The products with a sparse X: over stored entries, never densified.
//!
//! Forward, a row of z is the bias plus one row of weights per stored entry. For BP4 the entries of a mini-batch are put in
//! the order of their columns once, so that each row of the gradient is again a sum over the entries of one column.

use super::dispatch::{Isa, Kernel, dispatch};
use super::panels::{Panels, WIDTH, panel_cols, panel_count};
use super::product::{Epilogue, Layer, Row, cover_row};
use super::real::Real;
use super::rows::Rows;
use super::vector::Vector;
use crate::error::Error;

/// Indices of a sparse matrix, as SciPy keeps them.
#[derive(Clone, Copy)]
pub enum Indices<'a> {
    I32(&'a [i32]),
    I64(&'a [i64]),
}

impl Indices<'_> {
    pub fn len(&self) -> usize {
        match self {
            Indices::I32(s) => s.len(),
            Indices::I64(s) => s.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Index `i`; a negative one is `usize::MAX`, which no check lets pass.
    #[inline(always)]
    pub fn get(&self, i: usize) -> usize {
        match self {
            Indices::I32(s) => usize::try_from(s[i]).unwrap_or(usize::MAX),
            Indices::I64(s) => usize::try_from(s[i]).unwrap_or(usize::MAX),
        }
    }
}

/// A matrix in compressed sparse rows: row r has entries `indptr[r] .. indptr[r + 1]`.
#[derive(Clone, Copy)]
pub struct Csr<'a, T> {
    data: &'a [T],
    indices: Indices<'a>,
    indptr: Indices<'a>,
    cols: usize,
}

impl<'a, T: Real> Csr<'a, T> {
    /// Checks that every entry is within the matrix; what is made here can be read without checks of its own.
    pub fn new(
        data: &'a [T],
        indices: Indices<'a>,
        indptr: Indices<'a>,
        cols: usize,
    ) -> Result<Self, Error> {
        let bad = |what: &str| Err(Error::Sparse { what: what.to_owned() });
        if indptr.is_empty() || indptr.get(0) != 0 {
            return bad("indptr must begin with 0");
        }
        if data.len() != indices.len() {
            return bad("data and indices must have the same length");
        }
        let last = indptr.len() - 1;
        if (0..last).any(|r| indptr.get(r) > indptr.get(r + 1)) || indptr.get(last) > data.len() {
            return bad("indptr must not decrease, and end within data");
        }
        if (0..indptr.get(last)).any(|i| indices.get(i) >= cols) {
            return bad("every index must be at least 0 and less than the number of columns");
        }
        Ok(Self { data, indices, indptr, cols })
    }

    pub fn rows(&self) -> usize {
        self.indptr.len() - 1
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    #[inline(always)]
    fn entries(&self, row: usize) -> std::ops::Range<usize> {
        self.indptr.get(row)..self.indptr.get(row + 1)
    }

    pub fn is_finite(&self) -> bool {
        self.data[..self.indptr.get(self.rows())].iter().all(|x| x.is_finite())
    }
}

/// The stored entries of some rows in the order of their columns.
#[derive(Default)]
pub struct ByColumn<T> {
    /// Column c has entries `start[c] .. start[c + 1]`.
    start: Vec<usize>,
    row: Vec<u32>,
    value: Vec<T>,
}

impl<T: Real> ByColumn<T> {
    /// Put the entries of `rows` in order; within a column they stay in the order of the rows. Memory once used is kept.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a batch has fewer than 2^32 rows: see `trainer` and `inspect`"
    )]
    pub fn fill(&mut self, x: &Csr<'_, T>, rows: Rows<'_>) {
        self.start.clear();
        self.start.resize(x.cols + 1, 0);
        for i in 0..rows.len() {
            for e in x.entries(rows.get(i)) {
                self.start[x.indices.get(e) + 1] += 1;
            }
        }
        for c in 0..x.cols {
            self.start[c + 1] += self.start[c];
        }
        let count = self.start[x.cols];
        self.row.clear();
        self.row.resize(count, 0);
        self.value.clear();
        self.value.resize(count, T::ZERO);
        // `start[c]` runs through column c while it is filled and ends where the next column begins ...
        for i in 0..rows.len() {
            for e in x.entries(rows.get(i)) {
                let next = &mut self.start[x.indices.get(e)];
                self.row[*next] = i as u32;
                self.value[*next] = x.data[e];
                *next += 1;
            }
        }
        // ... so that one step back gives the beginnings again.
        self.start.rotate_right(1);
        self.start[0] = 0;
    }
}

struct SparseAffine<'a, T, E> {
    x: Csr<'a, T>,
    rows: Rows<'a>,
    layer: Layer<'a, T>,
    out: &'a mut Panels<T>,
    epilogue: E,
}

struct SparseRow<'a, V: Vector> {
    x: Csr<'a, V::Scalar>,
    row: usize,
    panel: &'a [V::Scalar],
    out: &'a mut [V::Scalar],
}

impl<V: Vector> Row for SparseRow<'_, V> {
    type V = V;

    #[inline(always)]
    fn row<const NV: usize>(&mut self) {
        let bias = self.panel.len() - WIDTH;
        let mut acc = [V::zero(); NV];
        for (j, acc) in acc.iter_mut().enumerate() {
            *acc = V::read(self.panel, bias + j * V::LANES);
        }
        for e in self.x.entries(self.row) {
            let value = V::splat(self.x.data[e]);
            let weights = &self.panel[self.x.indices.get(e) * WIDTH..][..WIDTH];
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc = value.mul_add(V::read(weights, j * V::LANES), *acc);
            }
        }
        for (j, acc) in acc.iter().enumerate() {
            acc.write(self.out, j * V::LANES);
        }
    }
}

impl<T: Real, E: Epilogue<T>> Kernel<T> for SparseAffine<'_, T, E> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(mut self) {
        for panel in 0..panel_count(self.layer.fan_out) {
            let weights = self.layer.panel(panel);
            let cols = panel_cols(self.layer.fan_out, panel);
            let out = self.out.panel_mut(panel);
            for (i, out) in out.chunks_exact_mut(WIDTH).enumerate() {
                let row = self.rows.get(i);
                cover_row(&mut SparseRow::<V> { x: self.x, row, panel: weights, out }, cols);
            }
            self.epilogue.apply::<V>(panel, out);
        }
    }
}

/// z = x w + b for the rows named.
pub fn affine<T: Real>(
    isa: Isa,
    x: Csr<'_, T>,
    rows: Rows<'_>,
    layer: Layer<'_, T>,
    out: &mut Panels<T>,
    epilogue: impl Epilogue<T>,
) {
    assert!(x.cols() == layer.fan_in && out.cols() == layer.fan_out && out.rows() == rows.len());
    dispatch(isa, SparseAffine { x, rows, layer, out, epilogue });
}

struct SparseGradientRow<'a, V: Vector> {
    x: &'a ByColumn<V::Scalar>,
    column: usize,
    delta: &'a [V::Scalar],
    gradient: &'a mut [V::Scalar],
}

impl<V: Vector> Row for SparseGradientRow<'_, V> {
    type V = V;

    #[inline(always)]
    fn row<const NV: usize>(&mut self) {
        let mut acc = [V::zero(); NV];
        for (j, acc) in acc.iter_mut().enumerate() {
            *acc = V::read(self.gradient, j * V::LANES);
        }
        for e in self.x.start[self.column]..self.x.start[self.column + 1] {
            let value = V::splat(self.x.value[e]);
            let delta = &self.delta[self.x.row[e] as usize * WIDTH..][..WIDTH];
            for (j, acc) in acc.iter_mut().enumerate() {
                *acc = value.mul_add(V::read(delta, j * V::LANES), *acc);
            }
        }
        for (j, acc) in acc.iter().enumerate() {
            acc.write(self.gradient, j * V::LANES);
        }
    }
}

/// Add xᵀ δ for columns `first .. first + inputs` of x to `gradient`, `inputs` rows of WIDTH numbers.
#[inline(always)]
pub fn outer<V: Vector>(
    x: &ByColumn<V::Scalar>,
    delta: &[V::Scalar],
    first: usize,
    inputs: usize,
    cols: usize,
    gradient: &mut [V::Scalar],
) {
    for (i, gradient) in gradient.chunks_exact_mut(WIDTH).take(inputs).enumerate() {
        let column = first + i;
        if x.start[column] < x.start[column + 1] {
            cover_row(&mut SparseGradientRow::<V> { x, column, delta, gradient }, cols);
        }
    }
}
