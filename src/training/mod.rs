//! From gradients to a trained network: optimizers, one epoch of mini-batches, and how threads share out a batch.
//!
//! It imports [`backprop`](crate::backprop) and all below it. Newcomers start with [`epoch`]; to add an optimizer, with
//! [`optimizer`].

pub mod batches;
pub mod clipping;
pub mod compute;
pub mod epoch;
pub mod gradient_step;
pub mod loss;
pub mod objective;
pub mod optimizer;
pub mod pass;
pub mod sharing;
pub mod trainer;
