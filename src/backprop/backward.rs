//! Backward: BP1 for the output layer, then BP2 down to the first hidden one.

use crate::backprop::bp1_output_delta::output_delta;
use crate::backprop::bp2_hidden_delta::hidden_delta;
use crate::backprop::inputs::Zeros;
use crate::backprop::workspace::Workspace;
use crate::data::{Data, Rows};
use crate::linalg::kernels::{Isa, Real};
use crate::network::{Cost, Network};

/// BP1 and BP2 for the rows that [`forward`](super::forward()) has just seen.
pub fn backward<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    cost: Cost,
    data: &Data<'_, T>,
    rows: Rows<'_>,
    workspace: &mut Workspace<T>,
) {
    output_delta(network, isa, cost, data, rows, workspace);
    for l in (1..network.depth()).rev() {
        let Workspace { a, delta, scratch, .. } = &mut *workspace;
        let (delta, next) = delta.split_at_mut(l);
        let next_layer = network.layer(parameters, l + 1);
        hidden_delta(isa, network.hidden, next_layer, &next[0], &a[l], scratch, &mut delta[l - 1]);
    }
    if let Zeros::Entries(entries) = &mut workspace.zeros[0] {
        entries.sort_by_column();
    }
    let Workspace { a, delta, kept_a, kept_delta, .. } = workspace;
    kept_a.keep(isa, a);
    kept_delta.keep(isa, delta);
}
