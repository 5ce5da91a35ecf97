//! The workspaces of all threads, and how much of the work each has: kept from one batch to the next.

use arrayvec::ArrayVec;

use crate::backprop::Workspace;
use crate::data::{Input, Layout};
use crate::error::Error;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::team::MAX_THREADS;
use crate::network::Network;
use crate::training::sharing::load_balance::Balance;
use crate::training::sharing::shares::{Part, share_out};

/// The workspaces of all threads and how they share out the work, kept from one call to the next.
pub struct Workspaces<T> {
    pub each: Vec<Workspace<T>>,
    /// Those that have rows.
    pub(super) active: usize,
    /// Rows that they have room for together.
    rows: usize,
    layouts: Vec<Layout>,
    /// Shares of rows in the first round, and of the parameters in the second.
    pub(super) row_balance: Balance,
    pub(super) block_balance: Balance,
    /// Each thread's blocks, and what they were found for.
    pub(super) parts: ArrayVec<Part, MAX_THREADS>,
    pub(super) parts_balance: Balance,
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

    pub(super) fn share_out(&mut self, network: &Network) {
        self.parts_balance = self.block_balance.clone();
        self.parts = share_out(network, &self.parts_balance, &self.layouts);
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
