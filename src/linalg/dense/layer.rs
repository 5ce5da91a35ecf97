//! A layer as the products take it: its parameters, and what becomes of a product's result.

use std::ops::Range;

use crate::linalg::kernels::{Scalar, Vector};
use crate::linalg::memory::panels::{View, WIDTH};

/// The parameters of one layer in panels: `panel_count(fan_out)` panels of `fan_in + 1` rows, the last row the biases; or
/// some of these panels, for a w + b alone.
#[derive(Clone, Copy)]
pub struct Layer<'a, T> {
    pub fan_in: usize,
    pub fan_out: usize,
    /// The first panel that `data` has.
    pub first: usize,
    pub data: &'a [T],
}

impl<'a, T> Layer<'a, T> {
    /// Weights and biases of panel `panel`, `(fan_in + 1) * WIDTH` numbers.
    #[inline(always)]
    pub fn panel(&self, panel: usize) -> &'a [T] {
        let len = (self.fan_in + 1) * WIDTH;
        let panel = panel - self.first;
        &self.data[panel * len..(panel + 1) * len]
    }

    /// Panel `panel` and all after it, for pointers that go from one panel to the next.
    #[inline(always)]
    pub(in crate::linalg) fn panels_from(&self, panel: usize) -> &'a [T] {
        &self.data[(panel - self.first) * (self.fan_in + 1) * WIDTH..]
    }

    /// The weights from panel `panel` on, each panel with its biases after them.
    #[inline(always)]
    pub(in crate::linalg) fn view_from(&self, panel: usize) -> View<'a, T> {
        View { data: self.panels_from(panel), stride: (self.fan_in + 1) * WIDTH }
    }

    /// The same with some of its panels alone.
    pub fn of_panels(self, panels: Range<usize>) -> Self {
        let len = (self.fan_in + 1) * WIDTH;
        let data = &self.panels_from(panels.start)[..panels.len() * len];
        Self { first: panels.start, data, ..self }
    }

    pub fn panels(&self) -> Range<usize> {
        self.first..self.first + self.data.len() / ((self.fan_in + 1) * WIDTH)
    }
}

/// What to do with the rows of a panel once a product has filled them.
pub trait Epilogue<T: Scalar> {
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, values: &mut [T]);
}
