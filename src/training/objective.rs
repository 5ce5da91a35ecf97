//! Cost and gradient over a whole data set, for optimizers that look at all of it.

use crate::allocate::vector_of;
use crate::backprop::{Masks, layouts};
use crate::data::{Data, Rows, work_per_row};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real, dispatch};
use crate::linalg::memory::panels::Aligned;
use crate::linalg::team::{self, MAX_THREADS};
use crate::network::{Cost, Network};
use crate::training::gradient_step::{Share, Then};
use crate::training::loss::{Loss, Squares};
use crate::training::pass::Pass;
use crate::training::sharing::by_rows::{self, Batch};
use crate::training::sharing::split::Split;
use crate::training::sharing::work::{
    rows_at_once, threads_to_start, useful_threads, worth_starting,
};
use crate::training::sharing::workspaces::Workspaces;

/// Cost, L2 penalty and the gradient of their sum over all rows as one batch, for optimizers that look at all data.
pub struct Objective<T> {
    network: Network,
    cost: Cost,
    alpha: f64,
    isa: Isa,
    parameters: Aligned<T>,
    gradient: Aligned<T>,
    workspaces: Workspaces<T>,
    squares: Vec<f64>,
}

impl<T: Real> Objective<T> {
    pub fn new(network: Network, cost: Cost, alpha: f64) -> Result<Self, Error> {
        Ok(Self {
            parameters: network.zeros()?,
            gradient: network.zeros()?,
            squares: vector_of(0.0, network.block_count(), "the parameters")?,
            network,
            cost,
            alpha,
            isa: Isa::best(),
            workspaces: Workspaces::none(),
        })
    }

    /// Use another instruction set than the best.
    #[cfg(test)]
    pub fn set_isa(&mut self, isa: Isa) {
        self.isa = isa;
    }

    /// At the parameters in `vector` (all weights row by row, then all biases); the gradient goes to `gradient` in the same
    /// order. None when asked to stop.
    pub fn evaluate(
        &mut self,
        vector: &[T],
        data: &Data<'_, T>,
        allowed: impl FnOnce() -> usize,
        gradient: &mut [T],
        mut stop: impl FnMut() -> bool,
    ) -> Result<Option<Loss>, Error> {
        if data.check(&self.network, &mut stop)?.is_none() {
            return Ok(None);
        }
        self.network.check_vector("packed", vector)?;
        self.network.check_vector("gradient", gradient)?;
        let rows = data.x.rows();
        if rows == 0 {
            return Err(Error::value("number of rows", "at least 1", 0));
        }
        let all = Rows::Range { first: 0, len: rows };
        let weight = data.total_weight(all)?;
        self.network.pack_vector(vector, self.parameters.as_mut_slice());
        dispatch(
            self.isa,
            Squares {
                network: &self.network,
                parameters: self.parameters.as_slice(),
                squares: &mut self.squares,
            },
        );
        let at_once = rows_at_once(&self.network, rows);
        let parameters = self.parameters.as_slice();
        let layouts =
            layouts(&self.network, parameters, self.isa, &data.x, all, at_once, Masks::NONE)?;
        let useful = useful_threads(&self.network, &layouts, at_once, MAX_THREADS);
        let work = work_per_row(&self.network, &layouts).saturating_mul(rows);
        let threads = threads_to_start(useful.min(worth_starting::<T>(work)), allowed);
        let pass = Pass {
            network: &self.network,
            isa: self.isa,
            cost: &self.cost,
            data,
            masks: Masks::NONE,
        };

        let cost = team::with(threads, |team| {
            // As many as there are, which is fewer where the system refused some.
            let (network, threads) = (&self.network, team.threads());
            let split = Split::of(network, &layouts, at_once, self.isa.rows_together(), threads);
            self.workspaces.prepare(network, &data.x, at_once, split, &layouts, self.isa)?;
            let parameters = &mut Share {
                gradient: self.gradient.as_mut_slice(),
                ..Share::of_all(network, self.parameters.as_mut_slice())
            };
            let batch = Batch { rows: all, next: all.slice(rows, 0), at_once };
            let workspaces = &mut self.workspaces;
            let then = Then::Keep;
            Ok(by_rows::batch(pass, team, workspaces, parameters, batch, then, &mut stop))
        })?;
        let Some(cost) = cost else { return Ok(None) };
        let scale = T::of(1.0 / weight);
        self.network.unpack_vector(self.gradient.as_slice(), gradient, |_, sum| sum * scale);
        let decay = T::of(self.alpha / weight);
        let weights = gradient.iter_mut().zip(vector).take(self.weight_count());
        for (g, &w) in weights {
            *g += decay * w;
        }
        let squares: f64 = self.squares.iter().sum();
        Ok(Some(Loss { cost: cost / weight, penalty: 0.5 * self.alpha * squares / weight }))
    }

    fn weight_count(&self) -> usize {
        self.network.sizes().windows(2).map(|s| s[0] * s[1]).sum()
    }
}
