//! Matrices as panels: 16 columns at a time, each panel's rows one after the other.
//!
//! Element (r, c) stands in panel c / 16 at row r, lane c % 16. A tile of any product then reads and writes whole cache
//! lines in the order of memory, whatever the width of the layer, and the columns that fill up the last panel are there
//! to be computed on without masks. Their contents: zero in parameters, gradients and errors; any finite number in
//! activations, where they meet only those zeros.

use std::ops::Range;

use crate::linalg::memory::pages::ask_for_large_pages;
use crate::linalg::memory::prefetch::{LINE, prefetch};

/// Columns of a panel: one cache line of f32, two of f64.
pub const WIDTH: usize = 16;

/// Numbers of a block: as many rows of a panel as it has columns, which can be transposed.
pub const BLOCK: usize = WIDTH * WIDTH;

/// One row of a panel, on a cache line of its own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Row<T>([T; WIDTH]);

/// Numbers, or pairs of them, in rows of [`WIDTH`], aligned to cache lines.
#[derive(Clone, Default)]
pub struct Aligned<T>(Vec<Row<T>>);

impl<T: Copy + Default> Aligned<T> {
    /// `rows` rows of zeros, or None where memory is refused.
    pub fn zeros(rows: usize) -> Option<Self> {
        let mut data = Vec::new();
        data.try_reserve_exact(rows).ok()?;
        ask_for_large_pages(&mut data);
        data.resize(rows, Row([T::default(); WIDTH]));
        Some(Self(data))
    }

    /// A row of the numbers has no padding, so that all of them are one slice.
    const WHOLE: () = assert!(size_of::<Row<T>>() == size_of::<[T; WIDTH]>());

    pub fn as_slice(&self) -> &[T] {
        const { Self::WHOLE };
        // SAFETY: a Row is WIDTH numbers without padding, as just asserted.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * WIDTH) }
    }

    pub fn as_mut_slice(&mut self) -> &mut [T] {
        const { Self::WHOLE };
        // SAFETY: as in `as_slice`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * WIDTH) }
    }
}

/// A matrix of up to `capacity` rows in panels.
pub struct Panels<T> {
    rows: usize,
    cols: usize,
    /// Rows between the beginnings of two panels: odd, since powers of two would put the same row of all panels into the
    /// same few sets of the L1 cache.
    stride: usize,
    data: Aligned<T>,
}

/// Some panels of a matrix, to write to: all of them, or those of one thread.
pub struct PanelsMut<'a, T> {
    rows: usize,
    /// Of the whole matrix.
    cols: usize,
    stride: usize,
    panels: Range<usize>,
    /// These panels alone.
    data: &'a mut [T],
}

/// How many panels hold `cols` columns.
pub fn panel_count(cols: usize) -> usize {
    cols.div_ceil(WIDTH)
}

/// How many columns of panel `panel` hold data.
#[inline(always)]
pub fn panel_cols(cols: usize, panel: usize) -> usize {
    (cols - panel * WIDTH).min(WIDTH)
}

/// Rows of some panels of a matrix, wherever it lies: panel p has its rows one after the other from `p * stride`.
#[derive(Clone, Copy)]
pub struct View<'a, T> {
    pub data: &'a [T],
    /// Numbers between the beginnings of two panels.
    pub stride: usize,
}

impl<T> View<'_, T> {
    /// The same from this row of this panel.
    #[inline(always)]
    pub fn from(self, panel: usize, row: usize) -> Self {
        Self { data: &self.data[panel * self.stride + row * WIDTH..], ..self }
    }

    /// Whether all of these rows of the first `panels` panels are there.
    #[inline(always)]
    pub fn has(&self, panels: usize, rows: usize) -> bool {
        panels == 0 || self.data.len() >= (panels - 1) * self.stride + rows * WIDTH
    }
}

impl<T: Copy + Default> Panels<T> {
    /// Zeros, or None where memory is refused.
    pub fn zeros(capacity: usize, cols: usize) -> Option<Self> {
        // No rows take no memory, however many columns there are.
        let stride = if capacity == 0 { 0 } else { capacity | 1 };
        let data = Aligned::zeros(stride.checked_mul(panel_count(cols))?)?;
        Some(Self { rows: capacity, cols, stride, data })
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn cols(&self) -> usize {
        self.cols
    }

    pub fn panel_count(&self) -> usize {
        panel_count(self.cols)
    }

    /// Use the first `rows` rows from now on.
    pub fn set_rows(&mut self, rows: usize) {
        assert!(rows <= self.stride);
        self.rows = rows;
    }

    /// Hold a matrix of another size from now on, which is no larger; its contents are not those of before.
    pub fn set_size(&mut self, rows: usize, cols: usize) {
        assert!(rows <= self.stride && panel_count(cols) * self.stride <= self.data.0.len());
        (self.rows, self.cols) = (rows, cols);
    }

    /// Numbers between the beginnings of two panels.
    #[inline(always)]
    pub(in crate::linalg) fn panel_stride(&self) -> usize {
        self.stride * WIDTH
    }

    /// The rows of one panel, `rows * WIDTH` numbers.
    #[inline(always)]
    pub fn panel(&self, panel: usize) -> &[T] {
        let start = panel * self.stride * WIDTH;
        &self.data.as_slice()[start..start + self.rows * WIDTH]
    }

    #[inline(always)]
    pub fn panel_mut(&mut self, panel: usize) -> &mut [T] {
        let start = panel * self.stride * WIDTH;
        let rows = self.rows;
        &mut self.data.as_mut_slice()[start..start + rows * WIDTH]
    }

    /// Panel `panel` and all after it, for pointers that go from one panel to the next.
    #[inline(always)]
    pub(in crate::linalg) fn panels_from(&self, panel: usize) -> &[T] {
        &self.data.as_slice()[panel * self.panel_stride()..]
    }

    #[inline(always)]
    pub fn view(&self) -> View<'_, T> {
        View { data: self.data.as_slice(), stride: self.panel_stride() }
    }

    /// All panels.
    #[inline(always)]
    pub fn as_mut(&mut self) -> PanelsMut<'_, T> {
        let (panels, stride) = (0..self.panel_count(), self.panel_stride());
        let data = self.data.as_mut_slice();
        PanelsMut { rows: self.rows, cols: self.cols, stride, panels, data }
    }

    #[inline(always)]
    pub fn get(&self, row: usize, col: usize) -> T {
        self.panel(col / WIDTH)[row * WIDTH + col % WIDTH]
    }

    #[inline(always)]
    pub fn set(&mut self, row: usize, col: usize, value: T) {
        self.panel_mut(col / WIDTH)[row * WIDTH + col % WIDTH] = value;
    }

    /// Write a row from its numbers in order.
    #[inline]
    pub fn set_row(&mut self, row: usize, values: &[T]) {
        self.write_row(row, values, |_| ());
    }

    /// Write a row from its numbers in order, and ask for one of the same length at `ahead`.
    #[inline]
    pub fn set_row_ahead_of(&mut self, row: usize, values: &[T], ahead: *const T) {
        self.write_row(row, values, |column| {
            for i in (0..WIDTH).step_by(LINE / size_of::<T>()) {
                prefetch(ahead.wrapping_add(column + i));
            }
        });
    }

    /// Write a row; `meanwhile` is called with the first column of each panel.
    #[inline(always)]
    fn write_row(&mut self, row: usize, values: &[T], meanwhile: impl Fn(usize)) {
        assert!(row < self.rows && values.len() == self.cols);
        let rows = self.data.0[row..].iter_mut().step_by(self.stride);
        // Arrays, so that whole lines are moved by registers instead of calls.
        let (lines, rest) = values.as_chunks::<WIDTH>();
        for (i, (to, from)) in rows.zip(lines).enumerate() {
            meanwhile(i * WIDTH);
            to.0 = *from;
        }
        if !rest.is_empty() {
            meanwhile(lines.len() * WIDTH);
            self.data.0[lines.len() * self.stride + row].0[..rest.len()].copy_from_slice(rest);
        }
    }

    /// Read a row into its numbers in order.
    #[inline]
    pub fn copy_row_to(&self, row: usize, out: &mut [T]) {
        assert!(row < self.rows && out.len() == self.cols);
        let rows = self.data.0[row..].iter().step_by(self.stride);
        let (lines, rest) = out.as_chunks_mut::<WIDTH>();
        let whole = lines.len();
        for (to, from) in lines.iter_mut().zip(rows) {
            *to = from.0;
        }
        if !rest.is_empty() {
            rest.copy_from_slice(&self.data.0[whole * self.stride + row].0[..rest.len()]);
        }
    }
}

impl<'a, T> PanelsMut<'a, T> {
    #[inline(always)]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the whole matrix.
    #[inline(always)]
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Which panels these are.
    #[inline(always)]
    pub fn panels(&self) -> Range<usize> {
        self.panels.clone()
    }

    /// Numbers between the beginnings of two panels.
    #[inline(always)]
    pub(in crate::linalg) fn panel_stride(&self) -> usize {
        self.stride
    }

    #[inline(always)]
    pub fn panel_mut(&mut self, panel: usize) -> &mut [T] {
        let start = (panel - self.panels.start) * self.stride;
        &mut self.data[start..start + self.rows * WIDTH]
    }

    /// Panel `panel` and all after it, for pointers that go from one panel to the next.
    #[inline(always)]
    pub(in crate::linalg) fn panels_from_mut(&mut self, panel: usize) -> &mut [T] {
        &mut self.data[(panel - self.panels.start) * self.stride..]
    }

    /// The panels before panel `end`, which are taken away from these.
    pub fn split_off_to(&mut self, end: usize) -> PanelsMut<'a, T> {
        let end = end.clamp(self.panels.start, self.panels.end);
        let panels = self.panels.start..end;
        let data = std::mem::take(&mut self.data);
        let (data, rest) = data.split_at_mut((panels.len() * self.stride).min(data.len()));
        (self.panels.start, self.data) = (end, rest);
        PanelsMut { rows: self.rows, cols: self.cols, stride: self.stride, panels, data }
    }
}
