//! Model files, through Python's file objects: its errors are the ones that users know.

use std::io::{self, Read, Write};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyMemoryError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use crate::format::{self, Array, Dtype, FormatError};

/// Bytes that one call of a file's method moves at most.
const AT_ONCE: usize = 1 << 20;

impl From<FormatError> for PyErr {
    fn from(error: FormatError) -> PyErr {
        match error {
            FormatError::Io(error) => error.into(),
            FormatError::Memory { .. } => PyMemoryError::new_err(error.to_string()),
            FormatError::Invalid(_) | FormatError::Version { .. } => {
                PyValueError::new_err(error.to_string())
            }
        }
    }
}

/// A Python file, opened for bytes.
struct File<'a, 'py>(&'a Bound<'py, PyAny>);

impl Read for File<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Ctrl-C ends even the reading of a huge file early.
        self.0.py().check_signals()?;
        let most = buffer.len().min(AT_ONCE);
        let found = self.0.call_method1("read", (most,))?;
        let bytes = found.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes();
        match buffer.get_mut(..bytes.len()) {
            Some(part) => part.copy_from_slice(bytes),
            None => return Err(PyValueError::new_err("read gave more than was asked for").into()),
        }
        Ok(bytes.len())
    }
}

impl Write for File<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.py().check_signals()?;
        let most = bytes.get(..AT_ONCE).unwrap_or(bytes);
        let written =
            self.0.call_method1("write", (PyBytes::new(self.0.py(), most),))?.extract::<usize>()?;
        if written > most.len() {
            return Err(PyValueError::new_err("write took more than was given").into());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.call_method0("flush")?;
        Ok(())
    }
}

/// An array for a file: name, dtype, shape, and the bytes of its numbers.
type Given<'py> = (String, String, Vec<u64>, PyReadonlyArray1<'py, u8>);

/// Write a model; see the stub.
#[pyfunction]
#[pyo3(signature = (file, document, arrays, /))]
pub fn write_model(
    file: &Bound<'_, PyAny>,
    document: &str,
    arrays: Vec<Given<'_>>,
) -> PyResult<()> {
    let arrays = arrays
        .iter()
        .map(|(name, dtype, shape, data)| {
            Ok(Array { name, dtype: Dtype::from_name(dtype)?, shape, data: data.as_slice()? })
        })
        .collect::<PyResult<Vec<_>>>()?;
    format::write(document, &arrays, &mut File(file))?;
    Ok(())
}

/// An array of a file, in the same form.
type Found<'py> = (String, &'static str, Bound<'py, PyTuple>, Bound<'py, PyArray1<u8>>);

/// Read a model; see the stub.
#[pyfunction]
#[pyo3(signature = (file, size, /))]
pub fn read_model<'py>(file: &Bound<'py, PyAny>, size: u64) -> PyResult<(String, Vec<Found<'py>>)> {
    let py = file.py();
    let mut arrays = Vec::new();
    let document = format::read(&mut File(file), size, |entry, data| {
        arrays.push((
            entry.name.to_owned(),
            entry.dtype.name(),
            PyTuple::new(py, entry.shape())?,
            data.into_pyarray(py),
        ));
        Ok::<_, PyErr>(())
    })?;
    Ok((document, arrays))
}
