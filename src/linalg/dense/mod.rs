//! The three products of a layer, of all numbers: a w + b, δ wᵀ and aᵀ δ.
//!
//! It imports [`memory`](super::memory) and [`kernels`](super::kernels). Newcomers start with [`product`].

pub mod bfloat16;
pub mod product;
