//! The ways to share out a mini-batch among threads, with the same results to the last bit.
//!
//! It imports what [`training`](super) does, and nothing of it above [`trainer`](super::trainer). Newcomers start with
//! [`by_rows`], the way of most networks; [`epoch`](super::epoch) picks one.
//!
//! | file | who does what |
//! |---|---|
//! | [`by_rows`] | each thread goes forward and backward with its own rows, and updates its own parameters |
//! | [`grid`] | many threads and wide layers: those that have the same rows share out the neurons of each layer |
//! | [`halves`] | few parameters: each of two threads takes half of the rows as far as the gradient |
//! | [`by_neurons`] | small batches with many inputs: each thread has its own neurons of the first layer |
//! | [`shares`], [`workspaces`] | what is one thread's, and where it keeps it |
//! | [`split`], [`load_balance`], [`autotune`], [`work`] | how much each thread gets, and how many threads there should be |

pub mod autotune;
pub mod by_neurons;
pub mod by_rows;
pub mod grid;
pub mod halves;
pub mod load_balance;
pub mod shares;
pub mod split;
pub mod work;
pub mod workspaces;
