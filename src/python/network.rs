//! What keyword arguments say of a network and its cost: names and numbers.

use pyo3::prelude::*;
use pyo3::types::{PyFloat, PyString};

use super::arrays::MAX_LAYERS;
use crate::error::Error;
use crate::network::{Activation, Cost, Hidden, Network};

/// The activations of the hidden layers: a name, or one for each.
pub fn hidden(names: &Bound<'_, PyAny>) -> PyResult<Hidden> {
    if let Ok(name) = names.cast::<PyString>() {
        return Ok(Activation::hidden(&name.to_cow()?)?.into());
    }
    let each = items("activation", names, MAX_LAYERS, |name| {
        Ok(Activation::hidden(&name.cast::<PyString>().map_err(PyErr::from)?.to_cow()?)?)
    })?;
    Ok(Hidden::Each(each))
}

/// A cost by its name, and the numbers that it depends on.
pub struct Named<'a, 'py> {
    pub name: &'a str,
    pub parameter: Option<&'a Bound<'py, PyAny>>,
    pub label_smoothing: f64,
}

impl Named<'_, '_> {
    pub fn cost(&self, network: &Network) -> PyResult<Cost> {
        let mut cost = network.cost(self.name)?;
        if let Some(parameter) = self.parameter {
            let numbers = numbers("cost_parameter", parameter, network.outputs())?;
            cost = cost.with_hyperparameter(&numbers)?;
        }
        Ok(cost.smoothed(self.label_smoothing)?)
    }
}

/// A number, or a sequence of at most so many.
pub fn numbers(what: &str, given: &Bound<'_, PyAny>, most: usize) -> PyResult<Vec<f64>> {
    match given.cast::<PyFloat>() {
        Ok(number) => Ok(vec![number.value()]),
        Err(_) => items(what, given, most, |number| number.extract()),
    }
}

/// The items of a sequence. (A `Vec` as an argument reserves whatever length an object claims to have.)
fn items<T>(
    what: &str,
    sequence: &Bound<'_, PyAny>,
    most: usize,
    item: impl Fn(Bound<'_, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    let mut items = Vec::new();
    for next in sequence.try_iter()? {
        if items.len() == most {
            return Err(Error::value(what, format!("at most {most} items"), "more").into());
        }
        items.push(item(next?)?);
    }
    Ok(items)
}
