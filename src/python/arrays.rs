//! NumPy arrays and SciPy matrices as views, each checked before the core sees it.

use numpy::ndarray::{ArrayView1, ArrayView2};
use numpy::{
    Element, PyArray, PyArray2, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray,
    PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods, dtype, npyffi,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PySequence;

use crate::allocate::vector_of;
use crate::data::{Data, Input, Targets};
use crate::error::Error;
use crate::linalg::kernels::Real;
use crate::linalg::zeros::csr::{Csr, Indices};

/// Whether a call is in float32 or float64: what the weights are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    F32,
    F64,
}

impl Precision {
    pub fn of(name: &str, array: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = array.py();
        let found = untyped(name, array)?.dtype();
        if found.is_equiv_to(&dtype::<f32>(py)) {
            Ok(Self::F32)
        } else if found.is_equiv_to(&dtype::<f64>(py)) {
            Ok(Self::F64)
        } else {
            let message = format!("{name} must be an array of float32 or float64; got {found}");
            Err(PyTypeError::new_err(message))
        }
    }
}

fn untyped<'a, 'py>(
    name: &str,
    array: &'a Bound<'py, PyAny>,
) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    array.cast::<PyUntypedArray>().map_err(|_| {
        let kind = array.get_type().name().map_or("an unknown type".into(), |n| n.to_string());
        PyTypeError::new_err(format!("{name} must be a numpy.ndarray; got {kind}"))
    })
}

/// An array of `T` with `dims` dimensions whose numbers can be read where they stand.
fn readonly<'py, T: Element, D: numpy::ndarray::Dimension>(
    name: &str,
    array: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, T, D>> {
    let found = untyped(name, array)?;
    check_layout(name, found)?;
    let typed = array.cast::<PyArray<T, D>>().map_err(|_| {
        let expected = dtype::<T>(array.py());
        let dims = D::NDIM.map_or(String::new(), |n| format!("{n}-dimensional "));
        let (ndim, kind) = (found.ndim(), found.dtype());
        PyTypeError::new_err(format!(
            "{name} must be a {dims}array of {expected}; got {ndim} dimension(s) of {kind}"
        ))
    })?;
    typed.try_readonly().map_err(|_| {
        PyValueError::new_err(format!("{name} must not be an array that a call is writing to"))
    })
}

/// Refuse what a view of whole numbers cannot express: misaligned data, strides that are no multiple of the item size.
fn check_layout(name: &str, array: &Bound<'_, PyUntypedArray>) -> PyResult<()> {
    // SAFETY: the pointer is that of a live array.
    let flags = unsafe { (*array.as_array_ptr()).fields.flags };
    let itemsize = isize::try_from(array.dtype().itemsize().max(1)).unwrap_or(isize::MAX);
    let aligned = flags & npyffi::NPY_ARRAY_ALIGNED != 0;
    if aligned && array.strides().iter().all(|s| s % itemsize == 0) {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "{name} must be an aligned array; got one that is not (numpy.require(..., requirements='A') makes one)"
    )))
}

/// Weights and biases, held as long as the views of them are used.
pub struct Parameters<'py, T: Element> {
    coefs: Vec<PyReadonlyArray2<'py, T>>,
    intercepts: Vec<PyReadonlyArray1<'py, T>>,
}

impl<'py, T: Real + Element> Parameters<'py, T> {
    pub fn new(
        coefs: &Bound<'py, PySequence>,
        intercepts: &Bound<'py, PySequence>,
    ) -> PyResult<Self> {
        let mut parameters = Self { coefs: Vec::new(), intercepts: Vec::new() };
        for (i, w) in coefs.try_iter()?.enumerate() {
            parameters.coefs.push(readonly(&format!("coefs[{i}]"), &w?)?);
        }
        for (i, b) in intercepts.try_iter()?.enumerate() {
            parameters.intercepts.push(readonly(&format!("intercepts[{i}]"), &b?)?);
        }
        Ok(parameters)
    }

    pub fn coefs(&self) -> Vec<ArrayView2<'_, T>> {
        self.coefs.iter().map(PyReadonlyArray::as_array).collect()
    }

    pub fn intercepts(&self) -> Vec<ArrayView1<'_, T>> {
        self.intercepts.iter().map(PyReadonlyArray::as_array).collect()
    }
}

/// The precision of a list of weights.
pub fn precision(coefs: &Bound<'_, PySequence>) -> PyResult<Precision> {
    if coefs.len()? == 0 {
        return Err(Error::value("coefs", "at least one array", "none").into());
    }
    Precision::of("coefs[0]", &coefs.get_item(0)?)
}

enum IndexArray<'py> {
    I32(PyReadonlyArray1<'py, i32>),
    I64(PyReadonlyArray1<'py, i64>),
}

impl<'py> IndexArray<'py> {
    fn new(name: &str, array: &Bound<'py, PyAny>) -> PyResult<Self> {
        if untyped(name, array)?.dtype().is_equiv_to(&dtype::<i32>(array.py())) {
            Ok(Self::I32(readonly(name, array)?))
        } else {
            Ok(Self::I64(readonly(name, array)?))
        }
    }

    fn view(&self) -> PyResult<Indices<'_>> {
        Ok(match self {
            Self::I32(array) => Indices::I32(array.as_slice()?),
            Self::I64(array) => Indices::I64(array.as_slice()?),
        })
    }
}

/// X, held as long as the view of it is used.
pub enum InputArray<'py, T: Element> {
    Dense(PyReadonlyArray2<'py, T>),
    Sparse {
        data: PyReadonlyArray1<'py, T>,
        indices: Box<(IndexArrayHolder<'py>, IndexArrayHolder<'py>)>,
        cols: usize,
    },
}

/// One index array of a sparse matrix.
pub struct IndexArrayHolder<'py>(IndexArray<'py>);

impl<'py, T: Real + Element> InputArray<'py, T> {
    pub fn new(x: &Bound<'py, PyAny>) -> PyResult<Self> {
        if x.cast::<PyUntypedArray>().is_ok() {
            return Ok(Self::Dense(readonly("X", x)?));
        }
        let is_csr = x.getattr("format").is_ok_and(|f| f.eq("csr").unwrap_or(false));
        if !is_csr {
            let kind = x.get_type().name()?;
            let message = format!("X must be a numpy.ndarray or a SciPy CSR matrix; got {kind}");
            return Err(PyTypeError::new_err(message));
        }
        let part = |attribute: &str| {
            x.getattr(attribute).map_err(|_| {
                PyTypeError::new_err(format!(
                    "X must be a SciPy CSR matrix; it has no {attribute:?}"
                ))
            })
        };
        let (_, cols): (usize, usize) = part("shape")?.extract()?;
        let index = |name: &str, attribute: &str| {
            IndexArray::new(name, &part(attribute)?).map(IndexArrayHolder)
        };
        Ok(Self::Sparse {
            data: readonly("X.data", &part("data")?)?,
            indices: Box::new((index("X.indices", "indices")?, index("X.indptr", "indptr")?)),
            cols,
        })
    }

    pub fn view(&self) -> PyResult<Input<'_, T>> {
        Ok(match self {
            Self::Dense(x) => Input::Dense(x.as_array()),
            Self::Sparse { data, indices, cols } => {
                let (indices, indptr) = (indices.0.0.view()?, indices.1.0.view()?);
                Input::Sparse(Csr::new(data.as_slice()?, indices, indptr, *cols)?)
            }
        })
    }
}

enum TargetArray<'py, T: Element> {
    Dense(PyReadonlyArray2<'py, T>),
    Classes(PyReadonlyArray1<'py, i64>),
}

/// X, y and sample_weight, held as long as the views of them are used.
pub struct DataArrays<'py, T: Element> {
    x: InputArray<'py, T>,
    y: TargetArray<'py, T>,
    weights: Option<PyReadonlyArray1<'py, T>>,
}

impl<'py, T: Real + Element> DataArrays<'py, T> {
    pub fn new(
        x: &Bound<'py, PyAny>,
        y: &Bound<'py, PyAny>,
        weights: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let y = match untyped("y", y)?.ndim() {
            1 => TargetArray::Classes(readonly("y", y)?),
            _ => TargetArray::Dense(readonly("y", y)?),
        };
        let weights = weights.map(|w| readonly("sample_weight", w)).transpose()?;
        Ok(Self { x: InputArray::new(x)?, y, weights })
    }

    pub fn x(&self) -> &InputArray<'py, T> {
        &self.x
    }

    pub fn view(&self) -> PyResult<Data<'_, T>> {
        Ok(Data {
            x: self.x.view()?,
            y: match &self.y {
                TargetArray::Dense(y) => Targets::Dense(y.as_array()),
                TargetArray::Classes(y) => Targets::Classes(y.as_array()),
            },
            weights: self.weights.as_ref().map(PyReadonlyArray::as_array),
        })
    }
}

/// An order of rows from a contiguous array of int64: a copy, which nobody else writes to between its check and its use.
pub fn order(array: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let array: PyReadonlyArray1<'_, i64> = readonly("order", array)?;
    let names = array.as_slice()?;
    let mut order = vector_of(0, names.len(), "the order of rows")?;
    order.copy_from_slice(names);
    Ok(order)
}

/// A number for each mini-batch, likewise: a copy of a contiguous array of float64.
pub fn of_batches(name: &str, array: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let array: PyReadonlyArray1<'_, f64> = readonly(name, array)?;
    Ok(array.as_slice()?.to_vec())
}

/// Zeros in C order. (`PyArray::zeros` panics where NumPy refuses.)
pub fn zeros<T: Element>(py: Python<'_>, shape: [usize; 2]) -> PyResult<Bound<'_, PyArray2<T>>> {
    let mut dims = [0; 2];
    for (dim, size) in dims.iter_mut().zip(shape) {
        *dim =
            npyffi::npy_intp::try_from(size).map_err(|_| Error::Memory { what: "the result" })?;
    }
    // SAFETY: `dims` holds as many numbers as the call is told, the reference to the dtype is handed over, and what comes back
    // is either null with an exception set or a new array of that dtype and two dimensions.
    unsafe {
        let dtype = T::get_dtype(py).into_ptr().cast();
        let array = npyffi::PY_ARRAY_API.PyArray_Zeros(py, 2, dims.as_mut_ptr(), dtype, 0);
        Ok(Bound::from_owned_ptr_or_err(py, array)?.cast_into_unchecked())
    }
}

/// Layer sizes. (A `Vec` as an argument reserves whatever length an object claims to have.)
pub fn sizes(sequence: &Bound<'_, PySequence>) -> PyResult<Vec<usize>> {
    let mut sizes = Vec::new();
    for size in sequence.try_iter()? {
        if sizes.len() == MAX_LAYERS {
            return Err(Error::value("layer_sizes", format!("at most {MAX_LAYERS}"), "more").into());
        }
        sizes.push(size?.extract()?);
    }
    Ok(sizes)
}

/// A pair of numbers for each layer, likewise.
pub fn pairs(name: &str, sequence: &Bound<'_, PySequence>) -> PyResult<Vec<[f64; 2]>> {
    let mut pairs = Vec::new();
    for pair in sequence.try_iter()? {
        if pairs.len() == MAX_LAYERS {
            return Err(Error::value(name, format!("at most {MAX_LAYERS} pairs"), "more").into());
        }
        let (first, second) = pair?.extract()?;
        pairs.push([first, second]);
    }
    Ok(pairs)
}

/// More layers than this are a mistake.
pub const MAX_LAYERS: usize = 1 << 16;

/// A vector that is read.
pub fn vector<'py, T: Element>(
    name: &str,
    array: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray1<'py, T>> {
    readonly(name, array)
}

/// A vector that is written.
pub fn vector_mut<'py, T: Element>(
    name: &str,
    array: &Bound<'py, PyAny>,
) -> PyResult<numpy::PyReadwriteArray1<'py, T>> {
    check_layout(name, untyped(name, array)?)?;
    let typed = array.cast::<numpy::PyArray1<T>>().map_err(|_| {
        let expected = dtype::<T>(array.py());
        PyTypeError::new_err(format!("{name} must be a 1-dimensional array of {expected}"))
    })?;
    typed
        .try_readwrite()
        .map_err(|e| PyValueError::new_err(format!("{name} must be a writable array: {e}")))
}
