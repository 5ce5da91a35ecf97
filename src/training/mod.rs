//! From gradients to a trained network: optimizers, one epoch of mini-batches, and how threads share out a batch.
//!
//! It imports [`backprop`](crate::backprop) and all below it. Newcomers start with [`trainer`], which runs an epoch.

pub mod compute;
pub mod gradients;
pub mod objective;
pub mod optimizer;
pub mod sharing;
pub mod trainer;
