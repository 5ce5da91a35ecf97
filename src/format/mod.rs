//! A model as bytes, and back, every size checked.
//!
//! It imports names and checks of [`network`](crate::network) and [`training`](crate::training), and no trainer. Newcomers
//! start with [`file`](mod@file).
//!
//! A model file is a [safetensors](https://github.com/huggingface/safetensors) file: the length of the header (8 bytes,
//! little-endian), the header (JSON: name, dtype, shape and place of every array), and the arrays, one after another.
//! One entry of its `__metadata__`, named [`header::KEY`], is a JSON document of everything that is no array.
//!
//! | array | shape | dtype |
//! |---|---|---|
//! | `coefs_.0`, `coefs_.1`, ... | (fan_in, fan_out) | F32 or F64, the same for all of these |
//! | `intercepts_.0`, ... | (fan_out,) | |
//! | `optimizer.{slot}.coefs_.0`, `optimizer.{slot}.intercepts_.0`, ... | as those | F32 or F64, the same for all of these |
//! | `classes_`, `label_binarizer.classes_` | (classes,), text: (classes, width) | any number; text: U32, code points |
//! | `feature_names_in_.text`, `feature_names_in_.ends` | (bytes,), (features,) | U8, UTF-8; U64 |
//! | `loss_curve_`, `validation_scores_`, `validation_loss_curve_` | (epochs,) | F64 |
//! | `unfinished.order`, `unfinished.held_out` | (rows,) | I64, of a fit that was cut short |
//! | `unfinished.best.coefs_.0`, `unfinished.best.intercepts_.0`, ... | as `coefs_.0`, ... | its best weights so far |
//! | `random_state` | (624,) | U32 |
//!
//! Reading trusts nothing. Memory is asked for only when the header is known to describe exactly the bytes that the file
//! has, and then one array at a time: in all never more than twice the file and [`SLACK`]. That is why the crate
//! `safetensors`, the oracle of the tests, does not do it: it wants the whole file in memory, and takes headers that unfold
//! to many times their length. Writing ends with the checks of reading, so that what was written can be read.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions
    )
)]

pub mod array;
pub mod document;
mod error;
pub mod file;
pub mod header;
mod labels;
mod value;

pub use array::{Array, Dtype};
pub use error::FormatError;
pub use file::{SLACK, check_data, head, header_len, read_header};
