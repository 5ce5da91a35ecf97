//! BP4, the gradient of the weights.

use std::ops::Range;

use crate::backprop::inputs::Inputs;
use crate::backprop::workspace::Workspace;
use crate::linalg::dense::{self, tile::Size};
use crate::linalg::kernels::{Operands, Real, Vector};
use crate::linalg::memory::panels::WIDTH;
use crate::linalg::zeros::sparse;
use crate::network::Block;

/// BP4: ∂C/∂w^l_jk = a^(l-1)_k δ^l_j, summed over the rows of all workspaces, for the block of each of `panels`: up to `PANELS`
/// panels of neurons, as [`Workspace::at_once`] says.
#[inline(always)]
pub fn weight_gradient<V: Vector<Scalar: Real>, const PANELS: usize>(
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
                let rows = delta.rows().div_ceil(V::Operands::TERMS);
                let cols = delta.cols().min(panels.end * WIDTH) - panels.start * WIDTH;
                let a = w.a_terms::<V>(block.layer - 1, inputs);
                let delta = w.delta_terms::<V>(block.layer - 1, panels.start);
                let size = Size { rows: block.rows, depth: rows, cols };
                dense::outer::<V>(a, delta, size, resume, gradient);
            }
        }
    }
}
