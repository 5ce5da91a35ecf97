//! Model files, without the files: Python reads and writes those, and a thread that the interpreter ends while it does so, as it
//! ends daemon threads at exit, is in no call of the core.

use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::format::{self, Array, Dtype, FormatError};

impl From<FormatError> for PyErr {
    fn from(error: FormatError) -> PyErr {
        PyValueError::new_err(error.to_string())
    }
}

/// An array of a file: name, dtype, shape, and the bytes of its numbers.
type Given<'py> = (String, String, Vec<u64>, PyReadonlyArray1<'py, u8>);

fn array<'a>((name, dtype, shape, data): &'a Given<'_>) -> PyResult<Array<'a>> {
    Ok(Array { name, dtype: Dtype::from_name(dtype)?, shape, data: data.as_slice()? })
}

/// What a file begins with; see the stub.
#[pyfunction]
#[pyo3(signature = (document, arrays, /))]
pub fn file_head<'py>(
    py: Python<'py>,
    document: &str,
    arrays: Vec<Given<'py>>,
) -> PyResult<(Bound<'py, PyBytes>, Vec<usize>)> {
    let arrays = arrays.iter().map(array).collect::<PyResult<Vec<_>>>()?;
    let (head, order) = format::head(document, &arrays)?;
    Ok((PyBytes::new(py, &head), order))
}

/// How long the header of a file is; see the stub.
#[pyfunction]
#[pyo3(signature = (start, size, /))]
pub fn header_len(start: &[u8], size: u64) -> PyResult<u64> {
    Ok(format::header_len(start, size)?)
}

/// An array that a file must have: name, dtype, shape, and how many bytes.
type Expected<'py> = (String, &'static str, Bound<'py, PyTuple>, u64);

/// The document and which arrays follow; see the stub.
#[pyfunction]
#[pyo3(signature = (header, size, /))]
pub fn read_header<'py>(
    py: Python<'py>,
    header: PyReadonlyArray1<'py, u8>,
    size: u64,
) -> PyResult<(String, Vec<Expected<'py>>)> {
    let header = format::read_header(header.as_slice()?, size)?;
    let document = header.document.clone().into_owned();
    let arrays = header.into_file_order().into_iter().map(|entry| {
        let shape = PyTuple::new(py, entry.shape())?;
        Ok((entry.name.to_owned(), entry.dtype.name(), shape, entry.bytes()))
    });
    Ok((document, arrays.collect::<PyResult<_>>()?))
}

/// Whether an array can be what its name says; see the stub.
#[pyfunction]
#[pyo3(signature = (given, /))]
pub fn check_array(given: Given<'_>) -> PyResult<()> {
    Ok(format::check_data(&array(&given)?)?)
}
