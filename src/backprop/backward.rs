//! Backward: BP1 for the output layer, then BP2 down to the first hidden one.

use crate::backprop::bp1_output_delta::output_delta;
use crate::backprop::bp2_hidden_delta::{SigmaPrime, hidden_delta};
use crate::backprop::inputs::Zeros;
use crate::backprop::workspace::Workspace;
use crate::data::{Data, Rows};
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::Panels;
use crate::network::{Cost, Network};

/// BP1 and BP2 for the rows that [`forward`](super::forward()) has just seen.
pub fn backward<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    cost: &Cost,
    data: &Data<'_, T>,
    rows: Rows<'_>,
    workspace: &mut Workspace<T>,
) {
    output_delta(network, isa, cost, data, rows, workspace);
    hidden_deltas(network, parameters, isa, workspace);
    if let Zeros::Entries(entries) = &mut workspace.zeros[0] {
        entries.sort_by_column();
    }
    let Workspace { a, delta, kept_a, kept_delta, .. } = workspace;
    kept_a.keep(isa, a);
    kept_delta.keep(isa, delta);
}

/// BP2 from the output layer, whose error is there, down to the first hidden one.
pub fn hidden_deltas<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    workspace: &mut Workspace<T>,
) {
    for l in (1..network.depth()).rev() {
        let Workspace { a, derivative, delta, scratch, .. } = &mut *workspace;
        let (delta, next) = delta.split_at_mut(l);
        let next_layer = network.layer(parameters, l + 1);
        let sigma_prime = match &derivative[l - 1] {
            Some(kept) => SigmaPrime::Kept(kept),
            None => SigmaPrime::Of(network.hidden[l - 1], &a[l]),
        };
        hidden_delta(isa, sigma_prime, next_layer, &next[0], scratch, &mut delta[l - 1]);
    }
}

/// The error of layer 0, the inputs, from that of layer 1: BP2 with σ' = 1.
pub fn input_delta<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    workspace: &mut Workspace<T>,
    out: &mut Panels<T>,
) {
    let Workspace { delta, scratch, .. } = workspace;
    let layer = network.layer(parameters, 1);
    hidden_delta(isa, SigmaPrime::One, layer, &delta[0], scratch, out);
}
