//! A network in training: its parameters, the optimizer's state, and room for the work.

use ndarray::{ArrayView1, ArrayView2};

use crate::allocate::vector_of;
use crate::backprop::Masks;
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real, dispatch};
use crate::linalg::memory::panels::{Aligned, WIDTH};
use crate::linalg::team;
use crate::network::{Cost, Network};
use crate::training::loss::{Loss, Squares};
use crate::training::optimizer::{MAX_SLOTS, Optimizer, Update};
use crate::training::sharing::autotune::Pace;
#[cfg(test)]
use crate::training::sharing::split::Split;
use crate::training::sharing::workspaces::Workspaces;

/// Updates that the state of an earlier trainer may have seen: the whole numbers that f64 tells apart.
const MAX_UPDATES: u64 = 1 << 53;

/// Numbers whose copy is worth a second thread.
const NUMBERS_PER_THREAD: usize = 1 << 18;

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
    pub(super) weight_decay: f64,
    /// What the norm of the gradient is clipped to.
    pub(super) max_grad_norm: Option<f64>,
    /// Factors on the step sizes of each layer's weights and biases; empty where all are 1.
    layer_rates: Vec<[f64; 2]>,
    pub(super) parameters: Aligned<T>,
    pub(super) state: [Aligned<T>; MAX_SLOTS],
    /// Updates made.
    pub(super) updates: u64,
    /// What the update at hand does with the weights and the biases of each layer.
    pub(super) update: Vec<[Update<T>; 2]>,
    pub(super) isa: Isa,
    pub(super) workspaces: Workspaces<T>,
    /// Those for the other one of one thread and all, where both are in use.
    pub(super) other_workspaces: Workspaces<T>,
    #[cfg(test)]
    pub split_to_test: Option<Split>,
    pub(super) pace: Pace,
    /// Sums over a batch that is taken in several goes, or over both halves of one, one after the other.
    pub(super) gradient: Aligned<T>,
    pub(super) squares: Vec<f64>,
    /// Sum of squares of the gradient of each block, where it is to be clipped.
    pub(super) norms: Vec<f64>,
    /// Whether `squares` is of the present parameters: an epoch keeps it so.
    squares_hold: bool,
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
            norms: Vec::new(),
            squares_hold: false,
            network,
            cost,
            dropout_seed: 0,
            alpha,
            optimizer,
            learning_rate,
            weight_decay: 0.0,
            max_grad_norm: None,
            layer_rates: Vec::new(),
            parameters,
            updates: 0,
            update: Vec::new(),
            isa: Isa::best(),
            workspaces: Workspaces::none(),
            other_workspaces: Workspaces::none(),
            #[cfg(test)]
            split_to_test: None,
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

    /// Decay the weights, but not the biases, by this much times the step size before each step.
    pub fn set_weight_decay(&mut self, decay: f64) -> Result<(), Error> {
        check_all("weight_decay", &[decay])?;
        self.weight_decay = decay;
        Ok(())
    }

    /// Scale down gradients whose norm, over all parameters, is larger.
    pub fn set_max_grad_norm(&mut self, norm: f64) -> Result<(), Error> {
        if !(norm > 0.0 && norm.is_finite()) {
            return Err(Error::value("max_grad_norm", "positive and finite", norm));
        }
        self.max_grad_norm = Some(norm);
        self.norms = vector_of(0.0, self.network.block_count(), "the parameters")?;
        Ok(())
    }

    /// Put factors on the step sizes of the weights and the biases of each layer.
    pub fn set_layer_rates(&mut self, rates: Vec<[f64; 2]>) -> Result<(), Error> {
        if rates.len() != self.network.depth() {
            let expected = format!("a pair for each of {} layers", self.network.depth());
            return Err(Error::value("layer_rates", expected, format!("{} pairs", rates.len())));
        }
        check_all("layer_rates", rates.as_flattened())?;
        self.layer_rates = rates;
        Ok(())
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
        if self.squares_hold && self.squares.iter().all(|square| square.is_finite()) {
            // So is each weight.
            return (1..=self.network.depth()).all(|l| {
                let layer = self.network.layer(self.parameters(), l);
                layer.panels().all(|panel| are_finite(&layer.panel(panel)[layer.fan_in * WIDTH..]))
            });
        }
        self.parameters().chunks(1 << 10).all(are_finite)
    }

    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Names of the optimizer's state vectors and their numbers.
    pub fn state(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        self.optimizer.slots().iter().copied().zip(self.state.iter().map(Aligned::as_slice))
    }

    /// A trainer of the same kind, with room for all that this one has.
    pub fn of_same_kind(&self) -> Result<Self, Error> {
        let parameters = self.network.zeros()?;
        let (network, cost, rate) = (self.network.clone(), self.cost.clone(), self.learning_rate);
        let mut new = Self::new(network, parameters, cost, self.alpha, self.optimizer, rate)?;
        new.set_isa(self.isa);
        new.layer_rates.clone_from(&self.layer_rates);
        if let Some(norm) = self.max_grad_norm {
            new.set_max_grad_norm(norm)?;
        }
        Ok(new)
    }

    /// Whether the two do the same with the same data, but for their parameters, state, and what an epoch begins with.
    pub fn is_like(&self, other: &Self) -> bool {
        self.network == other.network
            && self.cost == other.cost
            && self.alpha == other.alpha
            && self.optimizer == other.optimizer
            && self.max_grad_norm == other.max_grad_norm
            && self.layer_rates == other.layer_rates
            && self.isa == other.isa
    }

    /// Have the parameters of another trainer of this kind, if `parameters`, and its state, if `state`, or one that starts
    /// at zero.
    pub fn copy_from(&mut self, other: &Self, parameters: bool, state: bool, threads: usize) {
        debug_assert!(self.is_like(other));
        let mut pairs = Vec::new();
        self.squares_hold = parameters && other.squares_hold;
        if self.squares_hold {
            self.squares.clone_from(&other.squares);
        }
        if parameters {
            pairs.push((self.parameters.as_mut_slice(), other.parameters.as_slice()));
        }
        for (to, from) in self.state.iter_mut().zip(&other.state) {
            match state {
                true => pairs.push((to.as_mut_slice(), from.as_slice())),
                false => to.as_mut_slice().fill(T::ZERO),
            }
        }
        self.updates = if state { other.updates } else { 0 };
        (self.learning_rate, self.weight_decay) = (other.learning_rate, other.weight_decay);
        self.dropout_seed = other.dropout_seed;
        copy(pairs, threads);
    }

    /// Have these parameters, arrays of this network's shapes.
    pub fn set_parameters(
        &mut self,
        coefs: &[ArrayView2<'_, T>],
        intercepts: &[ArrayView1<'_, T>],
    ) {
        for (l, (w, b)) in coefs.iter().zip(intercepts).enumerate() {
            self.network.pack_layer(l + 1, *w, *b, self.parameters.as_mut_slice());
        }
        self.squares_hold = false;
    }

    /// Let go of all memory that only training needs.
    pub fn rest(&mut self) {
        self.workspaces = Workspaces::none();
        self.other_workspaces = Workspaces::none();
        self.gradient = Aligned::default();
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

    /// Make ready the next update, from sums over a batch that are to be scaled so.
    pub(super) fn ready_update(&mut self, scale: f64) {
        let rule = self.optimizer.rule(self.learning_rate, self.updates + 1);
        let decay = self.learning_rate * self.weight_decay;
        let (scale, alpha) = (T::of(scale), T::of(self.alpha));
        let of_layer = |[weights, biases]: [f64; 2]| {
            let keep = T::of(1.0 - decay * weights);
            let weights = Update { rule: rule.times(weights), alpha, scale, keep };
            [weights, Update { rule: rule.times(biases), alpha: T::ZERO, keep: T::ONE, ..weights }]
        };
        self.update.clear();
        match self.layer_rates.as_slice() {
            [] => self.update.resize(self.network.depth(), of_layer([1.0; 2])),
            rates => self.update.extend(rates.iter().copied().map(of_layer)),
        }
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
        if self.squares_hold {
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
        self.squares_hold = true;
        Ok(())
    }
}

/// Refuse step sizes, decays and factors that are negative or not finite.
pub(super) fn check_all(name: &str, numbers: &[f64]) -> Result<(), Error> {
    match numbers.iter().find(|x| !(**x >= 0.0 && x.is_finite())) {
        Some(wrong) => Err(Error::value(name, "at least 0 and finite", wrong)),
        None => Ok(()),
    }
}

/// Copy each second slice to the first, of the same length, on up to so many threads: one does not keep the memory busy.
fn copy<T: Real>(pairs: Vec<(&mut [T], &[T])>, threads: usize) {
    let numbers: usize = pairs.iter().map(|(_, from)| from.len()).sum();
    let threads = threads.min(numbers / NUMBERS_PER_THREAD).max(1);
    team::with(threads, |team| {
        let mut parts: Vec<_> = (0..team.threads()).map(|_| Vec::new()).collect();
        for (to, from) in pairs {
            let each = from.len().div_ceil(parts.len()).max(1);
            for (part, pair) in parts.iter_mut().zip(to.chunks_mut(each).zip(from.chunks(each))) {
                part.push(pair);
            }
        }
        team.each(&mut parts, |_, part| {
            for (to, from) in part {
                to.copy_from_slice(from);
            }
        });
    });
}
