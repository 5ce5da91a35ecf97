//! What one mini-batch is to a [`team`](crate::linalg::team) of threads: two rounds, and the memory that they need.
//!
//! In the first round each thread goes forward and backward with its own rows (BP1, BP2). In the second each thread does
//! BP3, BP4 and the update for its own share of the parameters, over the rows of all. No sum is ever split between threads.

use std::time::Instant;

use arrayvec::ArrayVec;

use crate::backprop::{Workspace, backward, forward};
use crate::data::{Ahead, Data, Input, Layout, Rows};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::panels::WIDTH;
use crate::linalg::team::{MAX_THREADS, Team};
use crate::network::cost::Cost;
use crate::network::{Network, Part};
use crate::training::gradients::{Goal, Gradients, Share, sum_of_squares};
use crate::training::optimizer::MAX_SLOTS;
use crate::training::sharing::balance::Balance;

/// A batch is taken in goes of at most so many rows, so that memory stays bounded when a batch is the whole data set ...
const MAX_ROWS_AT_ONCE: usize = 1024;
/// ... and of about so many multiplications, so that it can be interrupted within some ten milliseconds.
const MAX_WORK_AT_ONCE: usize = 1 << 30;
/// Multiplications that are worth a second thread: some ten microseconds ...
pub const WORK_PER_THREAD: usize = 1 << 19;
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

/// The workspaces of all threads and how they share out the work, kept from one call to the next.
pub struct Workspaces<T> {
    pub each: Vec<Workspace<T>>,
    /// Those that have rows.
    active: usize,
    /// Rows that they have room for together.
    rows: usize,
    layouts: Vec<Layout>,
    /// Shares of rows in the first round, and of the parameters in the second.
    row_balance: Balance,
    block_balance: Balance,
    /// Each thread's blocks, and what they were found for.
    parts: ArrayVec<Part, MAX_THREADS>,
    parts_balance: Balance,
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
        threads = threads.min(match layouts[0].is_of_lists() {
            false => whole_rows / ROWS_PER_THREAD,
            true => whole_rows / ROWS_OF_ENTRIES_PER_THREAD,
        });
    }
    threads.clamp(1, MAX_THREADS)
}

impl<T: Real> Workspaces<T> {
    pub fn none() -> Self {
        Self {
            each: Vec::new(),
            active: 0,
            rows: 0,
            layouts: Vec::new(),
            row_balance: Balance::equal(0),
            block_balance: Balance::equal(0),
            parts: ArrayVec::new(),
            parts_balance: Balance::equal(0),
        }
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
        let most = 2 * Balance::most(rows.div_ceil(2), threads);
        if self.each.len() != threads || self.rows < rows || self.layouts != layouts {
            self.each.clear();
            let each = (0..threads).map(|_| Workspace::new(network, x, most, layouts, isa));
            self.each = each.collect::<Result<_, _>>()?;
            (self.rows, self.layouts) = (rows, layouts.to_vec());
        }
        if self.row_balance.threads() != threads {
            self.row_balance = Balance::equal(threads);
            self.block_balance = Balance::equal(threads);
        }
        self.share_out(network);
        self.each.iter_mut().try_for_each(|workspace| workspace.prepare(x, most))
    }

    /// As if the threads had lately been so fast in both rounds.
    #[cfg(test)]
    pub fn set_speeds(&mut self, speeds: &[f64]) {
        for balance in [&mut self.row_balance, &mut self.block_balance] {
            *balance = Balance::equal(speeds.len());
            for _ in 0..20 {
                balance.observe(speeds.iter().map(|speed| (*speed, 1.0)));
            }
        }
    }

    fn share_out(&mut self, network: &Network) {
        self.parts_balance = self.block_balance.clone();
        self.parts = network.share_out(&self.parts_balance, &self.layouts);
    }

    /// Where each thread's blocks end.
    pub fn ends(&self) -> impl Iterator<Item = usize> {
        self.parts.iter().map(|part| part.end)
    }

    /// Cost of the rows of the last first round, in the order of the rows.
    pub fn cost(&self) -> f64 {
        let active = &self.each[..self.active];
        active.iter().flat_map(Workspace::costs).sum()
    }
}

/// The rows of a batch, shared out among threads.
struct RowShares<'a> {
    rows: Rows<'a>,
    balance: &'a Balance,
    /// Threads that have rows.
    count: usize,
}

impl<'a> RowShares<'a> {
    fn new(rows: Rows<'a>, balance: &'a Balance) -> Self {
        Self { rows, balance, count: balance.threads().min(rows.len().div_ceil(2)) }
    }

    fn of(&self, thread: usize) -> Rows<'a> {
        let (start, end) = (self.end(thread), self.end(thread + 1));
        self.rows.slice(start, end - start)
    }

    /// Where the rows of the first `threads` threads end.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a number of rows"
    )]
    fn end(&self, threads: usize) -> usize {
        // Pairs of rows stay together: a product of bfloat16 numbers sums over two rows at a time.
        let pairs = self.rows.len().div_ceil(2);
        let end = match threads {
            0 => 0,
            // A pair each.
            _ if self.count < self.balance.threads() => threads.min(pairs),
            _ if threads >= self.count => pairs,
            _ => {
                let end = (self.balance.end(threads - 1) * pairs as f64).round() as usize;
                end.clamp(threads, pairs - (self.count - threads))
            }
        };
        (2 * end).min(self.rows.len())
    }
}

impl<T: Real> Pass<'_, '_, T> {
    /// Forward, backward, BP3 and BP4 for rows that one thread has for itself: their gradient, added to `sums` if it `adds`, and
    /// their cost. `next` are the rows it will have after these.
    pub fn gradient(
        &self,
        parameters: &[T],
        [rows, next]: [Rows<'_>; 2],
        workspace: &mut Workspace<T>,
        sums: &mut [T],
        adds: bool,
    ) -> f64 {
        if rows.is_empty() {
            if !adds {
                sums.fill(T::ZERO);
            }
            return 0.0;
        }
        let Pass { network, isa, cost, data } = *self;
        forward(network, parameters, isa, &data.x, rows, workspace);
        backward(network, parameters, isa, cost, data, rows, workspace);
        let share = &mut Share {
            blocks: 0..network.block_count(),
            parameters: &mut [],
            state: [&mut [], &mut []],
            gradient: sums,
            squares: &mut [],
            seconds: 0.0,
        };
        let goal = Goal { adds, update: None };
        let (workspaces, ahead) = (std::slice::from_ref(&*workspace), Ahead::new(&data.x, next));
        dispatch(isa, Gradients { network, workspaces, share, goal, ahead });
        workspace.costs().iter().sum()
    }

    /// First round: each thread goes forward and backward with its own rows.
    pub fn first_round(
        &self,
        team: &Team<'_>,
        parameters: &[T],
        rows: Rows<'_>,
        workspaces: &mut Workspaces<T>,
    ) {
        let Workspaces { each, active, row_balance, .. } = workspaces;
        let shares = RowShares::new(rows, row_balance);
        *active = shares.count;
        let each = &mut each[..shares.count];
        team.each(each, |thread, workspace| {
            // Its own time: a thread that has just been started, or woken, is not slow.
            let start = Instant::now();
            let own = shares.of(thread);
            let Pass { network, isa, cost, data } = *self;
            forward(network, parameters, isa, &data.x, own, workspace);
            backward(network, parameters, isa, cost, data, own, workspace);
            workspace.seconds = start.elapsed().as_secs_f64();
        });
        row_balance.observe(each.iter().map(|w| (w.delta[0].rows() as f64, w.seconds)));
    }

    /// Second round: each thread BP3, BP4 and the update for its own share; `next` are the rows of the first round after it.
    pub fn second_round(
        &self,
        team: &Team<'_>,
        workspaces: &mut Workspaces<T>,
        shares: &mut [Share<'_, T>],
        goal: Goal<T>,
        next: Rows<'_>,
    ) {
        let Workspaces { each, active, row_balance, block_balance, parts, parts_balance, .. } =
            &mut *workspaces;
        let next = RowShares::new(next, row_balance);
        let each = &each[..*active];
        team.each(shares, |thread, share| {
            let start = Instant::now();
            let ahead = Ahead::new(&self.data.x, next.of(thread));
            let (network, workspaces) = (self.network, each);
            let kernel = Gradients { network, workspaces, share: &mut *share, goal, ahead };
            dispatch(self.isa, kernel);
            share.seconds = start.elapsed().as_secs_f64();
        });
        block_balance.observe(parts.iter().zip(shares).map(|(part, s)| (part.work, s.seconds)));
        if block_balance.differs_from(parts_balance) {
            workspaces.share_out(self.network);
        }
    }
}

/// Vectors with the layout of the parameters, cut into shares that end at the blocks `ends`.
pub fn cut<'a, T>(
    network: &Network,
    ends: impl Iterator<Item = usize>,
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
    ends.map(|end| {
        let position =
            network.blocks(end..end + 1).next().map_or(network.packed_len(), |b| b.start);
        let len = position - first;
        let share = Share {
            blocks: first_block..end,
            parameters: take(&mut parameters, len),
            state: state.each_mut().map(|slot| take(slot, len)),
            gradient: take(&mut gradient, len),
            squares: take(&mut squares, end - first_block),
            seconds: 0.0,
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
