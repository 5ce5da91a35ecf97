//! What one mini-batch is to a [`team`](super::linalg::team) of threads: two rounds, and the memory that they need.
//!
//! In the first round each thread goes forward and backward with its own rows (BP1, BP2). In the second each thread does
//! BP3, BP4 and the update for its own share of the parameters, over the rows of all. No sum is ever split between threads.

use arrayvec::ArrayVec;

use crate::backprop::{Workspace, backward, forward};
use crate::batch::{Ahead, Data, Input, Layout};
use crate::cost::Cost;
use crate::error::Error;
use crate::gradients::{Goal, Gradients, Share, sum_of_squares};
use crate::linalg::dispatch::{Isa, Kernel, dispatch};
use crate::linalg::panels::WIDTH;
use crate::linalg::real::Real;
use crate::linalg::rows::Rows;
use crate::linalg::team::{MAX_THREADS, Team};
use crate::linalg::vector::Vector;
use crate::network::Network;
use crate::optimizer::MAX_SLOTS;

/// A batch is taken in goes of at most so many rows, so that memory stays bounded when a batch is the whole data set ...
const MAX_ROWS_AT_ONCE: usize = 1024;
/// ... and of about so many multiplications, so that it can be interrupted within some ten milliseconds.
const MAX_WORK_AT_ONCE: usize = 1 << 30;
/// Multiplications that are worth a second thread: some ten microseconds ...
const WORK_PER_THREAD: usize = 1 << 19;
/// ... and rows, as long as one processor's cache holds all weights: after each batch half of them have to move, and lists
/// of entries with them.
const ROWS_PER_THREAD: usize = 5;
const ROWS_OF_ENTRIES_PER_THREAD: usize = 8;
const WEIGHTS_IN_CACHE: usize = 1 << 18;

/// Mean cost and L2 penalty, each batch counting by its rows, and both before that batch's update.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    pub cost: f64,
    pub penalty: f64,
}

impl Loss {
    /// Add that of a batch to a sum.
    pub fn add(&mut self, batch: Loss, rows: usize) {
        self.cost += batch.cost * rows as f64;
        self.penalty += batch.penalty * rows as f64;
    }

    /// The mean that a sum over so many rows comes to.
    pub fn over(self, rows: usize) -> Self {
        Self { cost: self.cost / rows as f64, penalty: self.penalty / rows as f64 }
    }
}

/// The workspaces of all threads, kept from one call to the next.
pub struct Workspaces<T> {
    pub each: Vec<Workspace<T>>,
    /// Rows that they have room for together.
    rows: usize,
    layouts: Vec<Layout>,
}

/// What a pass over one batch needs to know.
#[derive(Clone, Copy)]
pub struct Pass<'a, 'd, T> {
    pub network: &'a Network,
    pub isa: Isa,
    pub cost: Cost,
    pub data: &'a Data<'d, T>,
}

/// Rows of a batch that are taken at once.
pub fn rows_at_once(network: &Network, batch: usize) -> usize {
    let most = MAX_WORK_AT_ONCE / network.work_per_row(&[]).max(1);
    batch.min(most.clamp(16, MAX_ROWS_AT_ONCE))
}

/// Threads that this much work keeps busy.
pub fn useful_threads(network: &Network, layouts: &[Layout], rows: usize, allowed: usize) -> usize {
    let work = network.work_per_row(layouts);
    let work_of_batch = work.saturating_mul(rows);
    let mut threads = allowed.min(work_of_batch / WORK_PER_THREAD);
    if network.packed_len() <= WEIGHTS_IN_CACHE {
        let whole_rows = work_of_batch / network.work_per_row(&[]).max(1);
        threads = threads.min(match layouts[0] {
            Layout::Panels => whole_rows / ROWS_PER_THREAD,
            _ => whole_rows / ROWS_OF_ENTRIES_PER_THREAD,
        });
    }
    threads.clamp(1, MAX_THREADS)
}

impl<T: Real> Workspaces<T> {
    pub fn none() -> Self {
        Self { each: Vec::new(), rows: 0, layouts: Vec::new() }
    }

    /// Room for `rows` rows of `x` on `threads` threads.
    pub fn prepare(
        &mut self,
        network: &Network,
        x: &Input<'_, T>,
        rows: usize,
        threads: usize,
        layouts: &[Layout],
        isa: Isa,
    ) -> Result<(), Error> {
        // The threads' shares are of whole pairs of rows.
        let most = 2 * rows.div_ceil(2 * threads);
        if self.each.len() != threads || self.rows < rows || self.layouts != layouts {
            *self = Self::none();
            let each = (0..threads).map(|_| Workspace::new(network, x, most, layouts, isa));
            *self = Self { each: each.collect::<Result<_, _>>()?, rows, layouts: layouts.to_vec() };
        }
        self.each.iter_mut().try_for_each(|workspace| workspace.prepare(x, most))
    }
}

/// The rows of a batch, shared out among threads.
struct RowShares<'a> {
    rows: Rows<'a>,
    /// Threads that have rows.
    count: usize,
}

impl<'a> RowShares<'a> {
    fn new(rows: Rows<'a>, threads: usize) -> Self {
        Self { rows, count: threads.min(rows.len().div_ceil(2)) }
    }

    fn of(&self, thread: usize) -> Rows<'a> {
        // Pairs of rows stay together: a product of bfloat16 numbers sums over two rows at a time.
        let pairs = self.rows.len().div_ceil(2);
        let bound =
            |i: usize| (2 * (i.min(self.count) * pairs / self.count.max(1))).min(self.rows.len());
        self.rows.slice(bound(thread), bound(thread + 1) - bound(thread))
    }
}

impl<T: Real> Pass<'_, '_, T> {
    /// First round: each thread goes forward and backward with its own rows. Returns how many threads had rows.
    pub fn first_round(
        &self,
        team: &Team<'_>,
        parameters: &[T],
        rows: Rows<'_>,
        workspaces: &mut [Workspace<T>],
    ) -> usize {
        let shares = RowShares::new(rows, workspaces.len().min(team.threads()));
        team.each(&mut workspaces[..shares.count], |thread, workspace| {
            let own = shares.of(thread);
            let Pass { network, isa, cost, data } = *self;
            forward(network, parameters, isa, &data.x, own, workspace);
            backward(network, parameters, isa, cost, data, own, workspace);
        });
        shares.count
    }

    /// Second round: each thread BP3, BP4 and the update for its own share; `next` are the rows of the first round after it.
    pub fn second_round(
        &self,
        team: &Team<'_>,
        workspaces: &[Workspace<T>],
        shares: &mut [Share<'_, T>],
        goal: Goal<T>,
        next: Rows<'_>,
    ) {
        let next = RowShares::new(next, team.threads());
        team.each(shares, |thread, share| {
            let ahead = Ahead::new(&self.data.x, next.of(thread));
            let kernel = Gradients { network: self.network, workspaces, share, goal, ahead };
            dispatch(self.isa, kernel);
        });
    }

    /// Cost of the rows that the workspaces hold, in the order of the rows.
    pub fn cost_of(workspaces: &[Workspace<T>]) -> f64 {
        workspaces.iter().flat_map(|w| &w.cost[..w.delta[0].rows()]).sum()
    }
}

/// Vectors with the layout of the parameters, cut into shares that end at the blocks `ends`.
pub fn cut<'a, T>(
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
            let position =
                network.blocks(end..end + 1).next().map_or(network.packed_len(), |b| b.start);
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

/// Σ w² of each block of weights.
pub struct Squares<'a, T> {
    pub network: &'a Network,
    pub parameters: &'a [T],
    pub squares: &'a mut [f64],
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

const _: () = assert!(WIDTH * WIDTH <= 256, "a block of gradients lives on the stack");
