//! Forward and backward, in one thread: the four equations by name, and the [`Workspace`] that they write in.
//!
//! It imports [`linalg`](crate::linalg), [`network`](crate::network) and [`data`](crate::data). Newcomers start with
//! [`forward()`], then the files that have the names of the equations.
//!
//! Dimensions: `m` rows of a batch; layer l has `fan_in` inputs and `fan_out` neurons. A thread has a workspace for its
//! rows; [`forward()`] and [`backward()`] run in one alone, [`bias_gradient`] and [`weight_gradient`] read those of all.

mod backward;
mod bp1_output_delta;
mod bp2_hidden_delta;
mod bp3_bias_gradient;
mod bp4_weight_gradient;
mod dropout;
mod forward;
mod in_place;
mod inputs;
mod softmax;
mod sparsity;
mod workspace;

pub use backward::{Errors, backward, hidden_deltas, input_delta, ready_for_gradients};
pub use bp1_output_delta::{output_delta, unit_delta};
pub use bp2_hidden_delta::hidden_delta;
pub use bp3_bias_gradient::bias_gradient;
pub use bp4_weight_gradient::weight_gradient;
pub use dropout::Masks;
#[cfg(test)]
pub use forward::nothing;
pub use forward::{
    Neurons, activations, find_zeros, finish_outputs, forward, forward_from, take_in,
};
pub use in_place::{Weights, activations_in_place, add_multiple, rows_packed_at_once};
pub use sparsity::layouts;
pub use workspace::Workspace;
