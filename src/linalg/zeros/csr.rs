//! A sparse X as SciPy keeps it: compressed rows, checked once.

use crate::error::Error;
use crate::linalg::kernels::Real;

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

    /// The entries of a row: columns and values, in the order in which they are stored.
    #[inline]
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, T)> {
        let range = self.indptr.get(row)..self.indptr.get(row + 1);
        range.map(|e| (self.indices.get(e), self.data[e]))
    }

    /// How many entries all rows have together.
    pub fn len(&self) -> usize {
        self.indptr.get(self.rows())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries `rows` rows have at most.
    pub fn most_entries(&self, rows: usize) -> usize {
        let longest = (0..self.rows()).map(|r| self.indptr.get(r + 1) - self.indptr.get(r)).max();
        longest.unwrap_or(0).saturating_mul(rows).min(self.len())
    }

    pub fn is_finite(&self) -> bool {
        self.data[..self.len()].iter().all(|x| x.is_finite())
    }
}
