//! The rows of a call: inputs, targets and weights, and which of them a mini-batch is made of.
//!
//! It imports [`linalg`](crate::linalg) and [`network`](crate::network). Newcomers start with [`batch`].

pub mod batch;
pub mod rows;

pub use batch::{Ahead, Data, Input, Layout, Targets, check_order, gather, gather_entries};
pub use rows::Rows;
