//! Which numbers of a matrix in panels are not zero, as bits: for layers that a rectifier sets to zero in large part.
//!
//! Numbers stay where they are. A word of 64 bits says which of 64 columns of a row are to be multiplied, and another
//! which of 64 rows of a column: the right matrix's rows for one word stay in the L1 cache for all lists.

use std::marker::PhantomData;

use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Panels, WIDTH, panel_cols};
use crate::linalg::zeros::bits::{BITS, take_lowest, transpose};
use crate::linalg::zeros::sparse::{Sparse, Terms};

const PANELS_PER_WORD: usize = BITS / WIDTH;

/// The bits of a matrix, along rows and, where they are wanted, along columns.
pub struct Masks {
    capacity: usize,
    rows: usize,
    cols: usize,
    /// Word `word * capacity + row` has the columns from `word * BITS`.
    by_row: Vec<u64>,
    /// Word `column * capacity.div_ceil(BITS) + word` has the rows from `word * BITS`; empty where nobody asks.
    by_column: Vec<u64>,
}

impl Masks {
    /// Room for `capacity` rows of `cols` numbers, or None where memory is refused.
    pub fn with_capacity(capacity: usize, cols: usize) -> Option<Self> {
        let by_row = zeros(capacity.checked_mul(cols.div_ceil(BITS))?)?;
        Some(Self { capacity, rows: 0, cols, by_row, by_column: Vec::new() })
    }

    /// Find bits along columns too, or None where memory is refused.
    pub fn along_columns(&mut self) -> Option<()> {
        // Whole words of columns, since blocks of BITS rows and columns are transposed.
        let cols = self.cols.checked_next_multiple_of(BITS)?;
        self.by_column = zeros(cols.checked_mul(self.capacity.div_ceil(BITS))?)?;
        Some(())
    }

    /// Find what is not zero in `a`, which has as many columns as there is room for, and no more rows.
    pub fn find<T: Real>(&mut self, isa: Isa, a: &Panels<T>) {
        assert!(a.cols() == self.cols && a.rows() <= self.capacity);
        self.rows = a.rows();
        dispatch(isa, FindInRows { a, masks: self });
        if !self.by_column.is_empty() {
            self.transpose();
        }
    }

    /// The bits along columns from those along rows.
    fn transpose(&mut self) {
        let words = self.capacity.div_ceil(BITS);
        for first in (0..self.rows).step_by(BITS) {
            let rows = BITS.min(self.rows - first);
            for (w, by_row) in self.by_row.chunks(self.capacity).enumerate() {
                let mut block = [0; BITS];
                block[..rows].copy_from_slice(&by_row[first..first + rows]);
                transpose(&mut block);
                let columns = self.by_column[w * BITS * words..].chunks_mut(words);
                for (column, bits) in columns.zip(block) {
                    column[first / BITS] = bits;
                }
            }
        }
    }
}

/// `len` words, or None where memory is refused.
fn zeros(len: usize) -> Option<Vec<u64>> {
    let mut words = Vec::new();
    words.try_reserve_exact(len).ok()?;
    words.resize(len, 0);
    Some(words)
}

/// Bit i is set where number i of a row of a panel is not zero.
#[inline(always)]
fn nonzero_bits<V: Vector>(row: &[V::Scalar]) -> u64 {
    let mut bits = 0;
    for i in (0..WIDTH).step_by(V::LANES) {
        bits |= u64::from(V::read(row, i).nonzero_bits()) << i;
    }
    bits
}

struct FindInRows<'a, T> {
    a: &'a Panels<T>,
    masks: &'a mut Masks,
}

impl<T: Real> Kernel<T> for FindInRows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let Masks { capacity, by_row, .. } = self.masks;
        for panel in 0..self.a.panel_count() {
            let cols = panel_cols(self.a.cols(), panel);
            let (word, part) = (panel / PANELS_PER_WORD, panel % PANELS_PER_WORD);
            let by_row = &mut by_row[word * *capacity..][..self.a.rows()];
            for (row, word) in self.a.panel(panel).chunks_exact(WIDTH).zip(by_row) {
                // What fills up the last panel is no column.
                let bits = nonzero_bits::<V>(row) & ((1 << cols) - 1);
                // The first part of a word clears the others.
                let others = if part == 0 { 0 } else { *word };
                *word = others | bits << (part * WIDTH);
            }
        }
    }
}

/// A matrix, and the [`Masks`] that have been found for it.
#[derive(Clone, Copy)]
pub struct Masked<'a, T> {
    a: &'a Panels<T>,
    masks: &'a Masks,
}

impl<'a, T: Real> Masked<'a, T> {
    pub fn new(a: &'a Panels<T>, masks: &'a Masks) -> Self {
        assert!(a.rows() == masks.rows && a.cols() == masks.cols);
        Self { a, masks }
    }
}

// SAFETY: bits are set for numbers of the matrix alone, see `Masks::find` and `Masked::new`.
unsafe impl<'a, T: Real> Sparse<T> for Masked<'a, T> {
    type InRow = BitsOfRow<'a, T>;
    type InColumn = BitsOfColumn<'a, T>;

    fn rows(&self) -> usize {
        self.a.rows()
    }

    fn cols(&self) -> usize {
        self.a.cols()
    }

    fn parts_of_rows(&self) -> usize {
        self.a.cols().div_ceil(BITS)
    }

    fn parts_of_columns(&self) -> usize {
        self.a.rows().div_ceil(BITS)
    }

    #[inline(always)]
    fn in_row(&self, row: usize, part: usize) -> BitsOfRow<'a, T> {
        BitsOfRow {
            bits: self.masks.by_row[part * self.masks.capacity + row],
            first: part * BITS,
            values: self.a.panels_from(part * PANELS_PER_WORD)[row * WIDTH..].as_ptr(),
            panel_stride: self.a.panel_stride(),
            matrix: PhantomData,
        }
    }

    #[inline(always)]
    fn in_column(&self, column: usize, part: usize) -> BitsOfColumn<'a, T> {
        debug_assert!(column < self.a.cols());
        let words = self.masks.capacity.div_ceil(BITS);
        let (panel, lane) = (column / WIDTH, column % WIDTH);
        BitsOfColumn {
            bits: self.masks.by_column[column * words + part],
            first: part * BITS,
            values: self.a.panel(panel)[part * BITS * WIDTH + lane..].as_ptr(),
            matrix: PhantomData,
        }
    }
}

/// Terms of a row that a word names.
pub struct BitsOfRow<'a, T> {
    bits: u64,
    first: usize,
    /// The row in the first panel of the word.
    values: *const T,
    panel_stride: usize,
    matrix: PhantomData<&'a [T]>,
}

impl<T: Real> Iterator for BitsOfRow<'_, T> {
    type Item = (usize, T);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, T)> {
        let i = take_lowest(&mut self.bits)?;
        let at = i / WIDTH * self.panel_stride + i % WIDTH;
        // SAFETY: bits are set for columns that the matrix has (see `Masks::find` and `Masked::new`).
        Some((self.first + i, unsafe { *self.values.add(at) }))
    }
}

impl<T: Real> Terms<T> for BitsOfRow<'_, T> {
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.bits == 0
    }
}

/// Terms of a column that a word names.
pub struct BitsOfColumn<'a, T> {
    bits: u64,
    first: usize,
    /// The column in the first row of the word.
    values: *const T,
    matrix: PhantomData<&'a [T]>,
}

impl<T: Real> Iterator for BitsOfColumn<'_, T> {
    type Item = (usize, T);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, T)> {
        let i = take_lowest(&mut self.bits)?;
        // SAFETY: bits are set for rows that the matrix has (see `Masks::find` and `Masked::new`).
        Some((self.first + i, unsafe { *self.values.add(i * WIDTH) }))
    }
}

impl<T: Real> Terms<T> for BitsOfColumn<'_, T> {
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.bits == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a word does not name is zero, and the values are those of the matrix.
    fn check<T: Real>(isa: Isa, rows: usize, cols: usize) {
        let mut a = Panels::zeros(rows + 1, cols).unwrap();
        let mut masks = Masks::with_capacity(rows + 1, cols).unwrap();
        masks.along_columns().unwrap();
        // Twice, since memory is used again; NaN and infinity are not zero, the other zero is.
        for used in [rows + 1, rows] {
            a.set_rows(used);
            let number = |i: usize, j: usize| match (i * 7 + j * 5 + used) % 11 {
                0..6 => 0.0,
                6 => f64::NAN,
                7 => f64::INFINITY,
                8 => -0.0,
                other => other as f64 - 20.0,
            };
            (0..used).for_each(|i| (0..cols).for_each(|j| a.set(i, j, T::of(number(i, j)))));
            masks.find(isa, &a);
            let x = Masked::new(&a, &masks);
            let (mut by_row, mut by_column) = (vec![0.0; used * cols], vec![0.0; used * cols]);
            for i in 0..used {
                for (j, value) in (0..x.parts_of_rows()).flat_map(|part| x.in_row(i, part)) {
                    assert!(value != T::ZERO);
                    by_row[i * cols + j] = value.as_f64();
                }
            }
            for j in 0..cols {
                for (i, value) in (0..x.parts_of_columns()).flat_map(|part| x.in_column(j, part)) {
                    assert!(value != T::ZERO);
                    by_column[i * cols + j] = value.as_f64();
                }
            }
            for i in 0..used {
                for j in 0..cols {
                    let expected = T::of(number(i, j)).as_f64() + 0.0;
                    for found in [by_row[i * cols + j], by_column[i * cols + j]] {
                        // What bits a NaN has after a conversion, the language leaves open.
                        let same = found.to_bits() == expected.to_bits()
                            || found.is_nan() && expected.is_nan();
                        assert!(same, "{isa:?} {i} {j}: {found} {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn bits_are_those_of_the_numbers_that_are_not_zero() {
        for isa in Isa::all_available() {
            for rows in [1, 15, 16, 63, 64, 65, 130] {
                for cols in [1, 16, 17, 63, 64, 65, 200] {
                    check::<f32>(isa, rows, cols);
                    check::<f64>(isa, rows, cols);
                }
            }
        }
    }
}
