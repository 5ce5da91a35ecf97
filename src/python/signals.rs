//! Ctrl-C while the core works: Python's handlers run only when a thread asks for them.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::linalg::kernels::denormals;

/// Long enough to cost nothing, short enough that Ctrl-C feels immediate.
const INTERVAL: Duration = Duration::from_millis(30);

/// Asks Python for pending signals now and then, and keeps the exception that a handler raised.
pub struct Signals {
    asked: Instant,
    raised: Option<PyErr>,
    /// Whether this is the thread in which Python runs handlers; None as long as nobody has asked.
    is_main: Option<bool>,
}

impl Signals {
    pub fn new() -> Self {
        Self { asked: Instant::now(), raised: None, is_main: None }
    }

    /// Whether a handler has raised.
    pub fn stop(&mut self) -> bool {
        // Another thread would only take the GIL for nothing, and find no interpreter when it is about to exit.
        let asks = self.raised.is_none() && self.is_main != Some(false);
        if asks && self.asked.elapsed() >= INTERVAL {
            // Python, and what it calls, counts with denormal numbers.
            let kept = denormals::keep();
            let asked = Python::try_attach(|py| {
                // This too runs Python, and with it a handler whose exception must not get lost.
                let is_main = self.is_main.map_or_else(|| is_main_thread(py), Ok)?;
                self.is_main = Some(is_main);
                if is_main { py.check_signals() } else { Ok(()) }
            });
            drop(kept);
            // Without an interpreter, which is about to exit, nobody handles signals.
            self.raised = asked.and_then(Result::err);
            self.asked = Instant::now();
        }
        self.raised.is_some()
    }

    /// What the work came to, or the exception for which it stopped.
    pub fn result<T>(self, found: Option<T>) -> PyResult<T> {
        match self.raised {
            Some(error) => Err(error),
            None => found.ok_or_else(|| PyValueError::new_err("stopped without a signal")),
        }
    }
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    threading.call_method0("get_ident")?.eq(main)
}
