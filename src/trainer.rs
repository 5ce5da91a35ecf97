//! Epochs of mini-batches in a given order, and the gradient over a whole data set.
//!
//! A mini-batch takes two rounds of the [`team`]. In the first each thread goes forward and backward with
//! its own rows (BP1, BP2). In the second each thread does BP3, BP4 and the update for its own share of the parameters,
//! over the rows of all. No sum is ever split between threads.

use arrayvec::ArrayVec;

use crate::backprop::{
    Goal, Gradients, Scale, Share, Workspace, backward, forward, sum_of_squares,
};
use crate::batch::{Data, Input, Layout, check_order};
use crate::cost::Cost;
use crate::error::Error;
use crate::linalg::dispatch::{Isa, Kernel, dispatch};
use crate::linalg::panels::{Aligned, WIDTH};
use crate::linalg::real::Real;
use crate::linalg::rows::Rows;
use crate::linalg::team::{self, MAX_THREADS, Team};
use crate::linalg::vector::Vector;
use crate::network::{Network, vector_of};
use crate::optimizer::{MAX_SLOTS, Optimizer};

/// A batch is taken in goes of at most so many rows, so that memory stays bounded when a batch is the whole data set ...
const MAX_ROWS_AT_ONCE: usize = 1024;
/// ... and of about so many multiplications, so that it can be interrupted within some ten milliseconds.
const MAX_WORK_AT_ONCE: usize = 1 << 30;
/// Updates that the state of an earlier trainer may have seen: the whole numbers that f64 tells apart.
const MAX_UPDATES: u64 = 1 << 53;
/// Multiplications that are worth a second thread: some ten microseconds ...
const WORK_PER_THREAD: usize = 1 << 19;
/// ... and rows, as long as one processor's cache holds all weights: after each batch half of them would have to move.
const ROWS_PER_THREAD: usize = 8;
const WEIGHTS_IN_CACHE: usize = 1 << 18;

/// Mean cost and L2 penalty, each batch counting by its rows, and both before that batch's update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    pub cost: f64,
    pub penalty: f64,
}

/// How an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epoch {
    Finished(Loss),
    /// Asked to stop between two batches; the parameters are those after the last whole batch.
    Stopped,
}

/// The workspaces of all threads, kept from one call to the next.
struct Workspaces<T> {
    each: Vec<Workspace<T>>,
    /// Rows that they have room for together.
    rows: usize,
    layout: Layout,
}

/// What a pass over one batch needs to know.
#[derive(Clone, Copy)]
struct Pass<'a, 'd, T> {
    network: &'a Network,
    isa: Isa,
    cost: Cost,
    data: &'a Data<'d, T>,
}

/// Rows of a batch that are taken at once.
fn rows_at_once(network: &Network, batch: usize) -> usize {
    let most = MAX_WORK_AT_ONCE / network.work_per_row(1.0).max(1);
    batch.min(most.clamp(16, MAX_ROWS_AT_ONCE))
}

/// Threads that this much work keeps busy.
fn useful_threads(network: &Network, layout: Layout, rows: usize, allowed: usize) -> usize {
    let work = network.work_per_row(layout.first_layer());
    let work_of_batch = work.saturating_mul(rows);
    let mut threads = allowed.min(work_of_batch / WORK_PER_THREAD);
    if network.len() <= WEIGHTS_IN_CACHE {
        let whole_rows = work_of_batch / network.work_per_row(1.0).max(1);
        threads = threads.min(whole_rows / ROWS_PER_THREAD);
    }
    threads.clamp(1, MAX_THREADS)
}

impl<T: Real> Workspaces<T> {
    fn none() -> Self {
        Self { each: Vec::new(), rows: 0, layout: Layout::Panels }
    }

    /// Room for `rows` rows of `x` on `threads` threads.
    fn prepare(
        &mut self,
        network: &Network,
        x: &Input<'_, T>,
        rows: usize,
        threads: usize,
        layout: Layout,
        isa: Isa,
    ) -> Result<(), Error> {
        // The threads' shares are of whole pairs of rows.
        let most = 2 * rows.div_ceil(2 * threads);
        if self.each.len() != threads || self.rows < rows || self.layout != layout {
            *self = Self::none();
            let each = (0..threads).map(|_| Workspace::new(network, x, most, layout, isa));
            *self = Self { each: each.collect::<Result<_, _>>()?, rows, layout };
        }
        self.each.iter_mut().try_for_each(|workspace| workspace.prepare(x, most))
    }
}

impl<T: Real> Pass<'_, '_, T> {
    /// First round: each thread goes forward and backward with its own rows. Returns how many threads had rows.
    fn first_round(
        &self,
        team: &Team<'_>,
        parameters: &[T],
        rows: Rows<'_>,
        workspaces: &mut [Workspace<T>],
    ) -> usize {
        // Pairs of rows stay together: a product of bfloat16 numbers sums over two rows at a time.
        let pairs = rows.len().div_ceil(2);
        let active = workspaces.len().min(team.threads()).min(pairs);
        let bound = |thread: usize| (2 * (thread * pairs / active)).min(rows.len());
        team.each(&mut workspaces[..active], |thread, workspace| {
            let own = rows.slice(bound(thread), bound(thread + 1) - bound(thread));
            let Pass { network, isa, cost, data } = *self;
            forward(network, parameters, isa, &data.x, own, workspace);
            backward(network, parameters, isa, cost, data, own, workspace);
        });
        active
    }

    /// Second round: each thread BP3, BP4 and the update for its own share.
    fn second_round(
        &self,
        team: &Team<'_>,
        workspaces: &[Workspace<T>],
        shares: &mut [Share<'_, T>],
        goal: Goal<T>,
    ) {
        team.each(shares, |_, share| {
            let kernel = Gradients { network: self.network, workspaces, share, goal };
            dispatch(self.isa, kernel);
        });
    }

    /// Cost of the rows that the workspaces hold, in the order of the rows.
    fn cost_of(workspaces: &[Workspace<T>]) -> f64 {
        workspaces.iter().flat_map(|w| &w.cost[..w.delta[0].rows()]).sum()
    }
}

/// Vectors with the layout of the parameters, cut into shares that end at the blocks `ends`.
fn cut<'a, T>(
    network: &Network,
    ends: &[usize],
    mut parameters: &'a mut [T],
    mut state: [&'a mut [T]; MAX_SLOTS],
    mut gradient: &'a mut [T],
    mut squares: &'a mut [f64],
) -> ArrayVec<Share<'a, T>, MAX_THREADS> {
    fn take<'a, T>(rest: &mut &'a mut [T], len: usize) -> &'a mut [T] {
        let len = len.min(rest.len());
        let (head, tail) = std::mem::take(rest).split_at_mut(len);
        *rest = tail;
        head
    }

    let mut first_block = 0;
    let mut first = 0;
    ends.iter()
        .map(|&end| {
            let position = network.blocks(end..end + 1).next().map_or(network.len(), |b| b.start);
            let len = position - first;
            let share = Share {
                blocks: first_block..end,
                parameters: take(&mut parameters, len),
                state: state.each_mut().map(|slot| take(slot, len)),
                gradient: take(&mut gradient, len),
                squares: take(&mut squares, end - first_block),
            };
            (first_block, first) = (end, position);
            share
        })
        .collect()
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

    /// One epoch over the rows that `order` names (None: all, in turn) in mini-batches of `batch_size`.
    ///
    /// `stop` is asked before every batch, and before each go of a large one.
    pub fn epoch(
        &mut self,
        data: &Data<'_, T>,
        order: Option<&[i64]>,
        batch_size: usize,
        threads: usize,
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
        let layout = data.x.layout(&self.network, at_once, self.isa);
        let threads = useful_threads(&self.network, layout, at_once, threads);
        if at_once < batch_size && self.gradient.as_slice().is_empty() {
            self.gradient = self.network.zeros()?;
        }
        self.start_squares()?;

        team::with(threads, |team| {
            // As many as there are, which is fewer where the system refused some.
            let (network, threads) = (&self.network, team.threads());
            let ends = network.share_out(threads, layout);
            self.workspaces.prepare(network, &data.x, at_once, threads, layout, self.isa)?;
            let mut total = Loss::default();
            let mut first = 0;
            while first < all.len() {
                let batch = all.slice(first, batch_size.min(all.len() - first));
                let Some(loss) = self.batch(team, data, batch, at_once, &ends, &mut stop)? else {
                    return Ok(Epoch::Stopped);
                };
                total.cost += loss.cost * batch.len() as f64;
                total.penalty += loss.penalty * batch.len() as f64;
                first += batch.len();
            }
            let rows = all.len() as f64;
            Ok(Epoch::Finished(Loss { cost: total.cost / rows, penalty: total.penalty / rows }))
        })
    }

    /// One mini-batch: its loss before the update, or None when asked to stop.
    fn batch(
        &mut self,
        team: &Team<'_>,
        data: &Data<'_, T>,
        batch: Rows<'_>,
        at_once: usize,
        ends: &[usize],
        stop: &mut impl FnMut() -> bool,
    ) -> Result<Option<Loss>, Error> {
        let weight = data.total_weight(batch)?;
        let pass = Pass { network: &self.network, isa: self.isa, cost: self.cost, data };
        let squares: f64 = self.squares.iter().sum();
        let penalty = 0.5 * self.alpha * squares / weight;
        let scale = Scale { alpha: T::of(self.alpha), scale: T::of(1.0 / weight) };
        let update = self.optimizer.update(self.learning_rate, self.updates + 1);
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
            let is_last = done + rows.len() == batch.len();
            let goal = Goal { resume: done > 0, update: is_last.then_some((update, scale)) };
            let [first, second] = &mut self.state;
            let mut shares = cut(
                &self.network,
                ends,
                parameters,
                [first.as_mut_slice(), second.as_mut_slice()],
                self.gradient.as_mut_slice(),
                &mut self.squares,
            );
            pass.second_round(team, workspaces, &mut shares, goal);
            done += rows.len();
        }
        self.updates += 1;
        Ok(Some(Loss { cost: cost / weight, penalty }))
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

struct Squares<'a, T> {
    network: &'a Network,
    parameters: &'a [T],
    squares: &'a mut [f64],
}

impl<T: Real> Kernel<T> for Squares<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let blocks = self.network.blocks(0..self.network.block_count());
        for (block, square) in blocks.zip(self.squares) {
            if block.inputs.is_some() {
                *square = sum_of_squares::<V>(&self.parameters[block.range()]);
            }
        }
    }
}

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

    pub fn set_isa(&mut self, isa: Isa) {
        self.isa = isa;
    }

    /// At the parameters in `vector` (all weights row by row, then all biases); the gradient goes to `gradient` in the same
    /// order. None when asked to stop.
    pub fn evaluate(
        &mut self,
        vector: &[T],
        data: &Data<'_, T>,
        threads: usize,
        gradient: &mut [T],
        mut stop: impl FnMut() -> bool,
    ) -> Result<Option<Loss>, Error> {
        data.check(&self.network)?;
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
        let layout = data.x.layout(&self.network, at_once, self.isa);
        let threads = useful_threads(&self.network, layout, at_once, threads);
        let pass = Pass { network: &self.network, isa: self.isa, cost: self.cost, data };

        let cost = team::with(threads, |team| {
            // As many as there are, which is fewer where the system refused some.
            let (network, threads) = (&self.network, team.threads());
            let ends = network.share_out(threads, layout);
            self.workspaces.prepare(network, &data.x, at_once, threads, layout, self.isa)?;
            let mut cost = 0.0;
            let mut done = 0;
            while done < rows {
                if stop() {
                    return Ok(None);
                }
                let part = all.slice(done, at_once.min(rows - done));
                let parameters = self.parameters.as_mut_slice();
                let workspaces = &mut self.workspaces.each;
                let active = pass.first_round(team, parameters, part, workspaces);
                let workspaces = &workspaces[..active];
                cost += Pass::cost_of(workspaces);
                let mut shares = cut(
                    &self.network,
                    &ends,
                    parameters,
                    [&mut [], &mut []],
                    self.gradient.as_mut_slice(),
                    &mut [],
                );
                let goal = Goal { resume: done > 0, update: None };
                pass.second_round(team, workspaces, &mut shares, goal);
                done += part.len();
            }
            Ok(Some(cost))
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

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The gradient's unscaled sums over the rows, in the layout of the parameters.
    pub fn parameters(&self) -> &[T] {
        self.parameters.as_slice()
    }
}

const _: () = assert!(WIDTH * WIDTH <= 256, "a block of gradients lives on the stack");
