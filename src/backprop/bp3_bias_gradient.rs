//! BP3, the gradient of the biases.

use crate::backprop::workspace::Workspace;
use crate::linalg::dense;
use crate::linalg::kernels::Vector;
use crate::network::Block;

/// BP3: ∂C/∂b^l = δ^l, summed over the rows of all workspaces.
#[inline(always)]
pub fn bias_gradient<V: Vector>(
    block: &Block,
    workspaces: &[Workspace<V::Scalar>],
    gradient: &mut [V::Scalar],
) {
    for (i, w) in workspaces.iter().enumerate() {
        let delta = w.delta[block.layer - 1].panel(block.panel);
        dense::column_sums::<V>(delta, block.cols, i > 0, gradient);
    }
}
