//! Forward and backward: the four equations by name, and the workspace they write in.
//!
//! Dimensions: `m` rows of a batch; layer l has `fan_in` inputs and `fan_out` neurons. A thread has a [`Workspace`] for its
//! rows; [`forward`] and [`backward`] run in one alone, [`gradients`](crate::training::gradients) reads them all.

use std::ops::Range;

use crate::backprop::zeros::{Inputs, Zeros};
use crate::data::{Data, Input, Layout, Rows, gather, gather_entries};
use crate::error::Error;
use crate::linalg::dense::bfloat16::Kept;
use crate::linalg::dense::product::{self, Epilogue, Layer, Scratch};
use crate::linalg::kernels::operands::{Lane, Operands};
use crate::linalg::kernels::{Isa, Kernel, Real, Vector, dispatch};
use crate::linalg::memory::panels::{Aligned, BLOCK, Panels, WIDTH, panel_cols, panel_count};
use crate::linalg::zeros::columns::{self, InColumns};
use crate::linalg::zeros::sparse;
use crate::network::activation::{Activation, Output, softmax};
use crate::network::cost::Cost;
use crate::network::{Block, Network, vector_of};

pub mod layouts;
pub mod zeros;

/// What one thread computes for its rows of a batch.
pub struct Workspace<T> {
    /// a^l at index l; a^0 is the rows of X, empty where `zeros` has them as entries.
    pub a: Vec<Panels<T>>,
    /// What is not zero in a^l at index l, as its layout says.
    zeros: Vec<Zeros<T>>,
    /// δ^l at index l - 1.
    pub delta: Vec<Panels<T>>,
    /// Cost of each row, times its weight.
    cost: Vec<f64>,
    /// What the last pass took.
    pub seconds: f64,
    /// Room for the products.
    pub scratch: Scratch<T>,
    /// a^l at index l and δ^l at index l - 1 as BP4 multiplies them; empty where it takes them as they are.
    kept_a: Kept,
    kept_delta: Kept,
    /// Room for [`WIDTH`] rows of outputs, transposed.
    lanes: Aligned<T>,
}

impl<T: Real> Workspace<T> {
    /// Room for `rows` rows of `x` in both directions, with products on `isa`; layout l is that of a^l.
    pub fn new(
        network: &Network,
        x: &Input<'_, T>,
        rows: usize,
        layouts: &[Layout],
        isa: Isa,
    ) -> Result<Self, Error> {
        let mut workspace = Self::forward_only(network, x, rows, layouts)?;
        let allocate = || {
            let delta = network.sizes()[1..].iter().map(|&n| Panels::zeros(rows, n));
            let dense = workspace.a.iter().filter(|a| a.rows() > 0);
            let widest_input = dense.map(Panels::cols).max()?;
            let widest = network.sizes()[1..].iter().copied().max()?;
            Some((
                delta.collect::<Option<Vec<_>>>()?,
                Scratch::new(isa, rows, widest_input, widest)?,
            ))
        };
        (workspace.delta, workspace.scratch) = allocate().ok_or(Self::MEMORY)?;
        if isa.multiplies_bfloat16() {
            let inputs = &workspace.a[..network.depth()];
            workspace.kept_a = Kept::with_room_for(inputs).ok_or(Self::MEMORY)?;
            workspace.kept_delta = Kept::with_room_for(&workspace.delta).ok_or(Self::MEMORY)?;
        }
        for zeros in &mut workspace.zeros {
            if let Zeros::Masks(masks) = zeros {
                masks.along_columns().ok_or(Self::MEMORY)?;
            }
        }
        workspace.cost = vector_of(0.0, rows, "a batch")?;
        Ok(workspace)
    }

    /// Room for `rows` rows of `x` in the forward direction.
    pub fn forward_only(
        network: &Network,
        x: &Input<'_, T>,
        rows: usize,
        layouts: &[Layout],
    ) -> Result<Self, Error> {
        debug_assert!(layouts.len() == network.depth());
        let most = x.most_entries(rows);
        let zeros = layouts.iter().zip(network.sizes());
        let zeros = zeros.map(|(layout, &n)| Zeros::with_capacity(*layout, rows, n, most));
        let zeros: Vec<_> = zeros.collect::<Option<_>>().ok_or(Self::MEMORY)?;
        let a = network.sizes().iter().enumerate().map(|(l, &n)| {
            let rows = if l == 0 && matches!(zeros[0], Zeros::Entries(_)) { 0 } else { rows };
            Panels::zeros(rows, n)
        });
        let allocate = || {
            let lanes = Aligned::zeros(WIDTH * panel_count(network.outputs()))?;
            Some((a.collect::<Option<Vec<_>>>()?, Scratch::none()?, lanes))
        };
        let (a, scratch, lanes) = allocate().ok_or(Self::MEMORY)?;
        Ok(Self {
            a,
            zeros,
            delta: Vec::new(),
            cost: Vec::new(),
            seconds: 0.0,
            scratch,
            kept_a: Kept::default(),
            kept_delta: Kept::default(),
            lanes,
        })
    }

    const MEMORY: Error = Error::Memory { what: "a batch" };

    /// Have room for `rows` rows of another X with the same layout.
    pub fn prepare(&mut self, x: &Input<'_, T>, rows: usize) -> Result<(), Error> {
        match &mut self.zeros[0] {
            Zeros::Entries(entries) => match entries.has_room_for(x.most_entries(rows)) {
                true => Ok(()),
                false => Err(Self::MEMORY),
            },
            _ => Ok(()),
        }
    }

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
        weighted_input(isa, layer, a, scratch, &mut z, ApplySigma(None));
        Some(z)
    }

    /// A panel of `a[i]` as BP4 multiplies it.
    #[inline(always)]
    fn a_terms<V: Vector<Scalar = T>>(&self, i: usize, panel: usize) -> &[Lane<V>] {
        V::Operands::kept(&self.a[i], self.kept_a.get(i), panel)
    }

    /// A panel of `delta[i]` as BP4 multiplies it.
    #[inline(always)]
    fn delta_terms<V: Vector<Scalar = T>>(&self, i: usize, panel: usize) -> &[Lane<V>] {
        V::Operands::kept(&self.delta[i], self.kept_delta.get(i), panel)
    }

    /// a^(l-1) as BP4 of layer l multiplies it.
    #[inline(always)]
    fn inputs(&self, l: usize) -> Inputs<'_, T> {
        Inputs::of(&self.a[l - 1], &self.zeros[l - 1])
    }

    /// X by its columns, where its layout says so.
    pub fn in_columns(&self) -> Option<InColumns<'_, T>> {
        match self.inputs(1) {
            Inputs::Columns(x) => Some(x),
            _ => None,
        }
    }

    /// Whether some layer's products are over a few panels of neurons at once.
    pub fn takes_panels_at_once(&self) -> bool {
        self.zeros.iter().any(|zeros| matches!(zeros, Zeros::Entries(_) | Zeros::Masks(_)))
    }

    /// Panels of neurons of layer `layer` whose part in BP4 [`weight_gradient`] should do at once.
    #[inline(always)]
    pub fn panels_at_once<V: Vector<Scalar = T>>(&self, layer: usize) -> usize {
        match self.inputs(layer) {
            Inputs::Panels(_) | Inputs::Columns(_) => 1,
            Inputs::Entries(a) => sparse::panels_of_delta::<V>(a),
            Inputs::Masked(a) => sparse::panels_of_delta::<V>(a),
        }
    }

    /// Cost of each row of the last pass.
    pub fn costs(&self) -> &[f64] {
        &self.cost[..self.delta[0].rows()]
    }

    /// Use the first `rows` rows from now on.
    pub fn set_rows(&mut self, rows: usize) {
        let first = usize::from(matches!(self.zeros[0], Zeros::Entries(_)));
        for panels in self.a[first..].iter_mut().chain(&mut self.delta) {
            panels.set_rows(rows);
        }
    }
}

/// σ on each panel of z as it is computed; nothing where the activation looks at whole rows.
pub struct ApplySigma(Option<Activation>);

/// Leaves z as it is. Tests of kernels take it, since all kernels are compiled once more for each type of epilogue.
#[cfg(test)]
pub const NOTHING: ApplySigma = ApplySigma(None);

impl<T: Real> Epilogue<T> for ApplySigma {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T>>(&mut self, _panel: usize, z: &mut [T]) {
        if let Some(sigma) = self.0 {
            sigma.apply::<V>(z);
        }
    }
}

/// ⊙ σ'(z^l) on each panel of the error, from a^l.
struct TimesSigmaPrime<'a, T> {
    sigma: Activation,
    a: &'a Panels<T>,
}

impl<T: Real> Epilogue<T> for TimesSigmaPrime<'_, T> {
    #[inline(always)]
    fn apply<V: Vector<Scalar = T>>(&mut self, panel: usize, delta: &mut [T]) {
        self.sigma.times_derivative::<V>(self.a.panel(panel), delta);
    }
}

/// z^l = w^l a^(l-1) + b^l and a^l = σ(z^l) for every layer, for the rows named.
pub fn forward<T: Real>(
    network: &Network,
    parameters: &[T],
    isa: Isa,
    x: &Input<'_, T>,
    rows: Rows<'_>,
    workspace: &mut Workspace<T>,
) {
    take_in(isa, x, rows, workspace);
    forward_from(1, network, parameters, isa, workspace);
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
    workspace: &mut Workspace<T>,
) {
    for l in first..=network.depth() {
        activations(l, network, network.layer(parameters, l), isa, workspace);
    }
    if network.output == Output::Softmax {
        let Workspace { a, lanes, .. } = workspace;
        dispatch(isa, Softmax { a: &mut a[network.depth()], lanes: lanes.as_mut_slice() });
    }
}

/// z^l and a^l of one layer, or of those of its panels that `layer` has; a softmax is left to [`forward_from`].
pub fn activations<T: Real>(
    l: usize,
    network: &Network,
    layer: Layer<'_, T>,
    isa: Isa,
    workspace: &mut Workspace<T>,
) {
    let sigma = ApplySigma(match network.output {
        _ if l < network.depth() => Some(network.hidden),
        Output::Each(activation) => Some(activation),
        Output::Softmax => None,
    });
    let Workspace { a, zeros, scratch, .. } = &mut *workspace;
    let (before, after) = a.split_at_mut(l);
    let before = Inputs::of(&before[l - 1], &zeros[l - 1]);
    weighted_input(isa, layer, before, scratch, &mut after[0], sigma);
    if let Some(zeros) = zeros.get_mut(l) {
        zeros.find(isa, &after[0]);
    }
}

/// z^l = w^l a^(l-1) + b^l, and what the epilogue makes of it.
fn weighted_input<T: Real>(
    isa: Isa,
    layer: Layer<'_, T>,
    a: Inputs<'_, T>,
    scratch: &mut Scratch<T>,
    z: &mut Panels<T>,
    sigma: ApplySigma,
) {
    match a {
        Inputs::Panels(a) => product::affine(isa, a, layer, scratch, z, sigma),
        Inputs::Entries(a) => sparse::affine(isa, a, layer, z, sigma),
        Inputs::Masked(a) => sparse::affine(isa, a, layer, z, sigma),
        Inputs::Columns(a) => columns::affine(isa, a, layer, z, sigma),
    }
}

struct Softmax<'a, T> {
    a: &'a mut Panels<T>,
    /// [`WIDTH`] rows of outputs, transposed.
    lanes: &'a mut [T],
}

impl<T: Real> Kernel<T> for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let Softmax { a, lanes } = self;
        let outputs = a.cols();
        for row in (0..a.rows()).step_by(WIDTH) {
            for (panel, lanes) in lanes.chunks_exact_mut(BLOCK).enumerate() {
                a.transpose_to::<V>(panel, row, lanes);
            }
            for first in (0..WIDTH).step_by(V::LANES) {
                softmax::<V>(&mut lanes[..outputs * WIDTH], first);
            }
            for (panel, lanes) in lanes.chunks_exact(BLOCK).enumerate() {
                a.transpose_from::<V>(panel, row, lanes);
            }
        }
    }
}

/// BP1 and BP2 for the rows that [`forward`] has just seen.
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

/// BP1: δ^L = ∇_a C ⊙ σ'(z^L), times the weight of the row; and the cost of each row.
pub fn output_delta<T: Real>(
    network: &Network,
    isa: Isa,
    cost: Cost,
    data: &Data<'_, T>,
    rows: Rows<'_>,
    workspace: &mut Workspace<T>,
) {
    let (depth, outputs) = (network.depth(), network.outputs());
    let (a, delta) = (&workspace.a[depth], &mut workspace.delta[depth - 1]);
    data.touch_targets(rows);
    for i in 0..rows.len() {
        let row = rows.get(i);
        let weight = data.weight(row);
        // Without a branch on the class, which the processor could not foresee.
        let class = data.y.class(row, outputs).filter(|_| cost.is_of_class_alone());
        let mut row_cost =
            class.map_or(T::ZERO, |class| cost.add_to(T::ZERO, &[a.get(i, class)], &[T::ONE]));
        for panel in 0..a.panel_count() {
            let columns = i * WIDTH..i * WIDTH + panel_cols(outputs, panel);
            let (a, delta) =
                (&a.panel(panel)[columns.clone()], &mut delta.panel_mut(panel)[columns]);
            let y = &mut [T::ZERO; WIDTH][..a.len()];
            data.y.copy_to(row, outputs, panel * WIDTH, y);
            if class.is_none() {
                row_cost = cost.add_to(row_cost, a, y);
            }
            cost.output_delta(network.output, a, y, weight, delta);
        }
        // 0 times an infinite cost of a row that does not count is not a number.
        workspace.cost[i] =
            if weight == T::ZERO { 0.0 } else { weight.as_f64() * row_cost.as_f64() };
    }
    if let Output::Each(sigma) = network.output
        && cost.needs_derivative(network.output)
    {
        dispatch(isa, Derivative { sigma, a, delta });
    }
}

struct Derivative<'a, T> {
    sigma: Activation,
    a: &'a Panels<T>,
    delta: &'a mut Panels<T>,
}

impl<T: Real> Kernel<T> for Derivative<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        for panel in 0..self.a.panel_count() {
            self.sigma.times_derivative::<V>(self.a.panel(panel), self.delta.panel_mut(panel));
        }
    }
}

/// BP2: δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ'(z^l), from a^l = σ(z^l).
pub fn hidden_delta<T: Real>(
    isa: Isa,
    sigma: Activation,
    next_layer: Layer<'_, T>,
    next_delta: &Panels<T>,
    a: &Panels<T>,
    scratch: &mut Scratch<T>,
    delta: &mut Panels<T>,
) {
    let times_sigma_prime = TimesSigmaPrime { sigma, a };
    product::transposed(isa, next_delta, next_layer, scratch, delta, times_sigma_prime);
}

/// BP3: ∂C/∂b^l = δ^l, summed over the rows of all workspaces.
#[inline(always)]
pub fn bias_gradient<V: Vector>(
    block: &Block,
    workspaces: &[Workspace<V::Scalar>],
    gradient: &mut [V::Scalar],
) {
    for (i, w) in workspaces.iter().enumerate() {
        let delta = w.delta[block.layer - 1].panel(block.panel);
        product::column_sums::<V>(delta, block.cols, i > 0, gradient);
    }
}

/// BP4: ∂C/∂w^l_jk = a^(l-1)_k δ^l_j, summed over the rows of all workspaces. Up to `PANELS` panels of neurons are taken at once;
/// lists of what is not zero take more than one.
#[inline(always)]
pub fn weight_gradient<V: Vector, const PANELS: usize>(
    block: &Block,
    inputs: usize,
    panels: &Range<usize>,
    workspaces: &[Workspace<V::Scalar>],
    gradient: &mut [V::Scalar],
) {
    for (i, w) in workspaces.iter().enumerate() {
        let resume = i > 0;
        let delta = &w.delta[block.layer - 1];
        let panels = panels.clone();
        let columns = inputs * WIDTH..inputs * WIDTH + block.rows;
        match w.inputs(block.layer) {
            Inputs::Entries(a) if PANELS > 1 => {
                sparse::outer::<V>(a, delta, panels, columns, resume, gradient);
            }
            Inputs::Masked(a) if PANELS > 1 => {
                sparse::outer::<V>(a, delta, panels, columns, resume, gradient);
            }
            // All numbers are there too.
            _ => {
                let a = w.a_terms::<V>(block.layer - 1, inputs);
                let delta = w.delta_terms::<V>(block.layer - 1, block.panel);
                product::outer::<V>(a, delta, block.rows, block.cols, resume, gradient);
            }
        }
    }
}
