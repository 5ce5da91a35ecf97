//! A sparse X as SciPy keeps it: compressed rows, checked where they come in for the sake of whoever made a mistake, and
//! where they are used for the sake of memory.

use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::linalg::memory::shared::read_once;

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

    /// Index `i` as it is now; a negative one is `usize::MAX`, which no check lets pass.
    #[inline(always)]
    pub fn get(&self, i: usize) -> usize {
        match self {
            Indices::I32(s) => usize::try_from(read_once(&s[i])).unwrap_or(usize::MAX),
            Indices::I64(s) => usize::try_from(read_once(&s[i])).unwrap_or(usize::MAX),
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
    /// Checks that every entry is within the matrix.
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
        // No column, no entries, whatever becomes of `indptr`.
        let data = if cols == 0 { &[] } else { data };
        Ok(Self { data, indices, indptr, cols })
    }

    pub fn rows(&self) -> usize {
        self.indptr.len() - 1
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The entries of a row: columns and values, in the order in which they are stored.
    ///
    /// Columns are less than [`cols`](Self::cols), also if somebody else has written to the matrix since it was checked: what
    /// leads beyond it then counts for its end.
    #[inline]
    pub fn row(&self, row: usize) -> impl Iterator<Item = (usize, T)> {
        let end = self.indptr.get(row + 1).min(self.data.len());
        let start = self.indptr.get(row).min(end);
        let last = self.cols.saturating_sub(1);
        (start..end).map(move |e| (self.indices.get(e).min(last), self.data[e]))
    }

    /// How many entries all rows have together.
    pub fn len(&self) -> usize {
        self.indptr.get(self.rows()).min(self.data.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries `rows` rows have at most.
    pub fn most_entries(&self, rows: usize) -> usize {
        let lengths =
            (0..self.rows()).map(|r| self.indptr.get(r + 1).saturating_sub(self.indptr.get(r)));
        lengths.max().unwrap_or(0).saturating_mul(rows).min(self.len())
    }

    pub fn is_finite(&self) -> bool {
        self.data[..self.len()].iter().all(|x| x.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::UnsafeCell;

    use super::*;

    /// Indices that somebody else can write to while a matrix is made of them.
    struct Shared<const N: usize>(UnsafeCell<[i64; N]>);

    impl<const N: usize> Shared<N> {
        fn new(numbers: [i64; N]) -> Self {
            Self(UnsafeCell::new(numbers))
        }

        fn indices(&self) -> Indices<'_> {
            // SAFETY: for the test it is as if another process wrote to them: `write` goes past the compiler.
            Indices::I64(unsafe { &*self.0.get() })
        }

        fn write(&self, at: usize, number: i64) {
            // SAFETY: an element of the array, and no other thread is there.
            unsafe { self.0.get().cast::<i64>().add(at).write_volatile(number) };
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "what is written behind a slice's back is no Rust")]
    fn whatever_is_written_to_it_a_matrix_stays_within_itself() {
        let data = [1.0, 2.0, 3.0, 4.0];
        let (indices, indptr) = (Shared::new([0, 4, 2, 3]), Shared::new([0, 2, 4]));
        let x = Csr::new(&data, indices.indices(), indptr.indices(), 5).unwrap();
        assert!(x.row(0).eq([(0, 1.0), (4, 2.0)]) && x.row(1).eq([(2, 3.0), (3, 4.0)]));
        for wrong in [5, i64::MAX, -1, i64::MIN] {
            indices.write(1, wrong);
            assert!(x.row(0).eq([(0, 1.0), (4, 2.0)]), "the last column");
            indptr.write(1, wrong);
            assert!(x.row(0).eq([(0, 1.0), (4, 2.0), (2, 3.0), (3, 4.0)]), "all that are left");
            assert_eq!(x.row(1).count(), 0);
            indptr.write(2, wrong);
            assert!(x.len() == 4 && x.most_entries(2) <= 4 && x.is_finite());
            indptr.write(1, 2);
            indptr.write(2, 4);
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "what is written behind a slice's back is no Rust")]
    fn a_matrix_without_columns_never_has_entries() {
        let (indices, indptr) = (Shared::new([0]), Shared::new([0, 0]));
        let x = Csr::new(&[1.0], indices.indices(), indptr.indices(), 0).unwrap();
        indptr.write(1, 1);
        assert_eq!((x.row(0).count(), x.len()), (0, 0));
    }
}
