//! Matrix kernels, their memory layout and threads: the only part of the core that knows instruction sets and threads.
//!
//! | file | what |
//! |---|---|
//! | `real`, `vector` | the two number types; what a kernel may do with a register |
//! | `portable`, `avx2`, `avx512` | the registers of each instruction set |
//! | `avx512bf16`, `bfloat16` | pairs of bfloat16 numbers and their products |
//! | `operands` | what a product multiplies: numbers, or pairs of bfloat16 numbers |
//! | `dispatch` | picks an instruction set at run time |
//! | `math` | e^x, logistic, tanh |
//! | `panels` | matrices as panels of [`WIDTH`](panels::WIDTH) columns |
//! | `prefetch` | cache lines before they are needed |
//! | `product` | the one tile and the three products made of it |
//! | `rows` | which rows of the data a mini-batch is made of |
//! | `csr` | a sparse X as it comes |
//! | `entries` | rows of X by what is not zero in them |
//! | `bits` | words of bits that say what counts |
//! | `columns` | columns of X in a small batch, and the products over them |
//! | `masks` | which numbers of a layer are not zero |
//! | `sparse` | the products over either |
//! | `team` | threads for the length of a call |
//! | `denormals` | no slow arithmetic on denormal numbers |

pub mod bfloat16;
pub mod bits;
pub mod columns;
pub mod csr;
pub mod denormals;
pub mod dispatch;
pub mod entries;
pub mod masks;
pub mod math;
pub mod operands;
pub mod panels;
pub mod prefetch;
pub mod product;
pub mod real;
pub mod rows;
pub mod sparse;
pub mod team;
pub mod vector;

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
