//! A network in training: its parameters, the optimizer's state, and room for the work.

use crate::allocate::vector_of;
use crate::backprop::Masks;
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real, dispatch};
use crate::linalg::memory::panels::{Aligned, WIDTH};
use crate::network::{Cost, Network};
use crate::training::gradient_step::Scale;
use crate::training::loss::{Loss, Squares};
use crate::training::optimizer::{MAX_SLOTS, Optimizer, Update};
use crate::training::sharing::autotune::Pace;
use crate::training::sharing::workspaces::Workspaces;

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
    pub(super) network: Network,
    pub(super) cost: Cost,
    /// Where the masks of dropout come from.
    pub dropout_seed: u64,
    pub(super) alpha: f64,
    pub(super) optimizer: Optimizer,
    /// The step size, before Adam's correction of its bias.
    pub learning_rate: f64,
    pub(super) parameters: Aligned<T>,
    pub(super) state: [Aligned<T>; MAX_SLOTS],
    /// Updates made.
    pub(super) updates: u64,
    pub(super) isa: Isa,
    pub(super) workspaces: Workspaces<T>,
    /// Those for the other one of one thread and all, where both are in use.
    pub(super) other_workspaces: Workspaces<T>,
    pub(super) pace: Pace,
    /// Sums over a batch that is taken in several goes, or over both halves of one, one after the other.
    pub(super) gradient: Aligned<T>,
    pub(super) squares: Vec<f64>,
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
            dropout_seed: 0,
            alpha,
            optimizer,
            learning_rate,
            parameters,
            updates: 0,
            isa: Isa::best(),
            workspaces: Workspaces::none(),
            other_workspaces: Workspaces::none(),
            pace: Pace::default(),
        })
    }

    /// Use another instruction set than the best; the results may differ in the last bits.
    pub fn set_isa(&mut self, isa: Isa) {
        self.isa = isa;
        self.workspaces = Workspaces::none();
        self.other_workspaces = Workspaces::none();
    }

    /// Drop neurons with these rates, one for each hidden layer.
    pub fn set_dropout(&mut self, rates: Vec<f64>) -> Result<(), Error> {
        self.network.set_dropout(rates)
    }

    /// What the next update drops.
    pub(super) fn masks(&self) -> Masks {
        Masks::new(self.dropout_seed, self.updates, 1.0)
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    pub fn cost(&self) -> &Cost {
        &self.cost
    }

    pub fn parameters(&self) -> &[T] {
        self.parameters.as_slice()
    }

    pub fn is_finite(&self) -> bool {
        // Without a branch for each: this is asked after every epoch.
        let are_finite = |some: &[T]| some.iter().fold(true, |all, w| all & w.is_finite());
        self.parameters().chunks(1 << 10).all(are_finite)
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

    /// The L2 penalty of a batch of this weight, before its update.
    pub(super) fn penalty(&self, weight: f64) -> f64 {
        0.5 * self.alpha * self.squares.iter().sum::<f64>() / weight
    }

    /// What the next update does with the sums over a batch of this weight.
    pub(super) fn next_update(&self, weight: f64) -> (Update<T>, Scale<T>) {
        let scale = Scale { alpha: T::of(self.alpha), scale: T::of(1.0 / weight) };
        (self.optimizer.update(self.learning_rate, self.updates + 1), scale)
    }

    /// Have room for so many vectors of sums.
    pub(super) fn start_sums(&mut self, vectors: usize) -> Result<(), Error> {
        let len = vectors * self.network.packed_len();
        if self.gradient.as_slice().len() < len {
            let memory = Error::Memory { what: "sums over a batch" };
            self.gradient = Aligned::zeros(len / WIDTH).ok_or(memory)?;
        }
        Ok(())
    }

    /// Have the sums of squares of all blocks at hand where the penalty needs them.
    pub(super) fn start_squares(&mut self) -> Result<(), Error> {
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
