//! The products of a layer without the zeros of its inputs: the same sums, of fewer terms.
//!
//! It imports [`memory`](super::memory), [`kernels`](super::kernels) and [`dense`](super::dense). Newcomers start with
//! [`sparse`].

pub mod bits;
pub mod columns;
pub mod csr;
pub mod entries;
pub mod masks;
pub mod sparse;
