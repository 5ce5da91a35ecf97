//! The core's errors as Python's exceptions.

use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError, PyZeroDivisionError};
use pyo3::prelude::*;

use crate::error::Error;

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        let message = error.to_string();
        match error {
            Error::ZeroWeight => PyZeroDivisionError::new_err(message),
            Error::Memory { .. } => PyMemoryError::new_err(message),
            Error::Worker => PyRuntimeError::new_err(message),
            Error::Name { .. }
            | Error::Shape { .. }
            | Error::Value { .. }
            | Error::Pair { .. }
            | Error::Compute { .. }
            | Error::Sparse { .. } => PyValueError::new_err(message),
        }
    }
}
