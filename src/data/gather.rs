//! Rows of X brought together for a mini-batch, and those of the next one asked for ahead of time.

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::data::input::Input;
use crate::data::rows::Rows;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::Panels;
use crate::linalg::memory::prefetch::{LINE, prefetch, prefetch_slice};
use crate::linalg::zeros::entries::Entries;

/// A row in random order is somewhere else in memory: so many rows before its turn it is asked for, line by line, while
/// the lines of another are taken.
const ROWS_AHEAD: usize = 2;

/// Call `f(i, row, ahead)` for the rows of a dense X; `ahead` is where the numbers of a later row begin.
fn each_row<'a, T: Real>(
    x: ArrayView2<'a, T>,
    rows: Rows<'_>,
    mut f: impl FnMut(usize, ArrayView1<'a, T>, *const T),
) {
    let row = |i: usize| x.index_axis_move(Axis(0), rows.get(i.min(rows.len() - 1)));
    for i in 0..rows.len().min(ROWS_AHEAD) {
        prefetch_slice(row(i).to_slice().unwrap_or_default());
    }
    for i in 0..rows.len() {
        f(i, row(i), row(i + ROWS_AHEAD).as_ptr());
    }
}

/// Rows of a dense X that will be gathered soon: their cache lines are asked for a few at a time, while arithmetic has the
/// processor busy and memory has not.
pub struct Ahead<'a, T> {
    x: Option<ArrayView2<'a, T>>,
    rows: Rows<'a>,
    row: usize,
    column: usize,
}

/// What may be asked for ahead: more would drive out of the L2 cache what the arithmetic works on.
const BYTES_AHEAD: usize = 128 << 10;

/// An X of up to so many bytes is in some cache all the time.
const CACHE: usize = 4 << 20;

impl<'a, T: Real> Ahead<'a, T> {
    /// Numbers of a cache line.
    const LINE: usize = LINE / size_of::<T>();

    pub fn new<'d: 'a>(x: &Input<'d, T>, rows: Rows<'a>) -> Self {
        let x = match x {
            Input::Dense(x) if x.stride_of(Axis(1)) == 1 && x.len() * size_of::<T>() > CACHE => {
                Some(x.reborrow())
            }
            _ => None,
        };
        let most = BYTES_AHEAD / (x.map_or(1, |x| x.ncols()) * size_of::<T>()).max(1);
        Self { x, rows: rows.slice(0, rows.len().min(most)), row: 0, column: 0 }
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self { x: None, rows: Rows::Range { first: 0, len: 0 }, row: 0, column: 0 }
    }

    /// How many lines to ask for each time in order to be done after `times`.
    pub fn share(&self, times: usize) -> usize {
        let lines = self.x.map_or(0, |x| x.ncols().div_ceil(Self::LINE) * self.rows.len());
        lines.div_ceil(times.max(1))
    }

    #[inline(always)]
    pub fn ask_for(&mut self, lines: usize) {
        let Some(x) = &self.x else { return };
        for _ in 0..lines {
            if self.row == self.rows.len() {
                return;
            }
            let row = x.index_axis(Axis(0), self.rows.get(self.row)).as_ptr();
            prefetch(row.wrapping_add(self.column));
            self.column += Self::LINE;
            if self.column >= x.ncols() {
                (self.row, self.column) = (self.row + 1, 0);
            }
        }
    }
}

/// Copy rows of a dense X into panels.
pub fn gather<T: Real>(x: ArrayView2<'_, T>, rows: Rows<'_>, out: &mut Panels<T>) {
    each_row(x, rows, |i, row, ahead| match row.as_slice() {
        Some(row) => out.set_row_ahead_of(i, row, ahead),
        None => {
            for (c, &value) in row.iter().enumerate() {
                out.set(i, c, value);
            }
        }
    });
}

/// Collect what is not zero in rows of X.
pub fn gather_entries<T: Real>(isa: Isa, x: &Input<'_, T>, rows: Rows<'_>, out: &mut Entries<T>) {
    out.clear();
    match x {
        Input::Dense(x) => each_row(*x, rows, |_, row, ahead| match row.as_slice() {
            Some(row) => out.push_dense(isa, row, ahead),
            None => out.push_strided(row.iter().copied()),
        }),
        Input::Sparse(x) => (0..rows.len()).for_each(|i| out.push_sparse(x, rows.get(i))),
    }
}
