//! Epochs of mini-batches in a given order; each batch takes two [`rounds`](super::rounds) of the threads, or is shared out by
//! neurons where batches are small and the first layer is nearly all of the network.

use crate::batch::{Data, check_order};
use crate::cost::Cost;
use crate::error::Error;
use crate::gradients::{Goal, Scale};
use crate::layouts::layouts;
use crate::linalg::dispatch::{Isa, dispatch};
use crate::linalg::panels::Aligned;
use crate::linalg::real::Real;
use crate::linalg::rows::Rows;
use crate::linalg::team::{self, Team};
use crate::network::{Network, vector_of};
use crate::optimizer::{MAX_SLOTS, Optimizer, Update};
use crate::rounds::{Loss, Pass, Squares, Workspaces, cut, rows_at_once, useful_threads};

mod by_neurons;

/// Updates that the state of an earlier trainer may have seen: the whole numbers that f64 tells apart.
const MAX_UPDATES: u64 = 1 << 53;
/// How an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epoch {
    Finished(Loss),
    /// Asked to stop between two batches; the parameters are those after the last whole batch.
    Stopped,
}

/// Parameters and optimizer state of a network in training.
pub struct Trainer<T> {
    network: Network,
    cost: Cost,
    alpha: f64,
    optimizer: Optimizer,
    /// The step size, before Adam's correction of its bias.
    pub learning_rate: f64,
    parameters: Aligned<T>,
    state: [Aligned<T>; MAX_SLOTS],
    /// Updates made.
    updates: u64,
    isa: Isa,
    workspaces: Workspaces<T>,
    /// Sums over a batch that is taken in several goes.
    gradient: Aligned<T>,
    squares: Vec<f64>,
}

impl<T: Real> Trainer<T> {
    pub fn new(
        network: Network,
        parameters: Aligned<T>,
        cost: Cost,
        alpha: f64,
        optimizer: Optimizer,
        learning_rate: f64,
    ) -> Result<Self, Error> {
        if !(alpha >= 0.0 && alpha.is_finite()) {
            return Err(Error::value("alpha", "at least 0 and finite", alpha));
        }
        let empty = || Aligned::zeros(0).ok_or(Error::Memory { what: "the optimizer's state" });
        let slot = |i: usize| {
            if i < optimizer.slots().len() { network.zeros() } else { empty() }
        };
        Ok(Self {
            state: [slot(0)?, slot(1)?],
            gradient: empty()?,
            squares: Vec::new(),
            network,
            cost,
            alpha,
            optimizer,
            learning_rate,
            parameters,
            updates: 0,
            isa: Isa::best(),
            workspaces: Workspaces::none(),
        })
    }

    /// Use another instruction set than the best; the results may differ in the last bits.
    pub fn set_isa(&mut self, isa: Isa) {
        self.isa = isa;
        self.workspaces = Workspaces::none();
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn parameters(&self) -> &[T] {
        self.parameters.as_slice()
    }

    pub fn is_finite(&self) -> bool {
        self.parameters().iter().all(|w| w.is_finite())
    }

    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Names of the optimizer's state vectors and their numbers.
    pub fn state(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.optimizer.slots().iter().copied().zip(self.state.iter().map(Aligned::as_slice))
    }

    /// Go on from the state of an earlier trainer.
    pub fn set_state(&mut self, updates: u64, state: Vec<Aligned<T>>) -> Result<(), Error> {
        // A number that no training reaches, and that counting on cannot overflow.
        if updates > MAX_UPDATES {
            return Err(Error::value("t", format!("at most {MAX_UPDATES}"), updates));
        }
        self.updates = updates;
        for (slot, value) in self.state.iter_mut().zip(state) {
            debug_assert_eq!(slot.as_slice().len(), value.as_slice().len());
            *slot = value;
        }
        Ok(())
    }

    /// One epoch over the rows that `order` names (None: all, in turn) in mini-batches of `batch_size`, on up to `allowed`
    /// threads.
    ///
    /// `stop` is asked before every batch, and before each go of a large one.
    pub fn epoch(
        &mut self,
        data: &Data<'_, T>,
        order: Option<&[i64]>,
        batch_size: usize,
        allowed: usize,
        mut stop: impl FnMut() -> bool,
    ) -> Result<Epoch, Error> {
        data.check(&self.network)?;
        let all = match order {
            None => Rows::Range { first: 0, len: data.x.rows() },
            Some(order) => {
                check_order(order, data.x.rows())?;
                Rows::Named(order)
            }
        };
        if batch_size == 0 || all.is_empty() {
            return Err(Error::value("batch_size and number of rows", "at least 1", 0));
        }
        let batch_size = batch_size.min(all.len());
        let at_once = rows_at_once(&self.network, batch_size);
        let parameters = self.parameters.as_slice();
        let layouts = layouts(&self.network, parameters, self.isa, &data.x, all, at_once)?;
        let threads = useful_threads(&self.network, &layouts, at_once, allowed);
        if at_once < batch_size && self.gradient.as_slice().is_empty() {
            self.gradient = self.network.zeros()?;
        }
        self.start_squares()?;
        let by_neurons = self.threads_by_neurons(&layouts, batch_size, allowed);
        if by_neurons > threads {
            return self.epoch_by_neurons(data, all, batch_size, &layouts, by_neurons, stop);
        }

        team::with(threads, |team| {
            // As many as there are, which is fewer where the system refused some.
            let (network, threads) = (&self.network, team.threads());
            let ends = network.share_out(threads, &layouts);
            self.workspaces.prepare(network, &data.x, at_once, threads, &layouts, self.isa)?;
            let mut total = Loss::default();
            let mut first = 0;
            while first < all.len() {
                let batch = all.slice(first, batch_size.min(all.len() - first));
                first += batch.len();
                let next = all.slice(first, at_once.min(all.len() - first));
                let Some(loss) =
                    self.batch(team, data, [batch, next], at_once, &ends, &mut stop)?
                else {
                    return Ok(Epoch::Stopped);
                };
                total.add(loss, batch.len());
            }
            Ok(Epoch::Finished(total.over(all.len())))
        })
    }

    /// One mini-batch, and the first rows of the next: its loss before the update, or None when asked to stop.
    fn batch(
        &mut self,
        team: &Team<'_>,
        data: &Data<'_, T>,
        [batch, next]: [Rows<'_>; 2],
        at_once: usize,
        ends: &[usize],
        stop: &mut impl FnMut() -> bool,
    ) -> Result<Option<Loss>, Error> {
        let weight = data.total_weight(batch)?;
        let pass = Pass { network: &self.network, isa: self.isa, cost: self.cost, data };
        let penalty = self.penalty(weight);
        let update = self.next_update(weight);
        let mut cost = 0.0;
        let mut done = 0;
        while done < batch.len() {
            if stop() {
                return Ok(None);
            }
            let rows = batch.slice(done, at_once.min(batch.len() - done));
            let parameters = self.parameters.as_mut_slice();
            let workspaces = &mut self.workspaces.each;
            let active = pass.first_round(team, parameters, rows, workspaces);
            let workspaces = &workspaces[..active];
            cost += Pass::cost_of(workspaces);
            done += rows.len();
            let is_last = done == batch.len();
            let next =
                if is_last { next } else { batch.slice(done, at_once.min(batch.len() - done)) };
            let goal = Goal { resume: done > rows.len(), update: is_last.then_some(update) };
            let [first, second] = &mut self.state;
            let mut shares = cut(
                &self.network,
                ends,
                parameters,
                [first.as_mut_slice(), second.as_mut_slice()],
                self.gradient.as_mut_slice(),
                &mut self.squares,
            );
            pass.second_round(team, workspaces, &mut shares, goal, next);
        }
        self.updates += 1;
        Ok(Some(Loss { cost: cost / weight, penalty }))
    }

    /// The L2 penalty of a batch of this weight, before its update.
    fn penalty(&self, weight: f64) -> f64 {
        0.5 * self.alpha * self.squares.iter().sum::<f64>() / weight
    }

    /// What the next update does with the sums over a batch of this weight.
    fn next_update(&self, weight: f64) -> (Update<T>, Scale<T>) {
        let scale = Scale { alpha: T::of(self.alpha), scale: T::of(1.0 / weight) };
        (self.optimizer.update(self.learning_rate, self.updates + 1), scale)
    }

    /// Have the sums of squares of all blocks at hand where the penalty needs them.
    fn start_squares(&mut self) -> Result<(), Error> {
        if self.alpha == 0.0 {
            return Ok(());
        }
        if self.squares.is_empty() {
            self.squares = vector_of(0.0, self.network.block_count(), "the parameters")?;
        }
        let kernel = Squares {
            network: &self.network,
            parameters: self.parameters.as_slice(),
            squares: &mut self.squares,
        };
        dispatch(self.isa, kernel);
        Ok(())
    }
}
