//! Forward for some of the neurons, from weights as they lie: of arrays such as scikit-learn has nothing is packed. Of arrays with
//! other strides a few panels of neurons at a time are, where the cache holds them.
//!
//! For few rows, packing all weights first would take longer than the products. Sums run in the order of [`forward`](super::forward()),
//! so that the results are the same to the last bit.

use std::ops::Range;

use ndarray::{ArrayView1, ArrayView2};

use crate::backprop::dropout::Masks;
use crate::backprop::forward::{ApplySigma, activations};
use crate::backprop::inputs::Zeros;
use crate::backprop::workspace::Workspace;
use crate::linalg::dense::Layer;
use crate::linalg::dense::in_place::{affine_in_place, has_contiguous_rows};
use crate::linalg::kernels::{Isa, Kernel, Real, Scalar, Vector, dispatch};
use crate::linalg::memory::panels::{Aligned, Panels, WIDTH, panel_cols};
use crate::linalg::memory::prefetch::prefetch_slice;
use crate::linalg::zeros::entries::Entries;
use crate::network::{Activation, Network};

/// What is packed at a time is to stay in the L2 cache.
const PACKED_AT_ONCE: usize = 256 << 10;
/// How far ahead the weights that entries name are asked for.
const ENTRIES_AHEAD: usize = 8;

/// Weights and biases of all layers.
#[derive(Clone, Copy)]
pub enum Weights<'a, 'b, T> {
    /// In panels.
    Packed(&'a [T]),
    /// Arrays in C order, or with whatever strides.
    Unpacked { coefs: &'a [ArrayView2<'b, T>], intercepts: &'a [ArrayView1<'b, T>] },
}

/// Panels of a layer with this many inputs that are packed at once; one is packed however large it is.
fn panels_at_once<T>(fan_in: usize) -> usize {
    (PACKED_AT_ONCE / size_of::<T>() / WIDTH / (fan_in + 1)).max(1)
}

/// Rows of room that [`activations_in_place`] needs to pack parts of the layers after `first`.
pub fn rows_packed_at_once<T>(network: &Network, first: usize) -> usize {
    let inputs = network.sizes()[first..network.depth()].iter();
    inputs.map(|&fan_in| (fan_in + 1) * panels_at_once::<T>(fan_in)).max().unwrap_or(0)
}

/// z^l and a^l of the neurons in `panels`, from a^(l - 1), with `room` for [`rows_packed_at_once`].
pub fn activations_in_place<T: Real>(
    l: usize,
    network: &Network,
    weights: Weights<'_, '_, T>,
    panels: Range<usize>,
    isa: Isa,
    room: &mut Aligned<T>,
    workspace: &mut Workspace<T>,
) {
    let (coefs, intercepts) = match weights {
        Weights::Packed(parameters) => {
            let layer = network.layer(parameters, l).of_panels(panels);
            return activations(l, network, layer, isa, Masks::NONE, workspace);
        }
        Weights::Unpacked { coefs, intercepts } => (coefs[l - 1], intercepts[l - 1]),
    };
    let (fan_in, fan_out) = (network.sizes()[l - 1], network.sizes()[l]);
    let Workspace { a, zeros, .. } = &mut *workspace;
    if let Zeros::Entries(x) = &zeros[l - 1] {
        let (out, sigma) = (&mut a[l], network.sigma(l));
        dispatch(isa, OfEntries { x, coefs, intercepts, panels, out, sigma });
        return;
    }
    if has_contiguous_rows(coefs) {
        let (before, after) = a.split_at_mut(l);
        let (a, z, sigma) = (&before[l - 1], &mut after[0], ApplySigma::of_layer(network, l));
        return affine_in_place(isa, a, coefs, intercepts, panels, z.as_mut(), sigma);
    }
    let at_once = panels_at_once::<T>(fan_in);
    for first in panels.clone().step_by(at_once) {
        let some = first..panels.end.min(first + at_once);
        let data = &mut room.as_mut_slice()[..some.len() * (fan_in + 1) * WIDTH];
        Network::pack_panels(coefs, intercepts, some, data);
        let layer = Layer { fan_in, fan_out, first, data };
        activations(l, network, layer, isa, Masks::NONE, workspace);
    }
}

/// a^1 of some neurons, from the weights that entries of X name alone.
struct OfEntries<'a, 'b, T> {
    x: &'a Entries<T>,
    coefs: ArrayView2<'b, T>,
    intercepts: ArrayView1<'b, T>,
    panels: Range<usize>,
    out: &'a mut Panels<T>,
    sigma: Option<Activation>,
}

impl<T: Real> Kernel<T> for OfEntries<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Scalar = T>>(self) {
        let OfEntries { x, coefs, intercepts, panels, out, sigma } = self;
        let neurons = |panel: usize| {
            let first = panel * WIDTH;
            ndarray::s![first..first + panel_cols(intercepts.len(), panel)]
        };
        let first = panels.start * WIDTH;
        let last = intercepts.len().min(panels.end * WIDTH);
        for row in 0..x.rows() {
            for panel in panels.clone() {
                let biases = intercepts.slice(neurons(panel));
                let z = &mut out.panel_mut(panel)[row * WIDTH..][..WIDTH];
                z.iter_mut().zip(biases).for_each(|(z, &b)| *z = b);
            }
            let (own, following) = x.from_row(row);
            let ahead = own.iter().chain(following).skip(ENTRIES_AHEAD);
            let mut ahead = ahead.filter_map(|e| coefs.row(e.at as usize).to_slice());
            for entry in own {
                // They stand far from one another: many are asked for at once.
                if let Some(w) = ahead.next() {
                    prefetch_slice(&w[first..last]);
                }
                let w = coefs.row(entry.at as usize);
                for panel in panels.clone() {
                    let z = &mut out.panel_mut(panel)[row * WIDTH..][..WIDTH];
                    add_multiple::<V>(entry.value, w, panel, z);
                }
            }
        }
        if let Some(sigma) = sigma {
            for panel in panels {
                sigma.apply::<V>(out.panel_mut(panel));
            }
        }
    }
}

/// z <- x w + z for the neurons of a panel; w has those of all panels.
#[inline(always)]
pub fn add_multiple<V: Vector>(
    x: V::Scalar,
    w: ArrayView1<'_, V::Scalar>,
    panel: usize,
    z: &mut [V::Scalar],
) {
    let first = panel * WIDTH;
    let mut copy = [V::Scalar::ZERO; WIDTH];
    let whole = w.to_slice().and_then(|w| w.get(first..first + WIDTH));
    let w = whole.unwrap_or_else(|| {
        copy.iter_mut().zip(w.iter().skip(first)).for_each(|(copy, &w)| *copy = w);
        &copy
    });
    for j in (0..WIDTH).step_by(V::LANES) {
        V::splat(x).mul_add(V::read(w, j), V::read(z, j)).write(z, j);
    }
}
