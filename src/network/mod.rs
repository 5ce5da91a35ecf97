//! What a network is: its shape, its parameters, its activations and its cost.
//!
//! It imports [`linalg`](crate::linalg). Newcomers start with [`shape`]; to add an activation or a cost, with [`activation`]
//! or [`formulas`].

pub mod activation;
pub mod blocks;
pub mod cost;
pub mod formulas;
pub mod parameters;
pub mod shape;

pub use activation::{Activation, Hidden, Output};
pub use blocks::{AtOnce, Band, Block};
pub use cost::Cost;
pub use shape::Network;
