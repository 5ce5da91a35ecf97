//! Functions without state: forward, the gradient over all rows, and every quantity of one backward pass.

use numpy::{Element, IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySequence};

use super::arrays::{
    DataArrays, InputArray, Parameters, Precision, precision, sizes, vector, vector_mut, zeros,
};
use super::signals::Signals;
use super::threads::{self, Allowed};
use crate::data::Input;
use crate::error::Error;
use crate::inspect::inspect;
use crate::linalg::kernels::Real;
use crate::network::{Activation, Network, Output};
use crate::predict::{predict, predict_row};
use crate::training::objective::Objective;

/// Call a function that is generic over the number type with the one that `$precision` names.
macro_rules! with_precision {
    ($precision:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $precision {
            Precision::F32 => $function::<f32>($($argument),*),
            Precision::F64 => $function::<f64>($($argument),*),
        }
    };
}

/// a^L of every row; see the stub for shapes.
#[pyfunction]
#[pyo3(signature = (X, coefs, intercepts, *, activation, output_activation, n_threads=None))]
#[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
pub fn forward<'py>(
    X: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    activation: &str,
    output_activation: &str,
    n_threads: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let names = (Activation::hidden(activation)?, Output::from_name(output_activation)?);
    let threads = threads::check(n_threads)?;
    with_precision!(precision(coefs)?, forward_as(X, coefs, intercepts, names, threads))
}

fn forward_as<'py, T: Real + Element>(
    x: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    (hidden, output): (Activation, Output),
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let parameters = Parameters::<T>::new(coefs, intercepts)?;
    let (coefs, intercepts) = (parameters.coefs(), parameters.intercepts());
    let network = Network::of_parameters(&coefs, &intercepts, hidden, output)?;
    let x = InputArray::<T>::new(x)?;
    let view = x.view()?;
    view.check(&network)?;
    let out = zeros::<T>(py, [view.rows(), network.outputs()])?;
    let mut writable = out.try_readwrite()?;
    if let Input::Dense(x) = &view
        && x.nrows() == 1
        && let Some(row) = x.row(0).as_slice()
    {
        predict_row(&network, &coefs, &intercepts, row, writable.as_slice_mut()?)?;
    } else {
        let threads = Allowed::of(threads).share();
        let out = writable.as_array_mut();
        let mut signals = Signals::new();
        let done = py.detach(|| {
            let parameters = network.pack(&coefs, &intercepts)?;
            let stop = || signals.stop();
            predict(&network, parameters.as_slice(), &view, threads.count, out, stop)
        })?;
        signals.result(done)?;
    }
    drop(writable);
    Ok(out.into_any())
}

/// Cost and penalty over all rows, and their gradient; see the stub for shapes.
#[pyfunction]
#[pyo3(signature = (packed, gradient, X, y, *, layer_sizes, activation, output_activation, cost, alpha=0.0, sample_weight=None, n_threads=None))]
#[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub fn loss_gradient<'py>(
    packed: &Bound<'py, PyAny>,
    gradient: &Bound<'py, PyAny>,
    X: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    layer_sizes: &Bound<'py, PySequence>,
    activation: &str,
    output_activation: &str,
    cost: &str,
    alpha: f64,
    sample_weight: Option<&Bound<'py, PyAny>>,
    n_threads: Option<usize>,
) -> PyResult<(f64, f64)> {
    check_alpha(alpha)?;
    let hidden = Activation::hidden(activation)?;
    let layer_sizes = sizes(layer_sizes)?;
    let network = Network::new(&layer_sizes, hidden, Output::from_name(output_activation)?)?;
    let threads = Allowed::of(threads::check(n_threads)?).share();
    let data = (X, y, sample_weight);
    let precision = Precision::of("packed", packed)?;
    with_precision!(
        precision,
        loss_gradient_as(packed, gradient, data, network, cost, alpha, threads.count)
    )
}

/// X, y and sample_weight as they came.
type Triple<'a, 'py> =
    (&'a Bound<'py, PyAny>, &'a Bound<'py, PyAny>, Option<&'a Bound<'py, PyAny>>);

fn loss_gradient_as<'py, T: Real + Element>(
    packed: &Bound<'py, PyAny>,
    gradient: &Bound<'py, PyAny>,
    (x, y, sample_weight): Triple<'_, 'py>,
    network: Network,
    cost: &str,
    alpha: f64,
    threads: usize,
) -> PyResult<(f64, f64)> {
    let cost = network.cost(cost)?;
    let arrays = DataArrays::<T>::new(x, y, sample_weight)?;
    let data = arrays.view()?;
    data.check(&network)?;
    let packed = vector::<T>("packed", packed)?;
    let mut gradient = vector_mut::<T>("gradient", gradient)?;
    let (from, to) = (packed.as_slice()?, gradient.as_slice_mut()?);
    network.check_vector("packed", from)?;
    network.check_vector("gradient", to)?;
    let mut signals = Signals::new();
    let loss = x.py().detach(|| {
        let mut objective = Objective::new(network, cost, alpha)?;
        objective.evaluate(from, &data, threads, to, || signals.stop())
    })?;
    let loss = signals.result(loss)?;
    Ok((loss.cost, loss.penalty))
}

/// Every quantity of one backward pass; see the stub for the keys.
#[pyfunction]
#[pyo3(signature = (X, y, coefs, intercepts, *, activation, output_activation, cost, alpha=0.0, sample_weight=None))]
#[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub fn backprop<'py>(
    X: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    activation: &str,
    output_activation: &str,
    cost: &str,
    alpha: f64,
    sample_weight: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    check_alpha(alpha)?;
    let names = (Activation::hidden(activation)?, Output::from_name(output_activation)?);
    let data = (X, y, sample_weight);
    with_precision!(precision(coefs)?, backprop_as(data, coefs, intercepts, names, cost, alpha))
}

fn backprop_as<'py, T: Real + Element>(
    (x, y, sample_weight): Triple<'_, 'py>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    (hidden, output): (Activation, Output),
    cost: &str,
    alpha: f64,
) -> PyResult<Bound<'py, PyDict>> {
    let py = x.py();
    let parameters = Parameters::<T>::new(coefs, intercepts)?;
    let (coefs, intercepts) = (parameters.coefs(), parameters.intercepts());
    let network = Network::of_parameters(&coefs, &intercepts, hidden, output)?;
    let cost = network.cost(cost)?;
    let arrays = DataArrays::<T>::new(x, y, sample_weight)?;
    let data = arrays.view()?;
    let mut signals = Signals::new();
    let found = py.detach(|| {
        let parameters = network.pack(&coefs, &intercepts)?;
        inspect(&network, parameters.as_slice(), cost, alpha, &data, || signals.stop())
    })?;
    let found = signals.result(found)?;
    let result = PyDict::new(py);
    result.set_item("cost", found.loss.cost)?;
    result.set_item("penalty", found.loss.penalty)?;
    for (key, matrices) in [("z", found.z), ("a", found.a), ("delta", found.delta)] {
        result.set_item(key, PyList::new(py, matrices.into_iter().map(|m| m.into_pyarray(py)))?)?;
    }
    let (grad_w, grad_b): (Vec<_>, Vec<_>) = found.gradient.into_iter().unzip();
    result.set_item("grad_w", PyList::new(py, grad_w.into_iter().map(|g| g.into_pyarray(py)))?)?;
    result.set_item("grad_b", PyList::new(py, grad_b.into_iter().map(|g| g.into_pyarray(py)))?)?;
    Ok(result)
}

fn check_alpha(alpha: f64) -> Result<(), Error> {
    if alpha >= 0.0 && alpha.is_finite() {
        Ok(())
    } else {
        Err(Error::value("alpha", "at least 0 and finite", alpha))
    }
}
