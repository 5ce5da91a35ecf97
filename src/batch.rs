//! The data of a call: inputs, targets and weights of rows, checked against the network before any work.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::Error;
use crate::linalg::panels::Panels;
use crate::linalg::prefetch::prefetch_slice;
use crate::linalg::real::Real;
use crate::linalg::rows::Rows;
use crate::linalg::sparse::Csr;
use crate::network::Network;

/// X, shape (n, fan_in of the first layer).
#[derive(Clone, Copy)]
pub enum Input<'a, T> {
    Dense(ArrayView2<'a, T>),
    Sparse(Csr<'a, T>),
}

impl<T: Real> Input<'_, T> {
    pub fn rows(&self) -> usize {
        match self {
            Input::Dense(x) => x.nrows(),
            Input::Sparse(x) => x.rows(),
        }
    }

    pub fn cols(&self) -> usize {
        match self {
            Input::Dense(x) => x.ncols(),
            Input::Sparse(x) => x.cols(),
        }
    }

    pub fn is_finite(&self) -> bool {
        match self {
            // A sum is not finite if any number is not; if it only overflowed, each number has the last word.
            Input::Dense(x) => x.sum().is_finite() || x.iter().all(|v| v.is_finite()),
            Input::Sparse(x) => x.is_finite(),
        }
    }

    pub fn check(&self, network: &Network) -> Result<(), Error> {
        if self.cols() == network.sizes()[0] {
            return Ok(());
        }
        Err(Error::shape("X", &[self.rows(), network.sizes()[0]], &[self.rows(), self.cols()]))
    }
}

/// A row in random order is somewhere else in memory: it is asked for while the rows before it are copied.
const ROWS_AHEAD: usize = 4;

/// Copy the rows of a dense X into panels.
pub fn gather<T: Real>(x: ArrayView2<'_, T>, rows: Rows<'_>, out: &mut Panels<T>) {
    for i in 0..rows.len() {
        if i + ROWS_AHEAD < rows.len()
            && let Some(ahead) = x.row(rows.get(i + ROWS_AHEAD)).as_slice()
        {
            prefetch_slice(ahead);
        }
        let row = x.row(rows.get(i));
        match row.as_slice() {
            Some(row) => out.set_row(i, row),
            None => {
                for (c, &value) in row.iter().enumerate() {
                    out.set(i, c, value);
                }
            }
        }
    }
}

/// y: what the output layer should say.
#[derive(Clone, Copy)]
pub enum Targets<'a, T> {
    /// Shape (n, outputs).
    Dense(ArrayView2<'a, T>),
    /// Shape (n,): the index of the class, a one-hot row; with a single output, that output's 0 or 1.
    Classes(ArrayView1<'a, i64>),
}

impl<T: Real> Targets<'_, T> {
    pub fn check(&self, network: &Network, rows: usize) -> Result<(), Error> {
        let outputs = network.outputs();
        match self {
            Targets::Dense(y) if y.dim() == (rows, outputs) => Ok(()),
            Targets::Dense(y) => Err(Error::shape("y", &[rows, outputs], y.shape())),
            Targets::Classes(y) if y.len() != rows => Err(Error::shape("y", &[rows], &[y.len()])),
            Targets::Classes(y) => {
                let classes = i64::try_from(outputs.max(2)).unwrap_or(i64::MAX);
                match y.iter().find(|&&c| !(0..classes).contains(&c)) {
                    None => Ok(()),
                    Some(c) => {
                        Err(Error::value("y", format!("class indices in [0, {classes})"), c))
                    }
                }
            }
        }
    }

    /// The target of output `j` in row `row`.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "class indices are within [0, outputs), see `check`"
    )]
    pub fn get(&self, row: usize, j: usize, outputs: usize) -> T {
        match self {
            Targets::Dense(y) => y[(row, j)],
            Targets::Classes(y) if outputs == 1 => T::of(y[row] as f64),
            Targets::Classes(y) if y[row] as usize == j => T::ONE,
            Targets::Classes(_) => T::ZERO,
        }
    }
}

/// Everything a pass over the data reads.
#[derive(Clone, Copy)]
pub struct Data<'a, T> {
    pub x: Input<'a, T>,
    pub y: Targets<'a, T>,
    /// Weight of each row, shape (n,); None is 1.
    pub weights: Option<ArrayView1<'a, T>>,
}

impl<T: Real> Data<'_, T> {
    pub fn check(&self, network: &Network) -> Result<(), Error> {
        self.x.check(network)?;
        self.y.check(network, self.x.rows())?;
        match self.weights {
            Some(w) if w.len() != self.x.rows() => {
                Err(Error::shape("sample_weight", &[self.x.rows()], &[w.len()]))
            }
            _ => Ok(()),
        }
    }

    #[inline]
    pub fn weight(&self, row: usize) -> T {
        self.weights.map_or(T::ONE, |w| w[row])
    }

    /// The sum of the weights of some rows, by which a batch's sums are divided.
    pub fn total_weight(&self, rows: Rows<'_>) -> Result<f64, Error> {
        let Some(weights) = self.weights else {
            return Ok(rows.len() as f64);
        };
        let total: f64 = (0..rows.len()).map(|i| weights[rows.get(i)].as_f64()).sum();
        if total == 0.0 { Err(Error::ZeroWeight) } else { Ok(total) }
    }
}

/// The order of an epoch, every row number checked.
pub fn check_order(order: &[i64], rows: usize) -> Result<(), Error> {
    match order.iter().find(|&&r| usize::try_from(r).map_or(true, |r| r >= rows)) {
        None => Ok(()),
        Some(r) => Err(Error::value("order", format!("row numbers in [0, {rows})"), r)),
    }
}
