//! X: a dense array, or a sparse one in compressed rows.

use ndarray::ArrayView2;

use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::linalg::zeros::csr::Csr;
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

    /// How many numbers `rows` rows have at most that are not zero.
    pub fn most_entries(&self, rows: usize) -> usize {
        match self {
            Input::Dense(x) => rows.saturating_mul(x.ncols()),
            Input::Sparse(x) => x.most_entries(rows),
        }
    }

    pub fn check(&self, network: &Network) -> Result<(), Error> {
        if self.cols() == network.sizes()[0] {
            return Ok(());
        }
        Err(Error::shape("X", &[self.rows(), network.sizes()[0]], &[self.rows(), self.cols()]))
    }
}
