//! The rows of a call: inputs, targets and weights, and which of them a mini-batch is made of.
//!
//! It imports [`linalg`](crate::linalg) and [`network`](crate::network). Newcomers start with [`batch`].

pub mod batch;
pub mod gather;
pub mod input;
pub mod layout;
pub mod rows;
pub mod targets;

pub use batch::Data;
pub use gather::{Ahead, gather, gather_entries};
pub use input::Input;
pub use layout::{Layout, forward_work, work_per_row};
pub use rows::{Rows, check_order};
pub use targets::Targets;
