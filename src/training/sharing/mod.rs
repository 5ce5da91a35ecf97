//! The ways to share out a mini-batch among threads.
//!
//! It imports what [`training`](super) does. Newcomers start with [`rounds`], the way of most networks.

pub mod balance;
mod by_neurons;
pub mod by_rows;
pub mod pace;
pub mod rounds;
