//! y: what the output layer should say.

use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::linalg::memory::shared::read_once;
use crate::network::Network;

/// y: what the output layer should say.
#[derive(Clone, Copy)]
pub enum Targets<'a, T> {
    /// Shape (n, outputs).
    Dense(ArrayView2<'a, T>),
    /// Shape (n,): the index of the class, a one-hot row; with a single output, that output's 0 or 1.
    Classes(ArrayView1<'a, i64>),
}

/// Rows that are checked in a millisecond or so.
const ROWS_AT_ONCE: usize = 1 << 20;

impl<T: Real> Targets<'_, T> {
    /// None when asked to stop, between two goes of rows.
    pub fn check(
        &self,
        network: &Network,
        rows: usize,
        mut stop: impl FnMut() -> bool,
    ) -> Result<Option<()>, Error> {
        let outputs = network.outputs();
        match self {
            Targets::Dense(y) if y.dim() == (rows, outputs) => Ok(Some(())),
            Targets::Dense(y) => Err(Error::shape("y", &[rows, outputs], y.shape())),
            Targets::Classes(y) if y.len() != rows => Err(Error::shape("y", &[rows], &[y.len()])),
            Targets::Classes(y) => {
                let classes = i64::try_from(outputs.max(2)).unwrap_or(i64::MAX);
                for (i, y) in y.axis_chunks_iter(Axis(0), ROWS_AT_ONCE).enumerate() {
                    if i > 0 && stop() {
                        return Ok(None);
                    }
                    if let Some(c) = y.iter().find(|&&c| !(0..classes).contains(&c)) {
                        let expected = format!("class indices in [0, {classes})");
                        return Err(Error::value("y", expected, c));
                    }
                }
                Ok(Some(()))
            }
        }
    }

    /// The only output of row `row`, out of more than one, whose target is 1 where all others are 0.
    ///
    /// It is one of them, or none, also if somebody else has written to y since it was checked.
    #[inline]
    pub fn class(&self, row: usize, outputs: usize) -> Option<usize> {
        match self {
            Targets::Classes(y) if outputs > 1 => {
                usize::try_from(read_once(&y[row])).ok().filter(|class| *class < outputs)
            }
            _ => None,
        }
    }

    /// Targets of row `row` out of `outputs`: as many as `out` takes, from output `first`.
    #[inline]
    pub fn copy_to(&self, row: usize, outputs: usize, first: usize, out: &mut [T]) {
        match self {
            Targets::Dense(y) => {
                for (out, &y) in out.iter_mut().zip(y.row(row).iter().skip(first)) {
                    *out = y;
                }
            }
            Targets::Classes(y) if outputs == 1 => {
                out[0] = [T::ZERO, T::ONE][usize::from(y[row] != 0)]
            }
            Targets::Classes(_) => {
                out.fill(T::ZERO);
                let class = self.class(row, outputs).and_then(|class| class.checked_sub(first));
                if let Some(out) = class.and_then(|class| out.get_mut(class)) {
                    *out = T::ONE;
                }
            }
        }
    }
}
