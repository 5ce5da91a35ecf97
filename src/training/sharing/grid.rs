//! The first round of [`by_rows`](crate::training::sharing::by_rows) for many threads and wide layers: groups of threads
//! share out the rows, and the threads of a group the neurons of each layer (see [`split`](crate::training::sharing::split)).
//!
//! All meet after each layer, as the next one's neurons need all activations of their rows. What is little is done by one
//! thread of each group: to take in the rows, softmax and BP1. No sum is split, so that the results are those of one thread.

use std::iter::once;

use arrayvec::ArrayVec;

use crate::backprop::{
    Errors, Neurons, find_zeros, finish_outputs, output_delta, ready_for_gradients, take_in,
};
use crate::data::{Layout, Rows};
use crate::linalg::kernels::Real;
use crate::linalg::memory::panels::panel_count;
use crate::linalg::team::{MAX_THREADS, Team};
use crate::training::pass::Pass;
use crate::training::sharing::shares::RowShares;
use crate::training::sharing::workspaces::Workspaces;

impl<T: Real> Pass<'_, '_, T> {
    /// Forward and backward for all rows.
    pub(super) fn first_round_in_grid(
        &self,
        team: &Team<'_>,
        parameters: &[T],
        rows: Rows<'_>,
        workspaces: &mut Workspaces<T>,
    ) {
        let Workspaces { each, scratch, active, row_balance, split, layouts, .. } = workspaces;
        let Pass { network, isa, cost, data, masks } = *self;
        let shares = RowShares::new(rows, row_balance, isa.rows_together());
        *active = shares.count;
        let each = &mut each[..shares.count];
        team.each(each, |group, workspace| take_in(isa, &data.x, shares.of(group), workspace));

        for l in 1..=network.depth() {
            let panels = panel_count(network.sizes()[l]);
            let mut parts = ArrayVec::<_, MAX_THREADS>::new();
            for (group, (workspace, scratch)) in each.iter_mut().zip(&mut *scratch).enumerate() {
                let (layer, masks) =
                    (network.layer(parameters, l), masks.from_row(shares.start(group)));
                let (mut rest, own) = Neurons::all(l, network, layer, masks, workspace);
                for (end, scratch) in split.ends(panels).zip(once(own).chain(scratch)) {
                    parts.push((Some(rest.split_off_to(end)), scratch));
                }
            }
            team.each(&mut parts, |_, (neurons, scratch)| {
                if let Some(neurons) = neurons.take() {
                    neurons.forward(isa, scratch);
                }
            });
            drop(parts);
            if layouts.get(l).is_some_and(|layout| *layout != Layout::Panels) {
                team.each(each, |_, workspace| find_zeros(l, isa, workspace));
            }
        }

        team.each(each, |group, workspace| {
            finish_outputs(network, isa, workspace);
            output_delta(network, isa, cost, data, shares.of(group), workspace);
        });
        for l in (1..network.depth()).rev() {
            let panels = panel_count(network.sizes()[l]);
            let mut parts = ArrayVec::<_, MAX_THREADS>::new();
            for (workspace, scratch) in each.iter_mut().zip(&mut *scratch) {
                let (mut rest, own) = Errors::all(l, network, parameters, workspace);
                for (end, scratch) in split.ends(panels).zip(once(own).chain(scratch)) {
                    parts.push((Some(rest.split_off_to(end)), scratch));
                }
            }
            team.each(&mut parts, |_, (errors, scratch)| {
                if let Some(errors) = errors.take() {
                    errors.backward(isa, scratch);
                }
            });
        }
        if isa.multiplies_bfloat16() || layouts[0].is_of_lists() {
            team.each(each, |_, workspace| ready_for_gradients(isa, workspace));
        }
    }
}
