//! The mini-batches of an epoch, and what changes from one of them to the next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::data::{Rows, check_order};
use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::training::trainer::{Trainer, check_all};

/// Which rows an epoch has, in what batches, and how far the update of each goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Batches<'a> {
    /// The rows in the order of training; None: all, in turn.
    pub order: Option<&'a [i64]>,
    /// Rows of a batch; the last one may have less.
    pub size: usize,
    /// The step size of each batch; None: that of the trainer for all.
    pub learning_rates: Option<&'a [f64]>,
    /// The weight decay of each batch, likewise.
    pub weight_decays: Option<&'a [f64]>,
    /// The epoch ends after the batch in which this moment passes ...
    pub deadline: Option<Instant>,
    /// ... or in which somebody sets this.
    pub stop: Option<&'a AtomicBool>,
}

impl<'a> Batches<'a> {
    /// All rows, out of so many, and how many a batch has.
    pub(super) fn of(&self, rows: usize) -> Result<(Rows<'a>, usize), Error> {
        let all = match self.order {
            None => Rows::Range { first: 0, len: rows },
            Some(order) => {
                check_order(order, rows)?;
                Rows::Named(order)
            }
        };
        if self.size == 0 || all.is_empty() {
            return Err(Error::value("batch_size and number of rows", "at least 1", 0));
        }
        let size = self.size.min(all.len());
        for (name, numbers) in
            [("learning_rates", self.learning_rates), ("weight_decays", self.weight_decays)]
        {
            let Some(numbers) = numbers else { continue };
            let batches = all.len().div_ceil(size);
            if numbers.len() != batches {
                return Err(Error::shape(name, &[batches], &[numbers.len()]));
            }
            check_all(name, numbers)?;
        }
        Ok((all, size))
    }

    /// Whether the epoch ends here, after some batches.
    pub(super) fn ends_early(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
            || self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

impl<T: Real> Trainer<T> {
    /// Take over what a batch has of its own.
    pub(super) fn begin_batch(&mut self, batches: &Batches<'_>, number: usize) {
        if let Some(rates) = batches.learning_rates {
            self.learning_rate = rates[number];
        }
        if let Some(decays) = batches.weight_decays {
            self.weight_decay = decays[number];
        }
    }
}
