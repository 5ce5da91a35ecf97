//! Functions without state: forward, the gradient over all rows, and every quantity of one backward pass.

use numpy::{Element, IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySequence};

use super::arrays::{
    DataArrays, InputArray, MAX_LAYERS, Parameters, Precision, precision, sizes, vector,
    vector_mut, zeros,
};
use super::network::{Named, hidden, numbers};
use super::signals::Signals;
use super::threads::{self, Allowed};
use crate::backprop::{Masks, Weights};
use crate::data::Input;
use crate::error::Error;
use crate::input_gradients::input_gradients as core_input_gradients;
use crate::inspect::inspect;
use crate::linalg::kernels::Real;
use crate::network::{Hidden, Network, Output};
use crate::predict::{predict, predict_row};
use crate::predict_few::{is_few, is_for_threads, predict_few};
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
    activation: &Bound<'py, PyAny>,
    output_activation: &str,
    n_threads: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let names = (hidden(activation)?, Output::from_name(output_activation)?);
    let threads = threads::check(n_threads)?;
    with_precision!(precision(coefs)?, forward_as(X, coefs, intercepts, names, threads))
}

fn forward_as<'py, T: Real + Element>(
    x: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    (hidden, output): (Hidden, Output),
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
        && !is_for_threads(&network, &view)
        && let Some(row) = x.row(0).as_slice()
    {
        predict_row(&network, &coefs, &intercepts, row, writable.as_slice_mut()?)?;
    } else {
        let out = writable.as_array_mut();
        let mut signals = Signals::new();
        let mut shared = None;
        let done = py.detach(|| {
            let stop = || signals.stop();
            let allowed = || shared.insert(Allowed::of(threads).share()).count;
            if is_few(&network, &view) {
                let weights = Weights::Unpacked { coefs: &coefs, intercepts: &intercepts };
                return predict_few(&network, weights, &view, allowed, out, stop);
            }
            let parameters = network.pack(&coefs, &intercepts)?;
            predict(&network, parameters.as_slice(), &view, allowed, out, stop)
        })?;
        signals.result(done)?;
    }
    drop(writable);
    Ok(out.into_any())
}

/// ∂a^L / ∂a^0 of every row; see the stub for shapes.
#[pyfunction]
#[pyo3(signature = (X, coefs, intercepts, *, activation, output_activation))]
#[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
pub fn input_gradients<'py>(
    X: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    activation: &Bound<'py, PyAny>,
    output_activation: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let names = (hidden(activation)?, Output::from_name(output_activation)?);
    with_precision!(precision(coefs)?, input_gradients_as(X, coefs, intercepts, names))
}

fn input_gradients_as<'py, T: Real + Element>(
    x: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    (hidden, output): (Hidden, Output),
) -> PyResult<Bound<'py, PyAny>> {
    let py = x.py();
    let parameters = Parameters::<T>::new(coefs, intercepts)?;
    let (coefs, intercepts) = (parameters.coefs(), parameters.intercepts());
    let network = Network::of_parameters(&coefs, &intercepts, hidden, output)?;
    let x = InputArray::<T>::new(x)?;
    let view = x.view()?;
    view.check(&network)?;
    let of_row = network.outputs().checked_mul(network.inputs());
    let of_row = of_row.ok_or(Error::Memory { what: "the result" })?;
    let out = zeros::<T>(py, [view.rows(), of_row])?;
    let mut writable = out.try_readwrite()?;
    let array = writable.as_slice_mut()?;
    let mut signals = Signals::new();
    let done = py.detach(|| {
        let parameters = network.pack(&coefs, &intercepts)?;
        core_input_gradients(&network, parameters.as_slice(), &view, array, || signals.stop())
    })?;
    signals.result(done)?;
    drop(writable);
    Ok(out.into_any())
}

/// Cost and penalty over all rows, and their gradient; see the stub for shapes.
#[pyfunction]
#[pyo3(signature = (packed, gradient, X, y, *, layer_sizes, activation, output_activation, cost, cost_parameter=None, label_smoothing=0.0, alpha=0.0, sample_weight=None, n_threads=None))]
#[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub fn loss_gradient<'py>(
    packed: &Bound<'py, PyAny>,
    gradient: &Bound<'py, PyAny>,
    X: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    layer_sizes: &Bound<'py, PySequence>,
    activation: &Bound<'py, PyAny>,
    output_activation: &str,
    cost: &str,
    cost_parameter: Option<&Bound<'py, PyAny>>,
    label_smoothing: f64,
    alpha: f64,
    sample_weight: Option<&Bound<'py, PyAny>>,
    n_threads: Option<usize>,
) -> PyResult<(f64, f64)> {
    check_alpha(alpha)?;
    let cost = Named { name: cost, parameter: cost_parameter, label_smoothing };
    let hidden = hidden(activation)?;
    let layer_sizes = sizes(layer_sizes)?;
    let network = Network::new(&layer_sizes, hidden, Output::from_name(output_activation)?)?;
    let n_threads = threads::check(n_threads)?;
    let data = (X, y, sample_weight);
    let precision = Precision::of("packed", packed)?;
    with_precision!(
        precision,
        loss_gradient_as(packed, gradient, data, network, cost, alpha, n_threads)
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
    cost: Named<'_, 'py>,
    alpha: f64,
    n_threads: Option<usize>,
) -> PyResult<(f64, f64)> {
    let cost = cost.cost(&network)?;
    let arrays = DataArrays::<T>::new(x, y, sample_weight)?;
    let data = arrays.view()?;
    let packed = vector::<T>("packed", packed)?;
    let mut gradient = vector_mut::<T>("gradient", gradient)?;
    let (from, to) = (packed.as_slice()?, gradient.as_slice_mut()?);
    network.check_vector("packed", from)?;
    network.check_vector("gradient", to)?;
    let mut signals = Signals::new();
    let mut shared = None;
    let loss = x.py().detach(|| {
        let allowed = || shared.insert(Allowed::of(n_threads).share()).count;
        let mut objective = Objective::new(network, cost, alpha)?;
        objective.evaluate(from, &data, allowed, to, || signals.stop())
    })?;
    let loss = signals.result(loss)?;
    Ok((loss.cost, loss.penalty))
}

/// Every quantity of one backward pass; see the stub for the keys.
#[pyfunction]
#[pyo3(signature = (X, y, coefs, intercepts, *, activation, output_activation, cost, cost_parameter=None, label_smoothing=0.0, dropout=None, dropout_seed=0, alpha=0.0, sample_weight=None))]
#[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python function")]
pub fn backprop<'py>(
    X: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    activation: &Bound<'py, PyAny>,
    output_activation: &str,
    cost: &str,
    cost_parameter: Option<&Bound<'py, PyAny>>,
    label_smoothing: f64,
    dropout: Option<&Bound<'py, PyAny>>,
    dropout_seed: u64,
    alpha: f64,
    sample_weight: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    check_alpha(alpha)?;
    let cost = Named { name: cost, parameter: cost_parameter, label_smoothing };
    let dropout = dropout.map(|rates| numbers("dropout", rates, MAX_LAYERS)).transpose()?;
    let settings = Settings { cost, dropout, dropout_seed, alpha };
    let names = (hidden(activation)?, Output::from_name(output_activation)?);
    let data = (X, y, sample_weight);
    with_precision!(precision(coefs)?, backprop_as(data, coefs, intercepts, names, settings))
}

/// What a backward pass is to know beside the network and the rows.
struct Settings<'a, 'py> {
    cost: Named<'a, 'py>,
    dropout: Option<Vec<f64>>,
    dropout_seed: u64,
    alpha: f64,
}

fn backprop_as<'py, T: Real + Element>(
    (x, y, sample_weight): Triple<'_, 'py>,
    coefs: &Bound<'py, PySequence>,
    intercepts: &Bound<'py, PySequence>,
    (hidden, output): (Hidden, Output),
    Settings { cost, dropout, dropout_seed, alpha }: Settings<'_, 'py>,
) -> PyResult<Bound<'py, PyDict>> {
    let py = x.py();
    let parameters = Parameters::<T>::new(coefs, intercepts)?;
    let (coefs, intercepts) = (parameters.coefs(), parameters.intercepts());
    let mut network = Network::of_parameters(&coefs, &intercepts, hidden, output)?;
    let cost = cost.cost(&network)?;
    let masks = match dropout {
        None => Masks::NONE,
        Some(rates) => {
            network.set_dropout(rates)?;
            Masks::new(dropout_seed, 0, 1.0)
        }
    };
    let arrays = DataArrays::<T>::new(x, y, sample_weight)?;
    let data = arrays.view()?;
    let mut signals = Signals::new();
    let found = py.detach(|| {
        let parameters = network.pack(&coefs, &intercepts)?;
        inspect(&network, parameters.as_slice(), &cost, alpha, &data, masks, || signals.stop())
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
