//! What a kernel may do with a register, written once for all instruction sets, and which of them it runs on.
//!
//! It imports [`memory`](super::memory). Newcomers start with [`vector`], the interface between arithmetic and processor.

pub mod bfloat16;
pub mod denormals;
pub mod dispatch;
pub mod math;
pub mod operands;
pub mod scalar;
pub mod tile_registers;
pub mod tiles;
pub mod vector;

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512bf16;
#[cfg(test)]
pub mod bfloat16_model;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use dispatch::{Isa, Kernel, Real, dispatch};
pub use operands::{Operands, Pair};
pub use scalar::Scalar;
pub use vector::{Lane, TilesOf, Vector};
