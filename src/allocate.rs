//! Memory that may be refused: an error, where the standard library ends the process.

use ndarray::Array2;

use crate::error::Error;

/// A matrix in C order from what `extend` appends for each row, or [`Error::Memory`].
pub fn matrix_of<T>(
    rows: usize,
    cols: usize,
    extend: impl Fn(usize, &mut Vec<T>),
    what: &'static str,
) -> Result<Array2<T>, Error> {
    let memory = || Error::Memory { what };
    let mut data = Vec::new();
    data.try_reserve_exact(rows.checked_mul(cols).ok_or_else(memory)?).map_err(|_| memory())?;
    (0..rows).for_each(|row| extend(row, &mut data));
    Array2::from_shape_vec((rows, cols), data).map_err(|_| memory())
}

/// `len` copies of `value`, or [`Error::Memory`].
pub fn vector_of<T: Clone>(value: T, len: usize, what: &'static str) -> Result<Vec<T>, Error> {
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(|_| Error::Memory { what })?;
    data.resize(len, value);
    Ok(data)
}
