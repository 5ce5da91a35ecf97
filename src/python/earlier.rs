//! What a trainer goes on from: the state of an earlier one, or the trainer itself.

use ndarray::{ArrayView1, ArrayView2};
use numpy::Element;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySequence};

use super::arrays::Parameters;
use super::threads::Allowed;
use crate::linalg::kernels::Real;
use crate::network::{Hidden, Network};
use crate::training::optimizer::Optimizer;
use crate::training::trainer::Trainer;

/// Take over what `state()` of an earlier trainer gave.
pub fn restore<T: Real + Element>(
    trainer: &mut Trainer<T>,
    optimizer: Optimizer,
    state: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let item = |key: &str| {
        state.get_item(key)?.ok_or_else(|| PyKeyError::new_err(format!("state lacks {key:?}")))
    };
    let network = trainer.network();
    let mut slots = Vec::new();
    for name in optimizer.slots() {
        let list = item(name)?;
        let list = list.cast::<PySequence>().map_err(PyErr::from)?;
        let depth = network.depth();
        if list.len()? != 2 * depth {
            let message = format!("state[{name:?}] must hold {} arrays", 2 * depth);
            return Err(PyValueError::new_err(message));
        }
        let coefs = list.get_slice(0, depth)?;
        let arrays = Parameters::<T>::new(&coefs, &list.get_slice(depth, 2 * depth)?)?;
        let (coefs, intercepts) = (arrays.coefs(), arrays.intercepts());
        check_sizes(&format!("state[{name:?}]"), network, &coefs, &intercepts)?;
        slots.push(network.pack(&coefs, &intercepts)?);
    }
    Ok(trainer.set_state(item("t")?.extract()?, slots)?)
}

/// Have `to` go on from `from`, with the weights and biases that are given in place of its own.
pub fn go_on<T: Real + Element>(
    py: Python<'_>,
    to: &mut Trainer<T>,
    from: &Trainer<T>,
    given: Option<(&Bound<'_, PySequence>, &Bound<'_, PySequence>)>,
    with_state: bool,
    allowed: &Allowed,
) -> PyResult<()> {
    if !to.is_like(from) {
        return Err(PyValueError::new_err("both trainers must be of the same kind"));
    }
    if let Some((coefs, intercepts)) = given {
        let arrays = Parameters::<T>::new(coefs, intercepts)?;
        let (coefs, intercepts) = (arrays.coefs(), arrays.intercepts());
        check_sizes("coefs", from.network(), &coefs, &intercepts)?;
        to.set_parameters(&coefs, &intercepts);
    }
    let (threads, with_parameters) = (allowed.share(), given.is_none());
    py.detach(|| to.copy_from(from, with_parameters, with_state, threads.count));
    Ok(())
}

/// Refuse arrays that are not of this network's layers.
fn check_sizes<T>(
    what: &str,
    network: &Network,
    coefs: &[ArrayView2<'_, T>],
    intercepts: &[ArrayView1<'_, T>],
) -> PyResult<()> {
    let hidden = Hidden::Each(network.hidden.clone());
    let given = Network::of_parameters(coefs, intercepts, hidden, network.output)?;
    let (expected, found) = (network.sizes(), given.sizes());
    if found != expected {
        let message = format!("{what} must be of layers {expected:?}; got {found:?}");
        return Err(PyValueError::new_err(message));
    }
    Ok(())
}
