//! Which rows of the data a mini-batch is made of.

use crate::error::Error;

/// Which rows of X a batch is made of, in their order: those that `order` names, or `first .. first + len`.
#[derive(Clone, Copy)]
pub enum Rows<'a> {
    Range { first: usize, len: usize },
    Named(&'a [i64]),
}

impl<'a> Rows<'a> {
    pub fn len(&self) -> usize {
        match self {
            Rows::Range { len, .. } => *len,
            Rows::Named(names) => names.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "row numbers are within the data, see `check_order`"
    )]
    pub fn get(&self, i: usize) -> usize {
        match self {
            Rows::Range { first, .. } => first + i,
            // Checked against the number of rows by whoever takes an order from outside.
            Rows::Named(names) => names[i] as usize,
        }
    }

    /// Rows `start .. start + len` of these.
    pub fn slice(&self, start: usize, len: usize) -> Rows<'a> {
        match self {
            Rows::Range { first, .. } => Rows::Range { first: first + start, len },
            Rows::Named(names) => Rows::Named(&names[start..start + len]),
        }
    }
}

/// The order of an epoch, every row number checked.
pub fn check_order(order: &[i64], rows: usize) -> Result<(), Error> {
    match order.iter().find(|&&r| usize::try_from(r).map_or(true, |r| r >= rows)) {
        None => Ok(()),
        Some(r) => Err(Error::value("order", format!("row numbers in [0, {rows})"), r)),
    }
}
