//! The three products of a layer, of all numbers. They live here, import [`memory`](super::memory) and
//! [`kernels`](super::kernels), and have one tile, with which newcomers start.
//!
//! Dimensions: `m` rows of a batch, `k` inputs (`fan_in`) and `n` outputs (`fan_out`) of a layer. Every matrix is in
//! [panels](super::memory::panels); the parameters of a [`layer`] are one panel after another, each of `fan_in` rows of
//! weights and one row of biases.
//!
//! | product | for | tile (rows x columns) | sum over |
//! |---|---|---|---|
//! | [`affine`](affine::affine): z = a w + b | forward | m x n | k |
//! | [`transposed`](transposed::transposed): δ wᵀ | BP2 | m x k | n |
//! | [`outer`](outer::outer): aᵀ δ | BP4 | k x n | m |
//!
//! Each element is summed in the order of the sum's index, whatever the tile, the number of threads or the size of the
//! batch: results do not depend on them.

pub mod affine;
pub mod bfloat16;
pub mod blocks;
pub mod in_place;
pub mod layer;
mod next;
pub mod outer;
mod rows_times_panels;
mod scratch;
#[cfg(test)]
mod tests;
pub mod tile;
pub mod transposed;

pub use affine::affine;
pub use layer::{Epilogue, Layer};
pub use outer::{column_sums, outer};
pub use scratch::Scratch;
pub use transposed::transposed;
