//! Backward: BP1 for the output layer, then BP2 down to the first hidden one.

use crate::backprop::bp1_output_delta::output_delta;
use crate::backprop::bp2_hidden_delta::{SigmaPrime, hidden_delta};
use crate::backprop::inputs::Zeros;
use crate::backprop::workspace::Workspace;
use crate::data::{Data, Rows};
use crate::linalg::dense::{Layer, Scratch};
use crate::linalg::kernels::{Isa, Real};
use crate::linalg::memory::panels::{Panels, PanelsMut};
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
    ready_for_gradients(isa, workspace);
}

/// Bring a and δ into the form in which BP4 takes them, where it is another one.
pub fn ready_for_gradients<T: Real>(isa: Isa, workspace: &mut Workspace<T>) {
    if let Zeros::Entries(entries) = &mut workspace.zeros[0] {
        entries.sort_by_column();
    }
    let Workspace { a, delta, kept_a, kept_delta, .. } = workspace;
    kept_a.keep(isa, a, true);
    kept_delta.keep(isa, delta, false);
}

/// BP2 from the output layer, whose error is there, down to the first hidden one.
pub fn hidden_deltas<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    workspace: &mut Workspace<T>,
) {
    for l in (1..network.depth()).rev() {
        let (errors, scratch) = Errors::all(l, network, parameters, workspace);
        errors.backward(isa, scratch);
    }
}

/// The errors of neurons of hidden layer l, in whole panels: those that one thread computes.
pub struct Errors<'a, T> {
    next_layer: Layer<'a, T>,
    next_delta: &'a Panels<T>,
    sigma_prime: SigmaPrime<'a, T>,
    delta: PanelsMut<'a, T>,
}

impl<'a, T: Real> Errors<'a, T> {
    /// Those of all neurons, and room for the product.
    pub fn all(
        l: usize,
        network: &Network,
        parameters: &'a [T],
        workspace: &'a mut Workspace<T>,
    ) -> (Self, &'a mut Scratch<T>) {
        let Workspace { a, derivative, delta, scratch, .. } = workspace;
        let (delta, next) = delta.split_at_mut(l);
        let sigma_prime = match &derivative[l - 1] {
            Some(kept) => SigmaPrime::Kept(kept),
            None => SigmaPrime::Of(network.hidden[l - 1], &a[l]),
        };
        let next_layer = network.layer(parameters, l + 1);
        let (next_delta, delta) = (&next[0], delta[l - 1].as_mut());
        (Self { next_layer, next_delta, sigma_prime, delta }, scratch)
    }

    /// Those before panel `end`, which are taken away from these.
    pub fn split_off_to(&mut self, end: usize) -> Self {
        Self { delta: self.delta.split_off_to(end), ..*self }
    }

    /// BP2.
    pub fn backward(self, isa: Isa, scratch: &mut Scratch<T>) {
        let Self { next_layer, next_delta, sigma_prime, delta } = self;
        hidden_delta(isa, sigma_prime, next_layer, next_delta, scratch, delta);
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
    hidden_delta(isa, SigmaPrime::One, layer, &delta[0], scratch, out.as_mut());
}
