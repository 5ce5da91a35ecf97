//! `_core.Trainer`: a network in training.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use numpy::{Element, IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySequence};

use super::arrays::{
    DataArrays, InputArray, MAX_LAYERS, Parameters, Precision, of_batches, order as rows_of, pairs,
    precision, zeros,
};
use super::earlier::{go_on, restore};
use super::network::{Named, hidden, numbers};
use super::signals::Signals;
use super::threads::{self, Allowed, Threads};
use crate::backprop::Weights;
use crate::error::Error;
use crate::linalg::kernels::{Real, Scalar};
use crate::network::{Hidden, Network, Output};
use crate::predict::{mean_cost, predict};
use crate::predict_few::{is_few_for_packed, predict_few};
use crate::training::batches::Batches;
use crate::training::compute;
use crate::training::optimizer::Optimizer;
use crate::training::trainer::{Epoch, Trainer as CoreTrainer};

enum Inner {
    F32(CoreTrainer<f32>),
    F64(CoreTrainer<f64>),
}

/// Do the same with either number type.
macro_rules! either {
    ($inner:expr, $trainer:ident => $body:expr) => {
        match $inner {
            Inner::F32($trainer) => $body,
            Inner::F64($trainer) => $body,
        }
    };
}

/// Ends epochs that other threads are in.
#[pyclass(frozen, module = "rustbp._core")]
pub struct Stop(AtomicBool);

#[pymethods]
impl Stop {
    #[new]
    fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Parameters and optimizer state, packed for training.
#[pyclass(module = "rustbp._core")]
pub struct Trainer {
    inner: Inner,
    allowed: Allowed,
}

#[pymethods]
impl Trainer {
    #[new]
    #[pyo3(signature = (coefs, intercepts, *, activation, output_activation, cost, cost_parameter=None, label_smoothing=0.0, dropout=None, dropout_seed=0, alpha=0.0, optimizer="sgd", learning_rate=0.001, hyperparameters=None, state=None, n_threads=None, compute=None, weight_decay=0.0, max_grad_norm=None, layer_rates=None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python class")]
    fn new(
        coefs: &Bound<'_, PySequence>,
        intercepts: &Bound<'_, PySequence>,
        activation: &Bound<'_, PyAny>,
        output_activation: &str,
        cost: &str,
        cost_parameter: Option<&Bound<'_, PyAny>>,
        label_smoothing: f64,
        dropout: Option<&Bound<'_, PyAny>>,
        dropout_seed: u64,
        alpha: f64,
        optimizer: &str,
        learning_rate: f64,
        hyperparameters: Option<HashMap<String, f64>>,
        state: Option<&Bound<'_, PyDict>>,
        n_threads: Option<usize>,
        compute: Option<&str>,
        weight_decay: f64,
        max_grad_norm: Option<f64>,
        layer_rates: Option<&Bound<'_, PySequence>>,
    ) -> PyResult<Self> {
        let names = (hidden(activation)?, Output::from_name(output_activation)?);
        let cost = Named { name: cost, parameter: cost_parameter, label_smoothing };
        let dropout = dropout.map(|rates| numbers("dropout", rates, MAX_LAYERS)).transpose()?;
        let optimizer = Optimizer::from_name(optimizer, &hyperparameters.unwrap_or_default())?;
        let settings = Settings {
            names,
            cost,
            dropout,
            dropout_seed,
            alpha,
            optimizer,
            learning_rate,
            state,
            compute,
        };
        let mut inner = match precision(coefs)? {
            Precision::F32 => Inner::F32(settings.trainer(coefs, intercepts)?),
            Precision::F64 => Inner::F64(settings.trainer(coefs, intercepts)?),
        };
        either!(&mut inner, trainer => {
            trainer.set_weight_decay(weight_decay)?;
            if let Some(norm) = max_grad_norm {
                trainer.set_max_grad_norm(norm)?;
            }
            if let Some(rates) = layer_rates {
                trainer.set_layer_rates(pairs("layer_rates", rates)?)?;
            }
        });
        Ok(Self { inner, allowed: Allowed::of(threads::check(n_threads)?) })
    }

    #[getter]
    fn learning_rate(&self) -> f64 {
        either!(&self.inner, trainer => trainer.learning_rate)
    }

    #[getter]
    fn dropout_seed(&self) -> u64 {
        either!(&self.inner, trainer => trainer.dropout_seed)
    }

    #[setter]
    fn set_dropout_seed(&mut self, value: u64) {
        either!(&mut self.inner, trainer => trainer.dropout_seed = value);
    }

    #[setter]
    fn set_learning_rate(&mut self, value: f64) {
        either!(&mut self.inner, trainer => trainer.learning_rate = value);
    }

    #[pyo3(signature = (X, y, order, batch_size, sample_weight=None, *, learning_rates=None, weight_decays=None, seconds=None, stop=None))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments of a Python method")]
    #[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
    fn epoch(
        &mut self,
        X: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        order: Option<&Bound<'_, PyAny>>,
        batch_size: usize,
        sample_weight: Option<&Bound<'_, PyAny>>,
        learning_rates: Option<&Bound<'_, PyAny>>,
        weight_decays: Option<&Bound<'_, PyAny>>,
        seconds: Option<f64>,
        stop: Option<&Bound<'_, Stop>>,
    ) -> PyResult<(f64, f64)> {
        let threads = self.allowed.share();
        let order = order.map(rows_of).transpose()?;
        let learning_rates = learning_rates.map(|a| of_batches("learning_rates", a)).transpose()?;
        let weight_decays = weight_decays.map(|a| of_batches("weight_decays", a)).transpose()?;
        let batches = Batches {
            order: order.as_deref(),
            size: batch_size,
            learning_rates: learning_rates.as_deref(),
            weight_decays: weight_decays.as_deref(),
            deadline: seconds.and_then(deadline),
            stop: stop.map(|stop| &stop.get().0),
        };
        either!(&mut self.inner, trainer => {
            let arrays = DataArrays::new(X, y, sample_weight)?;
            epoch(trainer, X.py(), &arrays, batches, threads.count)
        })
    }

    /// Numbers of the layers' neurons, the inputs first.
    #[getter]
    fn layer_sizes(&self) -> Vec<usize> {
        either!(&self.inner, trainer => trainer.network().sizes().to_vec())
    }

    #[getter]
    fn dtype(&self) -> &'static str {
        match &self.inner {
            Inner::F32(_) => f32::NAME,
            Inner::F64(_) => f64::NAME,
        }
    }

    /// Updates made.
    #[getter]
    fn updates(&self) -> u64 {
        either!(&self.inner, trainer => trainer.updates())
    }

    #[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
    fn predict<'py>(&self, X: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let threads = || self.allowed.share();
        either!(&self.inner, trainer => {
            Ok(output(trainer, X.py(), &InputArray::new(X)?, threads)?.into_any())
        })
    }

    #[pyo3(signature = (X, y, sample_weight=None))]
    #[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
    fn evaluate<'py>(
        &self,
        X: &Bound<'py, PyAny>,
        y: &Bound<'py, PyAny>,
        sample_weight: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, f64)> {
        either!(&self.inner, trainer => {
            let arrays = DataArrays::new(X, y, sample_weight)?;
            let data = arrays.view()?;
            let mut signals = Signals::new();
            let checked = X.py().detach(|| data.check(trainer.network(), || signals.stop()))?;
            signals.result(checked)?;
            let a = output(trainer, X.py(), arrays.x(), || self.allowed.share())?;
            let cost = {
                let a = a.try_readonly()?;
                let (network, cost, a) = (trainer.network(), trainer.cost(), a.as_array());
                X.py().detach(|| mean_cost(network, cost, &data, a))?
            };
            Ok((a.into_any(), cost))
        })
    }

    #[pyo3(signature = (X, *, n_threads=None))]
    #[allow(non_snake_case, reason = "X is a matrix, and the name that users know")]
    fn forward<'py>(
        &self,
        X: &Bound<'py, PyAny>,
        n_threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let n_threads = threads::check(n_threads)?;
        either!(&self.inner, trainer => {
            let threads = || Allowed::of(n_threads).share();
            Ok(output(trainer, X.py(), &InputArray::new(X)?, threads)?.into_any())
        })
    }

    fn of_same_kind(&self) -> PyResult<Self> {
        let inner = match &self.inner {
            Inner::F32(trainer) => Inner::F32(trainer.of_same_kind()?),
            Inner::F64(trainer) => Inner::F64(trainer.of_same_kind()?),
        };
        Ok(Self { inner, allowed: Allowed::of(self.allowed.n_threads()) })
    }

    #[pyo3(signature = (other, *, coefs=None, intercepts=None, with_state=true, n_threads=None))]
    fn go_on_from(
        &mut self,
        other: &Bound<'_, Self>,
        coefs: Option<&Bound<'_, PySequence>>,
        intercepts: Option<&Bound<'_, PySequence>>,
        with_state: bool,
        n_threads: Option<usize>,
    ) -> PyResult<()> {
        self.allowed = Allowed::of(threads::check(n_threads)?);
        let (py, given, allowed) = (other.py(), coefs.zip(intercepts), &self.allowed);
        // Another thread may read it, but not train it.
        let other = other.try_borrow()?;
        match (&mut self.inner, &other.inner) {
            (Inner::F32(to), Inner::F32(from)) => go_on(py, to, from, given, with_state, allowed),
            (Inner::F64(to), Inner::F64(from)) => go_on(py, to, from, given, with_state, allowed),
            _ => Err(PyValueError::new_err("both trainers must be of the same kind")),
        }
    }

    fn rest(&mut self) {
        either!(&mut self.inner, trainer => trainer.rest());
    }

    fn coefs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        either!(&self.inner, trainer => {
            let (coefs, _) = arrays(py, trainer.network(), trainer.parameters())?;
            PyList::new(py, coefs)
        })
    }

    fn intercepts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        either!(&self.inner, trainer => {
            let (_, intercepts) = arrays(py, trainer.network(), trainer.parameters())?;
            PyList::new(py, intercepts)
        })
    }

    fn is_finite(&self) -> bool {
        either!(&self.inner, trainer => trainer.is_finite())
    }

    fn state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let state = PyDict::new(py);
        either!(&self.inner, trainer => {
            state.set_item("t", trainer.updates())?;
            for (name, numbers) in trainer.state() {
                let (mut coefs, intercepts) = arrays(py, trainer.network(), numbers)?;
                coefs.extend(intercepts);
                state.set_item(name, PyList::new(py, coefs)?)?;
            }
        });
        Ok(state)
    }
}

/// a^L of every row with the present parameters.
fn output<'py, T: Real + Element>(
    trainer: &CoreTrainer<T>,
    py: Python<'py>,
    x: &InputArray<'py, T>,
    threads: impl FnOnce() -> Threads + Send,
) -> PyResult<Bound<'py, PyArray2<T>>> {
    let view = x.view()?;
    let out = zeros(py, [view.rows(), trainer.network().outputs()])?;
    let mut writable = out.try_readwrite()?;
    let array = writable.as_array_mut();
    let mut signals = Signals::new();
    let mut shared = None;
    let done = py.detach(|| {
        let (network, parameters) = (trainer.network(), trainer.parameters());
        let allowed = || shared.insert(threads()).count;
        if is_few_for_packed(network, &view) {
            let weights = Weights::Packed(parameters);
            return predict_few(network, weights, &view, allowed, array, || signals.stop());
        }
        predict(network, parameters, &view, allowed, array, || signals.stop())
    })?;
    signals.result(done)?;
    drop(writable);
    Ok(out)
}

/// Everything a trainer is made from but the arrays.
struct Settings<'a, 'py> {
    names: (Hidden, Output),
    cost: Named<'a, 'py>,
    dropout: Option<Vec<f64>>,
    dropout_seed: u64,
    alpha: f64,
    optimizer: Optimizer,
    learning_rate: f64,
    state: Option<&'a Bound<'py, PyDict>>,
    compute: Option<&'a str>,
}

impl Settings<'_, '_> {
    fn trainer<T: Real + Element>(
        &self,
        coefs: &Bound<'_, PySequence>,
        intercepts: &Bound<'_, PySequence>,
    ) -> PyResult<CoreTrainer<T>> {
        let isa = compute::isa::<T>(self.compute)?;
        let arrays = Parameters::<T>::new(coefs, intercepts)?;
        let (coefs, intercepts) = (arrays.coefs(), arrays.intercepts());
        let (hidden, output) = &self.names;
        let network = Network::of_parameters(&coefs, &intercepts, hidden.clone(), *output)?;
        let cost = self.cost.cost(&network)?;
        let parameters = network.pack(&coefs, &intercepts)?;
        let (alpha, rate) = (self.alpha, self.learning_rate);
        let mut trainer = CoreTrainer::new(network, parameters, cost, alpha, self.optimizer, rate)?;
        trainer.set_isa(isa);
        if let Some(rates) = &self.dropout {
            trainer.set_dropout(rates.clone())?;
        }
        trainer.dropout_seed = self.dropout_seed;
        if let Some(state) = self.state {
            restore(&mut trainer, self.optimizer, state)?;
        }
        Ok(trainer)
    }
}

/// So many seconds from now; None beyond what a clock can tell.
fn deadline(seconds: f64) -> Option<Instant> {
    Instant::now().checked_add(Duration::try_from_secs_f64(seconds.max(0.0)).ok()?)
}

fn epoch<T: Real + Element>(
    trainer: &mut CoreTrainer<T>,
    py: Python<'_>,
    arrays: &DataArrays<'_, T>,
    batches: Batches<'_>,
    threads: usize,
) -> PyResult<(f64, f64)> {
    let data = arrays.view()?;
    let mut signals = Signals::new();
    let epoch = py.detach(|| trainer.epoch(&data, batches, threads, || signals.stop()))?;
    let loss = signals.result(match epoch {
        Epoch::Finished(loss) => Some(loss),
        Epoch::Stopped => None,
    })?;
    Ok((loss.cost, loss.penalty))
}

type Arrays<'py> = Vec<Bound<'py, PyAny>>;

/// A vector with the layout of the parameters as arrays of weights and of biases.
fn arrays<'py, T: Real + Element>(
    py: Python<'py>,
    network: &Network,
    numbers: &[T],
) -> Result<(Arrays<'py>, Arrays<'py>), Error> {
    let (mut coefs, mut intercepts) = (Vec::new(), Vec::new());
    for l in 1..=network.depth() {
        let (w, b) = network.unpack_layer(l, numbers)?;
        coefs.push(w.into_pyarray(py).into_any());
        intercepts.push(b.into_pyarray(py).into_any());
    }
    Ok((coefs, intercepts))
}
