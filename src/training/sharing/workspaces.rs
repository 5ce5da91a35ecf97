//! The workspaces of all threads, and how much of the work each has: kept from one batch to the next.

use arrayvec::ArrayVec;

use crate::backprop::Workspace;
use crate::data::{Input, Layout};
use crate::error::Error;
use crate::linalg::dense::Scratch;
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::team::MAX_THREADS;
use crate::network::Network;
use crate::training::sharing::load_balance::Balance;
use crate::training::sharing::shares::{Part, share_out};
use crate::training::sharing::split::Split;

/// The workspaces of all threads, or groups of threads, and how they share out the work, kept from one call to the next.
pub struct Workspaces<T> {
    pub each: Vec<Workspace<T>>,
    /// For each of them, room for the products of the other threads that have its rows.
    pub(super) scratch: Vec<Vec<Scratch<T>>>,
    pub split: Split,
    /// Those that have rows.
    pub(super) active: usize,
    /// Rows that they have room for together.
    rows: usize,
    pub(super) layouts: Vec<Layout>,
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
            scratch: Vec::new(),
            split: Split::by_rows(0),
            active: 0,
            rows: 0,
            layouts: Vec::new(),
            row_balance: Balance::equal(0),
            block_balance: Balance::equal(0),
            parts: ArrayVec::new(),
            parts_balance: Balance::equal(0),
        }
    }

    /// Room for `rows` rows of `x` on the threads of `split`.
    pub fn prepare(
        &mut self,
        network: &Network,
        x: &Input<'_, T>,
        rows: usize,
        split: Split,
        layouts: &[Layout],
        isa: Isa,
    ) -> Result<(), Error> {
        let unit = isa.rows_together();
        let most = unit * Balance::most(rows.div_ceil(unit), split.rows);
        if self.split != split || self.rows < rows || self.layouts != layouts {
            self.each.clear();
            let each = (0..split.rows).map(|_| Workspace::new(network, x, most, layouts, isa));
            self.each = each.collect::<Result<_, _>>()?;
            let others = |workspace: &Workspace<T>| {
                (1..split.neurons).map(|_| workspace.more_scratch(network, most, isa)).collect()
            };
            self.scratch = self.each.iter().map(others).collect::<Result<_, _>>()?;
            (self.rows, self.layouts) = (rows, layouts.to_vec());
        }
        if self.split != split {
            self.row_balance = Balance::equal(split.rows);
            self.block_balance = Balance::equal(split.threads());
        }
        self.split = split;
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
