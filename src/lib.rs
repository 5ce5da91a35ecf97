//! Multilayer perceptrons trained by the four equations of backpropagation.
//!
//! z^l = w^l a^(l-1) + b^l is the weighted input of layer l, a^l = σ(z^l) its activation, C the cost, and δ^l = ∂C/∂z^l the
//! error. Layer 0 is the input, layer L the output.
//!
//! | | equation | code |
//! |---|---|---|
//! | BP1 | δ^L = ∇_a C ⊙ σ'(z^L) | [`backprop::output_delta`], by [`cost`](network::cost) |
//! | BP2 | δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ'(z^l) | [`backprop::hidden_delta`] |
//! | BP3 | ∂C/∂b^l = δ^l | [`backprop::bias_gradient`] |
//! | BP4 | ∂C/∂w^l_jk = a^(l-1)_k δ^l_j | [`backprop::weight_gradient`] |
//!
//! The modules from the bottom up, each of which imports from those before it: [`linalg`], [`network`], [`data`],
//! [`backprop`], [`training`], then [`predict`], [`predict_few`], [`inspect`] and [`format`](mod@format), and the binding to Python.
//!
//! A mini-batch is a matrix whose rows are samples; weights are of shape (fan_in, fan_out), as in scikit-learn.

#![deny(clippy::undocumented_unsafe_blocks)]
// Tests may do all of this. Indexing and slicing stay: they are checked at run time, and in the kernels what is indexed
// was made, with its sizes, a few lines above. What comes from outside is another matter, see `python` below.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )
)]

pub mod allocate;
pub mod backprop;
pub mod data;
pub mod error;
pub mod format;
pub mod input_gradients;
pub mod inspect;
pub mod linalg;
pub mod network;
pub mod predict;
pub mod predict_few;
pub mod training;

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod guard_pages;

#[cfg(feature = "python")]
#[deny(clippy::indexing_slicing)]
mod python;
