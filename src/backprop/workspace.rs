//! What one thread computes for its rows of a batch: activations, errors and costs, and room for the work.

use crate::allocate::vector_of;
use crate::backprop::inputs::{Inputs, Zeros};
use crate::data::{Input, Layout};
use crate::error::Error;
use crate::linalg::dense::Scratch;
use crate::linalg::dense::bfloat16::Kept;
use crate::linalg::dense::blocks;
use crate::linalg::dense::outer::is_narrow;
use crate::linalg::dense::tile::panels_of_tile;
use crate::linalg::kernels::{Isa, Lane, Operands, Real, Vector};
use crate::linalg::memory::panels::{Aligned, Panels, View, WIDTH, panel_cols, panel_count};
use crate::linalg::zeros::columns::InColumns;
use crate::linalg::zeros::sparse;
use crate::network::{AtOnce, Network};

/// What one thread computes for its rows of a batch.
pub struct Workspace<T> {
    /// a^l at index l; a^0 is the rows of X, empty where `zeros` has them as entries.
    pub a: Vec<Panels<T>>,
    /// What is not zero in a^l at index l, as its layout says.
    pub(super) zeros: Vec<Zeros<T>>,
    /// δ^l at index l - 1.
    pub delta: Vec<Panels<T>>,
    /// σ'(z^l) at index l - 1, times the mask of dropout, for hidden layers where it does not follow from a^l.
    pub derivative: Vec<Option<Panels<T>>>,
    /// Cost of each row, times its weight.
    pub(super) cost: Vec<f64>,
    /// What the last pass took.
    pub seconds: f64,
    /// Room for the products.
    pub scratch: Scratch<T>,
    /// a^l at index l and δ^l at index l - 1 as BP4 multiplies them; empty where it takes them as they are.
    pub(super) kept_a: Kept,
    pub(super) kept_delta: Kept,
    /// Room for [`WIDTH`] rows of outputs, transposed.
    pub(super) lanes: Aligned<T>,
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
            let derivative = (1..network.depth()).map(|l| match network.keeps_derivative(l) {
                true => Panels::zeros(rows, network.sizes()[l]).map(Some),
                false => Some(None),
            });
            let delta = network.sizes()[1..].iter().map(|&n| Panels::zeros(rows, n));
            Some((derivative.collect::<Option<Vec<_>>>()?, delta.collect::<Option<Vec<_>>>()?))
        };
        (workspace.derivative, workspace.delta) = allocate().ok_or(Self::MEMORY)?;
        workspace.scratch = workspace.more_scratch(network, rows, isa)?;
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

    /// Room for products of its `rows` rows in both directions.
    pub fn more_scratch(
        &self,
        network: &Network,
        rows: usize,
        isa: Isa,
    ) -> Result<Scratch<T>, Error> {
        let dense = self.a.iter().filter(|a| a.rows() > 0);
        let widest_input = dense.map(Panels::cols).max().unwrap_or(0);
        let widest = network.sizes()[1..].iter().copied().max().unwrap_or(0);
        Scratch::new(isa, rows, widest_input, widest).ok_or(Self::MEMORY)
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
            derivative: Vec::new(),
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

    /// `a[i]` from a panel on as BP4 multiplies it.
    #[inline(always)]
    pub(super) fn a_terms<V: Vector<Scalar = T>>(
        &self,
        i: usize,
        panel: usize,
    ) -> View<'_, Lane<V>> {
        V::Operands::kept(&self.a[i], self.kept_a.get(i), panel)
    }

    /// `delta[i]` from a panel on as BP4 multiplies it.
    #[inline(always)]
    pub(super) fn delta_terms<V: Vector<Scalar = T>>(
        &self,
        i: usize,
        panel: usize,
    ) -> View<'_, Lane<V>> {
        V::Operands::kept(&self.delta[i], self.kept_delta.get(i), panel)
    }

    /// a^(l-1) as BP4 of layer l multiplies it.
    #[inline(always)]
    pub(super) fn inputs(&self, l: usize) -> Inputs<'_, T> {
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

    /// What [`weight_gradient`](super::weight_gradient) should do at once of layer `layer`, for a batch of so many rows.
    #[inline(always)]
    pub fn at_once<V: Vector<Scalar = T>>(&self, layer: usize, rows: usize) -> AtOnce {
        let lists = match self.inputs(layer) {
            Inputs::Panels(_) => {
                let rows = rows.div_ceil(V::Operands::TERMS);
                let last = panel_cols(
                    self.delta[layer - 1].cols(),
                    self.delta[layer - 1].panel_count() - 1,
                );
                return AtOnce {
                    panels: panels_of_tile::<V>(),
                    group: blocks::panels_of_delta::<V>(rows),
                    blocks: blocks::panels_of_a::<V>(rows),
                    last_alone: is_narrow(last, rows),
                };
            }
            Inputs::Columns(_) => 1,
            Inputs::Entries(a) => sparse::panels_of_delta::<V>(a),
            Inputs::Masked(a) => sparse::panels_of_delta::<V>(a),
        };
        AtOnce { panels: lists, ..AtOnce::default() }
    }

    /// Cost of each row of the last pass.
    pub fn costs(&self) -> &[f64] {
        &self.cost[..self.delta[0].rows()]
    }

    /// Use the first `rows` rows from now on.
    pub fn set_rows(&mut self, rows: usize) {
        let first = usize::from(matches!(self.zeros[0], Zeros::Entries(_)));
        let derivatives = self.derivative.iter_mut().flatten();
        for panels in self.a[first..].iter_mut().chain(&mut self.delta).chain(derivatives) {
            panels.set_rows(rows);
        }
    }
}
