//! Each thread goes forward and backward with its own rows of a batch, and then updates its own share of the parameters: the
//! way of most networks, in two rounds of a [`team`](crate::linalg::team).
//!
//! In the first round each thread goes forward and backward with its own rows (BP1, BP2). In the second each thread does
//! BP3, BP4 and the update for its own share of the parameters, over the rows of all. No sum is ever split between threads.
//! Many threads and wide layers have another first round, that of [`grid`](crate::training::sharing::grid).

use std::time::Instant;

use crate::backprop::{backward, forward};
use crate::data::{Ahead, Rows};
use crate::linalg::kernels::{Real, dispatch};
use crate::linalg::team::Team;
use crate::training::gradient_step::{GradientStep, Share, Step, Then};
use crate::training::pass::Pass;
use crate::training::sharing::shares::{RowShares, cut};
use crate::training::sharing::workspaces::Workspaces;

/// A mini-batch, the one after it, and how many rows are taken at once.
#[derive(Clone, Copy)]
pub struct Batch<'a> {
    pub rows: Rows<'a>,
    pub next: Rows<'a>,
    pub at_once: usize,
}

/// Forward, backward, BP3 and BP4 of one batch, and what is to be done `then`: its cost, or None when asked to stop.
pub fn batch<T: Real>(
    pass: Pass<'_, '_, T>,
    team: &Team<'_>,
    workspaces: &mut Workspaces<T>,
    parameters: &mut Share<'_, T>,
    Batch { rows: all, next, at_once }: Batch<'_>,
    then: Then<'_, T>,
    stop: &mut impl FnMut() -> bool,
) -> Option<f64> {
    let mut cost = 0.0;
    let mut done = 0;
    while done < all.len() {
        if stop() {
            return None;
        }
        let rows = all.slice(done, at_once.min(all.len() - done));
        let masks = pass.masks.from_row(done);
        let pass_of_rows = Pass { masks, ..pass };
        if workspaces.split.neurons > 1 {
            pass_of_rows.first_round_in_grid(team, parameters.parameters, rows, workspaces);
        } else {
            pass_of_rows.first_round(team, parameters.parameters, rows, workspaces);
        }
        cost += workspaces.cost();
        let accumulate = done > 0;
        done += rows.len();
        let is_last = done == all.len();
        let next = if is_last { next } else { all.slice(done, all.len() - done) };
        let next = next.slice(0, at_once.min(next.len()));
        let step = Step { accumulate, then: if is_last { then } else { Then::Keep } };
        let mut shares = cut(pass.network, parameters.reborrow(), workspaces.ends());
        pass.second_round(team, workspaces, &mut shares, step, next);
    }
    Some(cost)
}

impl<T: Real> Pass<'_, '_, T> {
    /// First round: each thread goes forward and backward with its own rows.
    fn first_round(
        &self,
        team: &Team<'_>,
        parameters: &[T],
        rows: Rows<'_>,
        workspaces: &mut Workspaces<T>,
    ) {
        let Workspaces { each, active, row_balance, .. } = workspaces;
        let shares = RowShares::new(rows, row_balance, self.isa.rows_together());
        *active = shares.count;
        let each = &mut each[..shares.count];
        team.each(each, |thread, workspace| {
            // Its own time: a thread that has just been started, or woken, is not slow.
            let start = Instant::now();
            let own = shares.of(thread);
            let Pass { network, isa, cost, data, masks } = *self;
            let masks = masks.from_row(shares.start(thread));
            forward(network, parameters, isa, &data.x, own, masks, workspace);
            backward(network, parameters, isa, cost, data, own, workspace);
            workspace.seconds = start.elapsed().as_secs_f64();
        });
        row_balance.observe(each.iter().map(|w| (w.delta[0].rows() as f64, w.seconds)));
    }

    /// Second round: each thread BP3, BP4 and the update for its own share; `next` are the rows of the first round after it.
    fn second_round(
        &self,
        team: &Team<'_>,
        workspaces: &mut Workspaces<T>,
        shares: &mut [Share<'_, T>],
        step: Step<'_, T>,
        next: Rows<'_>,
    ) {
        let Workspaces { each, active, row_balance, block_balance, parts, parts_balance, .. } =
            &mut *workspaces;
        let next = RowShares::new(next, row_balance, self.isa.rows_together());
        let each = &each[..*active];
        team.each(shares, |thread, share| {
            let start = Instant::now();
            let ahead = Ahead::new(&self.data.x, next.of(thread));
            let (network, workspaces) = (self.network, each);
            let kernel = GradientStep { network, workspaces, share: &mut *share, step, ahead };
            dispatch(self.isa, kernel);
            share.seconds = start.elapsed().as_secs_f64();
        });
        block_balance.observe(parts.iter().zip(shares).map(|(part, s)| (part.work, s.seconds)));
        if block_balance.differs_from(parts_balance) {
            workspaces.share_out(self.network);
        }
    }
}
