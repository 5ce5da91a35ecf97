//! y: what the output layer should say.

use ndarray::{ArrayView1, ArrayView2};

use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::network::Network;

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

    /// The only output of row `row`, out of more than one, whose target is 1 where all others are 0.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "class indices are within [0, outputs), see `check`"
    )]
    pub fn class(&self, row: usize, outputs: usize) -> Option<usize> {
        match self {
            Targets::Classes(y) if outputs > 1 => Some(y[row] as usize),
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
