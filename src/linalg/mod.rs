//! Matrices and threads: the only part of the core that knows instruction sets, and how numbers lie in memory.
//!
//! It imports nothing of the crate but [`error`](crate::error). Newcomers start with [`dense`], the products of a layer.
//!
//! | room | what |
//! |---|---|
//! | [`memory`] | matrices as panels of 16 columns; cache lines before they are needed |
//! | [`kernels`] | what a kernel may do with a register, on each instruction set, and which one it runs on |
//! | [`dense`] | the products of a layer |
//! | [`zeros`] | the same without the zeros of its inputs |
//! | [`team`] | threads for the length of a call |

pub mod dense;
pub mod kernels;
pub mod memory;
pub mod team;
pub mod zeros;
