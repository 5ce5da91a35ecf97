//! Ctrl-C while the core works: Python's handlers run only when a thread asks for them.

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// Long enough to cost nothing, short enough that Ctrl-C feels immediate.
const INTERVAL: Duration = Duration::from_millis(30);

/// Asks Python for pending signals now and then, and keeps the exception that a handler raised.
pub struct Signals {
    asked: Instant,
    raised: Option<PyErr>,
}

impl Signals {
    pub fn new() -> Self {
        Self { asked: Instant::now(), raised: None }
    }

    /// Whether a handler has raised.
    pub fn stop(&mut self) -> bool {
        if self.raised.is_none() && self.asked.elapsed() >= INTERVAL {
            self.raised = Python::attach(|py| py.check_signals()).err();
            self.asked = Instant::now();
        }
        self.raised.is_some()
    }

    pub fn into_result(self) -> PyResult<()> {
        self.raised.map_or(Ok(()), Err)
    }
}
