//! Inputs, targets and weights of rows together, checked against the network before any work.

use std::hint::black_box;

use ndarray::ArrayView1;

use crate::data::input::Input;
use crate::data::rows::Rows;
use crate::data::targets::Targets;
use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::network::Network;

/// Everything a pass over the data reads.
#[derive(Clone, Copy)]
pub struct Data<'a, T> {
    pub x: Input<'a, T>,
    pub y: Targets<'a, T>,
    /// Weight of each row, shape (n,); None is 1.
    pub weights: Option<ArrayView1<'a, T>>,
}

impl<T: Real> Data<'_, T> {
    /// None when asked to stop, which takes a y longer than any memory: one class over and over.
    pub fn check(
        &self,
        network: &Network,
        stop: impl FnMut() -> bool,
    ) -> Result<Option<()>, Error> {
        self.x.check(network)?;
        if let Some(w) = self.weights
            && w.len() != self.x.rows()
        {
            return Err(Error::shape("sample_weight", &[self.x.rows()], &[w.len()]));
        }
        self.y.check(network, self.x.rows(), stop)
    }

    /// Have the targets of rows in random order in the cache. They are read, many at a time: a processor that has enough
    /// lines on their way leaves out what it is only asked for.
    pub fn touch_targets(&self, rows: Rows<'_>) {
        for i in 0..rows.len() {
            let row = rows.get(i);
            match &self.y {
                Targets::Dense(y) => drop(black_box(y.row(row).first().copied())),
                Targets::Classes(y) => drop(black_box(y[row])),
            }
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
