//! Some rows of X, or of a hidden layer, by the numbers in them that are not zero, along rows and along columns.
//!
//! What a zero is multiplied with changes no sum, so where most numbers are zero (images, one-hot codes, counts; neurons
//! that are rectified) the products need only the rest. Rows are divided into *chunks* of columns: the weights of a chunk stay in the L1
//! cache while all rows take their part of it.

use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::prefetch::{LINE, prefetch};
use crate::linalg::zeros::bits::{BITS, take_lowest};
use crate::linalg::zeros::csr::Csr;
use crate::linalg::zeros::sparse::{Sparse, Terms};

/// A number that is not zero, and where it is: its column in a list along a row, its row in one along a column.
#[derive(Clone, Copy, Default)]
pub struct Entry<T> {
    pub at: u32,
    pub value: T,
}

/// Lists of entries, one after another: list i is `entries[starts[i]..starts[i + 1]]`.
struct Lists<T> {
    starts: Vec<usize>,
    entries: Vec<Entry<T>>,
}

impl<T> Lists<T> {
    fn with_capacity(lists: usize, entries: usize) -> Option<Self> {
        let mut new = Self { starts: Vec::new(), entries: Vec::new() };
        new.starts.try_reserve_exact(lists.checked_add(1)?).ok()?;
        new.entries.try_reserve_exact(entries).ok()?;
        Some(new)
    }

    #[inline(always)]
    fn get(&self, list: usize) -> &[Entry<T>] {
        &self.entries[self.starts[list]..self.starts[list + 1]]
    }
}

/// The entries of some rows.
pub struct Entries<T> {
    cols: usize,
    rows: usize,
    /// Columns of a chunk, a multiple of [`BITS`].
    chunk: usize,
    /// List `row * chunks + chunk`.
    by_row: Lists<T>,
    by_column: Lists<T>,
}

/// Entries of a row that make a chunk worth its while.
const ENTRIES_PER_CHUNK: f64 = 8.0;

impl<T: Real> Entries<T> {
    /// Room for `rows` rows of `cols` columns with up to `entries` entries in all, `density` of all numbers as a rule; or
    /// None where memory is refused. Pages of it that are never written take none.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of columns, limited to those there are"
    )]
    pub fn with_capacity(rows: usize, cols: usize, entries: usize, density: f64) -> Option<Self> {
        u32::try_from(cols.max(rows)).ok()?;
        let wished = (ENTRIES_PER_CHUNK / density).min(cols as f64) as usize;
        let chunk = wished.max(1).next_multiple_of(BITS);
        Some(Self {
            cols,
            rows: 0,
            chunk,
            by_row: Lists::with_capacity(rows.checked_mul(cols.div_ceil(chunk))?, entries)?,
            by_column: Lists::with_capacity(cols, entries)?,
        })
    }

    /// Have room for `entries` entries, or say that memory is refused.
    pub fn has_room_for(&mut self, entries: usize) -> bool {
        [&mut self.by_row, &mut self.by_column].into_iter().all(|lists| {
            lists.entries.try_reserve_exact(entries.saturating_sub(lists.entries.len())).is_ok()
        })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Chunks of a row.
    fn chunks(&self) -> usize {
        self.cols.div_ceil(self.chunk)
    }

    /// The entries of a row, and after them those of the rows that follow: their columns are known in advance.
    pub fn from_row(&self, row: usize) -> (&[Entry<T>], &[Entry<T>]) {
        let starts = [row, row + 1].map(|row| self.by_row.starts[row * self.chunks()]);
        self.by_row.entries[starts[0]..].split_at(starts[1] - starts[0])
    }

    /// Forget all rows.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.by_row.entries.clear();
        self.by_row.starts.clear();
        self.by_row.starts.push(0);
        // Lists along columns name rows that may be gone.
        self.by_column.entries.clear();
        self.by_column.starts.clear();
    }

    /// Add a row of `cols` numbers. `ahead` is where a row begins that will be added soon: it is asked for meanwhile.
    pub fn push_dense(&mut self, isa: Isa, row: &[T], ahead: *const T) {
        assert!(row.len() == self.cols);
        dispatch(isa, Compress { row, ahead, entries: self });
    }

    /// Add a row of `cols` numbers that do not lie side by side.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "columns are fewer than 2^32: see `with_capacity`"
    )]
    pub fn push_strided(&mut self, row: impl ExactSizeIterator<Item = T>) {
        assert!(row.len() == self.cols);
        let Self { chunk, by_row: Lists { starts, entries }, .. } = self;
        for (column, value) in row.enumerate() {
            if column > 0 && column % *chunk == 0 {
                starts.push(entries.len());
            }
            if value != T::ZERO {
                entries.push(Entry { at: column as u32, value });
            }
        }
        starts.push(entries.len());
        self.rows += 1;
    }

    /// Add a row of a sparse matrix, whatever the order of its entries; several of one column count as their sum. Others may
    /// write to the matrix meanwhile: all that follows works on a copy, whose columns [`Csr::row`] vouches for.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "columns are fewer than 2^32: see `with_capacity`"
    )]
    pub fn push_sparse(&mut self, x: &Csr<'_, T>, row: usize) {
        assert!(x.cols() == self.cols);
        let Self { by_row: Lists { starts, entries }, .. } = self;
        let first = entries.len();
        entries.extend(x.row(row).map(|(column, value)| Entry { at: column as u32, value }));
        let own = &mut entries[first..];
        if !own.is_sorted_by_key(|e| e.at) {
            own.sort_by_key(|e| e.at);
        }
        let mut end = 0;
        for chunk in 1..=self.cols.div_ceil(self.chunk) {
            while own.get(end).is_some_and(|e| (e.at as usize) < chunk * self.chunk) {
                end += 1;
            }
            starts.push(first + end);
        }
        self.rows += 1;
    }

    /// Make the lists along columns from those along rows.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "rows are fewer than 2^32: see `with_capacity`"
    )]
    pub fn sort_by_column(&mut self) {
        let chunks = self.chunks();
        let Lists { starts, entries } = &mut self.by_column;
        starts.clear();
        starts.resize(self.cols + 1, 0);
        for e in &self.by_row.entries {
            debug_assert!((e.at as usize) < self.cols);
            // SAFETY: entries are of columns that there are: `push_dense` and `push_strided` count them, `push_sparse` takes them
            // from `Csr::row`, which gives no others; and they are this list's own since.
            unsafe { *starts.get_unchecked_mut(e.at as usize + 1) += 1 };
        }
        let mut end = 0;
        for start in &mut *starts {
            end += *start;
            *start = end;
        }
        entries.clear();
        entries.reserve(end);
        let room = entries.spare_capacity_mut();
        for row in 0..self.rows {
            let own = self.by_row.starts[row * chunks]..self.by_row.starts[(row + 1) * chunks];
            for e in &self.by_row.entries[own] {
                // SAFETY: as above; `starts[c]` runs through column c while it is filled, by as many entries as were counted,
                // and ends where the next column begins ...
                unsafe {
                    let next = starts.get_unchecked_mut(e.at as usize);
                    debug_assert!(*next < end);
                    room.get_unchecked_mut(*next).write(Entry { at: row as u32, value: e.value });
                    *next += 1;
                }
            }
        }
        // SAFETY: all of them have just been written, one for each that was counted.
        unsafe { entries.set_len(end) };
        // ... so that one step back gives the beginnings again.
        starts.copy_within(..self.cols, 1);
        starts[0] = 0;
    }
}

/// A list along a column is to be had after [`sort_by_column`](Entries::sort_by_column).
// SAFETY: entries are of columns that there are, see `sort_by_column`, and lists along columns of the rows there were when they
// were made, all of which are still there, see `clear`.
unsafe impl<'a, T: Real> Sparse<T> for &'a Entries<T> {
    type InRow = List<'a, T>;
    type InColumn = List<'a, T>;

    fn rows(&self) -> usize {
        self.rows
    }

    fn cols(&self) -> usize {
        self.cols
    }

    fn parts_of_rows(&self) -> usize {
        self.chunks()
    }

    fn parts_of_columns(&self) -> usize {
        1
    }

    #[inline(always)]
    fn in_row(&self, row: usize, chunk: usize) -> List<'a, T> {
        List(self.by_row.get(row * self.chunks() + chunk).iter())
    }

    #[inline(always)]
    fn in_column(&self, column: usize, _: usize) -> List<'a, T> {
        List(self.by_column.get(column).iter())
    }
}

/// Entries one after another.
pub struct List<'a, T>(std::slice::Iter<'a, Entry<T>>);

impl<T: Real> Iterator for List<'_, T> {
    type Item = (usize, T);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, T)> {
        let entry = self.0.next()?;
        Some((entry.at as usize, entry.value))
    }
}

impl<T: Real> Terms<T> for List<'_, T> {
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

struct Compress<'a, T> {
    row: &'a [T],
    ahead: *const T,
    entries: &'a mut Entries<T>,
}

impl<T: Real> Kernel<T> for Compress<'_, T> {
    type Output = ();

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "columns are fewer than 2^32: see `Entries::with_capacity`"
    )]
    fn run<V: Vector<Scalar = T>>(self) {
        let Entries { rows, chunk, by_row: Lists { starts, entries }, .. } = self.entries;
        entries.reserve(self.row.len());
        let room = entries.spare_capacity_mut();
        let (before, mut count) = (starts[starts.len() - 1], 0);
        for (c, columns) in self.row.chunks(*chunk).enumerate() {
            for (w, word) in columns.chunks(BITS).enumerate() {
                let first = c * *chunk + w * BITS;
                let whole = word.len() - word.len() % V::LANES;
                for i in (0..word.len()).step_by(LINE / size_of::<T>()) {
                    prefetch(self.ahead.wrapping_add(first + i));
                }
                let mut mask = 0u64;
                for i in (0..whole).step_by(V::LANES) {
                    mask |= u64::from(V::read(word, i).nonzero_bits()) << i;
                }
                for (i, value) in word.iter().enumerate().skip(whole) {
                    mask |= u64::from(*value != T::ZERO) << i;
                }
                while let Some(i) = take_lowest(&mut mask) {
                    debug_assert!(i < word.len() && count < room.len());
                    // SAFETY: bits are set for numbers of the word alone, and there is room for all of the row.
                    unsafe {
                        let value = *word.get_unchecked(i);
                        room.get_unchecked_mut(count)
                            .write(Entry { at: (first + i) as u32, value });
                    }
                    count += 1;
                }
            }
            starts.push(before + count);
        }
        // SAFETY: so many have just been written.
        unsafe { entries.set_len(before + count) };
        *rows += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::zeros::csr::Indices;

    /// All lists along rows, and along columns, as (row, column, value).
    fn lists(x: &Entries<f64>) -> [Vec<(usize, usize, f64)>; 2] {
        let along_rows = (0..x.rows()).flat_map(|r| {
            let chunks = (0..x.chunks()).flat_map(move |c| x.in_row(r, c));
            chunks.map(move |(column, value)| (r, column, value))
        });
        let along_columns =
            (0..x.cols()).flat_map(|c| x.in_column(c, 0).map(move |(row, value)| (row, c, value)));
        [along_rows.collect(), along_columns.collect()]
    }

    #[test]
    fn rows_from_any_source_give_the_same_lists() {
        let cols = 333;
        let value = |r: usize, c: usize| {
            if (r * 5 + c * 3).is_multiple_of(7) { (r + c) as f64 } else { 0.0 }
        };
        for isa in Isa::all_available() {
            // Room for each density means other chunks.
            for density in [1.0, 0.1, 1e-9] {
                let rows = 5;
                let [mut dense, mut strided, mut sparse] = [0; 3]
                    .map(|_| Entries::with_capacity(rows, cols, rows * cols, density).unwrap());
                // Twice, since memory is used again.
                for first in [1, 100] {
                    let (mut data, mut indices, mut indptr) = (vec![], vec![], vec![0i32]);
                    for x in [&mut dense, &mut strided, &mut sparse] {
                        x.clear();
                    }
                    for r in first..first + rows {
                        let row: Vec<f64> = (0..cols).map(|c| value(r, c)).collect();
                        dense.push_dense(isa, &row, row.as_ptr());
                        strided.push_strided(row.iter().copied());
                        // Backwards: SciPy allows any order.
                        for c in (0..cols).rev().filter(|&c| row[c] != 0.0) {
                            data.push(row[c]);
                            indices.push(i32::try_from(c).unwrap());
                        }
                        indptr.push(i32::try_from(data.len()).unwrap());
                    }
                    let (indices, indptr) = (Indices::I32(&indices), Indices::I32(&indptr));
                    let csr = Csr::new(&data, indices, indptr, cols).unwrap();
                    (0..rows).for_each(|r| sparse.push_sparse(&csr, r));
                    let mut expected = Vec::new();
                    for r in 0..rows {
                        let row = (0..cols).map(|c| (r, c, value(first + r, c)));
                        expected.extend(row.filter(|e| e.2 != 0.0));
                    }
                    let mut by_column = expected.clone();
                    by_column.sort_by_key(|e| (e.1, e.0));
                    for x in [&mut dense, &mut strided, &mut sparse] {
                        x.sort_by_column();
                        let [along_rows, along_columns] = lists(x);
                        assert!(along_rows == expected && along_columns == by_column);
                    }
                }
            }
        }
    }
}
