//! The native module `rustbp._core`: it converts, checks and calls, and is the only folder that names pyo3 or numpy.
//!
//! It imports all other rooms, and none imports it. Newcomers start with [`trainer`], the class that a fit works with.

mod arrays;
mod earlier;
mod errors;
mod files;
mod functions;
mod network;
mod signals;
mod threads;
mod trainer;

use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::linalg::kernels::Isa;
use crate::network::{Activation, Cost, Output};
use crate::training::compute::isa;
use crate::training::optimizer::Optimizer;

/// Name of the instruction set chosen at run time; that of the products that `compute` names, where the processor has them.
#[pyfunction]
#[pyo3(signature = (compute=None))]
fn kernel(compute: Option<&str>) -> &'static str {
    isa::<f32>(compute).unwrap_or_else(|_| Isa::best()).name()
}

#[pymodule(gil_used = false)]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let hidden = Activation::ALL.iter().filter(|a| a.is_hidden()).map(|a| a.name());
    let pairs: Vec<_> = Cost::pairs().map(|(cost, output)| (cost, output.name())).collect();
    let mut costs: Vec<_> = pairs.iter().map(|pair| pair.0).collect();
    costs.dedup();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("ACTIVATIONS", PyTuple::new(py, hidden.collect::<Vec<_>>())?)?;
    module.add(
        "OUTPUT_ACTIVATIONS",
        PyTuple::new(py, Output::all().map(|o| o.name()).collect::<Vec<_>>())?,
    )?;
    module.add("COSTS", PyTuple::new(py, costs)?)?;
    module.add("PAIRS", PyTuple::new(py, pairs)?)?;
    module.add("OPTIMIZERS", PyTuple::new(py, Optimizer::NAMES)?)?;
    module.add_class::<trainer::Stop>()?;
    module.add_class::<trainer::Trainer>()?;
    module.add_function(wrap_pyfunction!(functions::forward, module)?)?;
    module.add_function(wrap_pyfunction!(functions::loss_gradient, module)?)?;
    module.add_function(wrap_pyfunction!(functions::backprop, module)?)?;
    module.add_function(wrap_pyfunction!(functions::input_gradients, module)?)?;
    module.add_function(wrap_pyfunction!(files::file_head, module)?)?;
    module.add_function(wrap_pyfunction!(files::header_len, module)?)?;
    module.add_function(wrap_pyfunction!(files::read_header, module)?)?;
    module.add_function(wrap_pyfunction!(files::check_array, module)?)?;
    module.add_function(wrap_pyfunction!(threads::get_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(threads::set_num_threads, module)?)?;
    module.add_function(wrap_pyfunction!(kernel, module)?)?;
    Ok(())
}
