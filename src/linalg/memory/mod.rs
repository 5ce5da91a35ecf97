//! How matrices lie in memory.
//!
//! It imports nothing. Newcomers start with [`panels`].

mod pages;
pub mod panels;
pub mod prefetch;
pub mod shared;
