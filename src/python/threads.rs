//! How many threads a call may use, and the two C functions by which `threadpoolctl` sees and limits it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::linalg::team::MAX_THREADS;

/// 0 where nobody has set a limit.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

fn default_threads() -> usize {
    limit_or(threads_of_process)
}

fn limit_or(threads_of_process: impl FnOnce() -> usize) -> usize {
    match LIMIT.load(Ordering::Relaxed) {
        0 => threads_of_process(),
        limit => limit,
    }
}

/// Set a limit, or take it back: what the process may use anyway is none, so that a limit which was set for a while and
/// restored does not outlive a change of the environment.
fn set_limit(threads: usize) {
    let limit = if threads == threads_of_process() { 0 } else { threads };
    LIMIT.store(limit, Ordering::Relaxed);
}

fn threads_of_process() -> usize {
    // A list, one number for each level of nesting, is allowed there; the first counts.
    let from_environment = std::env::var("OMP_NUM_THREADS")
        .ok()
        .and_then(|value| value.split(',').next().and_then(|n| n.trim().parse::<usize>().ok()))
        .filter(|&n| n > 0);
    let threads = from_environment
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    threads.min(MAX_THREADS)
}

/// Calls with `n_threads=None` that are at work in this process, in the low half, and in the high half the process they are
/// counted in: after a fork, which a signal handler may do in the middle of a call, the count begins anew.
static SHARING: AtomicU64 = AtomicU64::new(0);
const PROCESS: u32 = 32;
const CALLS: u64 = (1 << PROCESS) - 1;

/// Count one more call of a process; how many there are now.
fn begin_sharing(process: u32) -> usize {
    let one_more = |sharing: u64| {
        let same = sharing >> PROCESS == u64::from(process);
        if same { sharing + 1 } else { u64::from(process) << PROCESS | 1 }
    };
    let before = SHARING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |s| Some(one_more(s)));
    let now = one_more(before.unwrap_or_else(|sharing| sharing)) & CALLS;
    usize::try_from(now).unwrap_or(usize::MAX)
}

/// A call that was counted in `process` has ended, where that is still the one whose calls are counted.
fn end_sharing(process: u32) {
    let one_less = |sharing: u64| {
        let counted = sharing >> PROCESS == u64::from(process) && sharing & CALLS > 0;
        counted.then(|| sharing - 1)
    };
    let _ = SHARING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
}

/// What calls may use that belong together, as the epochs of a fit: to ask the system takes as long as a small epoch.
pub struct Allowed {
    n_threads: Option<usize>,
    of_process: usize,
}

impl Allowed {
    /// `n_threads` as [`check`] let it pass.
    pub fn of(n_threads: Option<usize>) -> Self {
        Self { n_threads, of_process: if n_threads.is_none() { threads_of_process() } else { 1 } }
    }

    pub fn n_threads(&self) -> Option<usize> {
        self.n_threads
    }

    /// Those of one of the calls.
    pub fn share(&self) -> Threads {
        match self.n_threads {
            Some(count) => Threads { count, shares_in: None },
            None => {
                let process = std::process::id();
                let count = limit_or(|| self.of_process) / begin_sharing(process);
                Threads { count: count.max(1), shares_in: Some(process) }
            }
        }
    }
}

/// The threads of one call: as many as `n_threads` says; where it says nothing, a fair share of what the process may use.
///
/// Two fits in two threads of Python (joblib's threading backend, a thread pool) so keep to the processors there are. It
/// is shared anew for each epoch, and results are the same for any number of threads.
pub struct Threads {
    pub count: usize,
    /// The process that it is counted in.
    shares_in: Option<u32>,
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(process) = self.shares_in {
            end_sharing(process);
        }
    }
}

/// `n_threads`, if it is a number of threads or None.
pub fn check(n_threads: Option<usize>) -> PyResult<Option<usize>> {
    match n_threads {
        Some(0) => Err(PyValueError::new_err("n_threads must be at least 1; got 0")),
        _ => Ok(n_threads.map(|n| n.min(MAX_THREADS))),
    }
}

/// Threads that a call with `n_threads=None` may use.
#[pyfunction]
pub fn get_num_threads() -> usize {
    default_threads()
}

/// Limit the threads of calls with `n_threads=None` in this process; None takes the limit back.
#[pyfunction]
#[pyo3(signature = (n))]
pub fn set_num_threads(n: Option<i64>) -> PyResult<()> {
    match n {
        None => LIMIT.store(0, Ordering::Relaxed),
        Some(n) => match usize::try_from(n) {
            Ok(threads) if threads > 0 => set_limit(threads.min(MAX_THREADS)),
            _ => return Err(PyValueError::new_err(format!("n must be at least 1; got {n}"))),
        },
    }
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
    set_limit(usize::try_from(n).unwrap_or(1).clamp(1, MAX_THREADS));
}
