//! Forward: z^l = w^l a^(l-1) + b^l and a^l = σ(z^l), layer after layer.

use crate::backprop::dropout::{Mask, Masks};
use crate::backprop::inputs::{Inputs, Zeros};
use crate::backprop::softmax::Softmax;
use crate::backprop::workspace::Workspace;
use crate::data::{Input, Rows, gather, gather_entries};
use crate::linalg::dense::{self, Epilogue, Layer, Scratch};
use crate::linalg::kernels::{Isa, Real, Vector, denormals, dispatch};
use crate::linalg::memory::panels::{Panels, PanelsMut};
use crate::linalg::zeros::{columns, sparse};
use crate::network::{Activation, Network, Output};

/// σ on each panel of z as it is computed, and what goes with it.
pub struct ApplySigma<'a, T> {
    /// None leaves z as it is, for an activation that looks at whole rows.
    sigma: Option<Activation>,
    /// Where σ'(z) is kept.
    derivative: Option<PanelsMut<'a, T>>,
    mask: Option<Mask>,
}

impl<T> ApplySigma<'_, T> {
    const NOTHING: Self = Self { sigma: None, derivative: None, mask: None };

    /// σ of layer `l` alone.
    pub fn of_layer(network: &Network, l: usize) -> Self {
        Self { sigma: network.sigma(l), ..Self::NOTHING }
    }
}

/// Leaves z as it is. Tests of kernels take it, since all kernels are compiled once more for each type of epilogue.
#[cfg(test)]
pub fn nothing<T>() -> ApplySigma<'static, T> {
    ApplySigma::NOTHING
}

impl<T: Real> Epilogue<T> for ApplySigma<'_, T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, z: &mut [T]) {
        let Some(sigma) = self.sigma else { return };
        let mut derivative = self.derivative.as_mut().map(|panels| panels.panel_mut(panel));
        match &mut derivative {
            None => sigma.apply::<V>(z),
            Some(derivative) => sigma.apply_with_derivative::<V>(z, derivative),
        }
        if let Some(mask) = self.mask {
            mask.apply::<V>(panel, z, derivative);
        }
    }
}

/// z^l = w^l a^(l-1) + b^l and a^l = σ(z^l) for every layer, for the rows named, without the neurons that `masks` drop.
pub fn forward<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    x: &Input<'_, T>,
    rows: Rows<'_>,
    masks: Masks,
    workspace: &mut Workspace<T>,
) {
    take_in(isa, x, rows, workspace);
    forward_from(1, network, parameters, isa, masks, workspace);
}

/// a^0: the rows named.
pub fn take_in<T: Real>(isa: Isa, x: &Input<'_, T>, rows: Rows<'_>, workspace: &mut Workspace<T>) {
    workspace.set_rows(rows.len());
    match (x, &mut workspace.zeros[0]) {
        (_, Zeros::Entries(entries)) => gather_entries(isa, x, rows, entries),
        (Input::Dense(x), zeros) => {
            gather(*x, rows, &mut workspace.a[0]);
            zeros.find(isa, &workspace.a[0]);
        }
        (Input::Sparse(_), _) => debug_assert!(false, "a sparse X has no layout but entries"),
    }
}

/// z^l and a^l of layer `first` and all after it, from a^(first - 1).
pub fn forward_from<T: Real>(
    first: usize,
    network: &Network,
    parameters: &[T],
    isa: Isa,
    masks: Masks,
    workspace: &mut Workspace<T>,
) {
    for l in first..=network.depth() {
        activations(l, network, network.layer(parameters, l), isa, masks, workspace);
    }
    finish_outputs(network, isa, workspace);
}

/// a^L of outputs that depend on each other: the softmax.
pub fn finish_outputs<T: Real>(network: &Network, isa: Isa, workspace: &mut Workspace<T>) {
    if network.output == Output::Softmax {
        let Workspace { a, lanes, delta, .. } = workspace;
        // Training goes on with these numbers; of a prediction they are the end, which the smallest belong to.
        let _mode = delta.is_empty().then(denormals::keep);
        dispatch(isa, Softmax { a: &mut a[network.depth()], lanes: lanes.as_mut_slice() });
    }
}

/// z^l and a^l of one layer, or of those of its panels that `layer` has; a softmax is left to [`forward_from`].
pub fn activations<T: Real>(
    l: usize,
    network: &Network,
    layer: Layer<'_, T>,
    isa: Isa,
    masks: Masks,
    workspace: &mut Workspace<T>,
) {
    let (neurons, scratch) = Neurons::all(l, network, layer, masks, workspace);
    neurons.forward(isa, scratch);
    find_zeros(l, isa, workspace);
}

/// The zeros of a^l, as far as the next layer's products leave them out.
pub fn find_zeros<T: Real>(l: usize, isa: Isa, workspace: &mut Workspace<T>) {
    if let Some(zeros) = workspace.zeros.get_mut(l) {
        zeros.find(isa, &workspace.a[l]);
    }
}

/// Neurons of layer l, in whole panels: those that one thread goes forward with.
pub struct Neurons<'a, T> {
    layer: Layer<'a, T>,
    a: &'a Panels<T>,
    zeros: &'a Zeros<T>,
    out: PanelsMut<'a, T>,
    sigma: ApplySigma<'a, T>,
}

impl<'a, T: Real> Neurons<'a, T> {
    /// All that `layer` has, and room for their products.
    pub fn all(
        l: usize,
        network: &Network,
        layer: Layer<'a, T>,
        masks: Masks,
        workspace: &'a mut Workspace<T>,
    ) -> (Self, &'a mut Scratch<T>) {
        let Workspace { a, derivative, zeros, scratch, .. } = workspace;
        let sigma = ApplySigma {
            sigma: network.sigma(l),
            derivative: derivative.get_mut(l - 1).and_then(Option::as_mut).map(Panels::as_mut),
            mask: masks.of_layer(l, network.dropout(l)),
        };
        let (before, after) = a.split_at_mut(l);
        let (a, zeros, out) = (&before[l - 1], &zeros[l - 1], after[0].as_mut());
        (Self { layer, a, zeros, out, sigma }, scratch)
    }

    /// Those before panel `end`, which are taken away from these.
    pub fn split_off_to(&mut self, end: usize) -> Self {
        let out = self.out.split_off_to(end);
        let derivative = self.sigma.derivative.as_mut().map(|panels| panels.split_off_to(end));
        let sigma = ApplySigma { derivative, ..self.sigma };
        Self { layer: self.layer.of_panels(out.panels()), out, sigma, ..*self }
    }

    /// z and a.
    pub fn forward(self, isa: Isa, scratch: &mut Scratch<T>) {
        let a = Inputs::of(self.a, self.zeros);
        weighted_input(isa, self.layer, a, scratch, self.out, self.sigma);
    }
}

/// z^l = w^l a^(l-1) + b^l, and what the epilogue makes of it.
fn weighted_input<T: Real>(
    isa: Isa,
    layer: Layer<'_, T>,
    a: Inputs<'_, T>,
    scratch: &mut Scratch<T>,
    z: PanelsMut<'_, T>,
    sigma: ApplySigma<'_, T>,
) {
    match a {
        Inputs::Panels(a) => dense::affine(isa, a, layer, scratch, z, sigma),
        Inputs::Entries(a) => sparse::affine(isa, a, layer, z, sigma),
        Inputs::Masked(a) => sparse::affine(isa, a, layer, z, sigma),
        Inputs::Columns(a) => columns::affine(isa, a, layer, z, sigma),
    }
}

impl<T: Real> Workspace<T> {
    /// z^l of the rows that [`forward`] has just seen.
    pub fn z(
        &mut self,
        network: &Network,
        parameters: &[T],
        isa: Isa,
        l: usize,
    ) -> Option<Panels<T>> {
        let Self { a, zeros, scratch, .. } = self;
        let layer = network.layer(parameters, l);
        let mut z = Panels::zeros(a[l].rows(), layer.fan_out)?;
        let a = Inputs::of(&a[l - 1], &zeros[l - 1]);
        weighted_input(isa, layer, a, scratch, z.as_mut(), ApplySigma::NOTHING);
        Some(z)
    }
}
