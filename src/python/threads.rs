//! How many threads a call may use, and the two C functions by which `threadpoolctl` sees and limits it.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::linalg::team::MAX_THREADS;

/// 0 where nobody has set a limit.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

fn default_threads() -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => {}
        limit => return limit,
    }
    // A list, one number for each level of nesting, is allowed there; the first counts.
    let from_environment = std::env::var("OMP_NUM_THREADS")
        .ok()
        .and_then(|value| value.split(',').next().and_then(|n| n.trim().parse::<usize>().ok()))
        .filter(|&n| n > 0);
    let threads = from_environment
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    threads.min(MAX_THREADS)
}

/// The threads that `n_threads` asks for; None is what the process may use.
pub fn resolve(n_threads: Option<usize>) -> PyResult<usize> {
    match n_threads {
        Some(0) => Err(PyValueError::new_err("n_threads must be at least 1; got 0")),
        Some(n) => Ok(n.min(MAX_THREADS)),
        None => Ok(default_threads()),
    }
}

/// Threads that a call with `n_threads=None` may use.
#[pyfunction]
pub fn get_num_threads() -> usize {
    default_threads()
}

/// Limit the threads of calls with `n_threads=None` in this process.
#[pyfunction]
pub fn set_num_threads(n: usize) -> PyResult<()> {
    LIMIT.store(resolve(Some(n))?, Ordering::Relaxed);
    Ok(())
}

/// [`get_num_threads`] for `threadpoolctl`, which looks for C symbols.
// SAFETY: the name is this crate's own.
#[unsafe(no_mangle)]
pub extern "C" fn rustbp_get_num_threads() -> std::ffi::c_int {
    std::ffi::c_int::try_from(default_threads()).unwrap_or(1)
}

/// [`set_num_threads`] for `threadpoolctl`; numbers below 1 count as 1.
// SAFETY: the name is this crate's own.
#[unsafe(no_mangle)]
pub extern "C" fn rustbp_set_num_threads(n: std::ffi::c_int) {
    LIMIT.store(usize::try_from(n).unwrap_or(1).clamp(1, MAX_THREADS), Ordering::Relaxed);
}
