//! One error type: each message says what was expected and what came, with names and shapes.

/// What can be wrong with what the core is given.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("{argument} must be one of {expected}; got {got:?}")]
    Name { argument: &'static str, expected: String, got: String },

    #[error("{argument} must have shape {expected}; got {got}")]
    Shape { argument: String, expected: String, got: String },

    #[error("{argument} must be {expected}; got {got}")]
    Value { argument: String, expected: String, got: String },

    #[error("cost {cost:?} does not go with output activation {output:?}; the pairs are {pairs}")]
    Pair { cost: String, output: String, pairs: String },

    #[error("compute=\"bfloat16\" needs {needed}, but {has}; {way_out}")]
    Compute { needed: &'static str, has: String, way_out: &'static str },

    #[error("X is not a valid CSR matrix: {what}")]
    Sparse { what: String },

    #[error("Weights sum to zero, can't be normalized")]
    ZeroWeight,

    #[error("not enough memory for {what}")]
    Memory { what: &'static str },

    #[error("a worker thread failed; this is a fault of rustbp, please report it")]
    Worker,
}

impl Error {
    pub fn shape(argument: impl Into<String>, expected: &[usize], got: &[usize]) -> Self {
        let show = |dims: &[usize]| match dims {
            [one] => format!("({one},)"),
            _ => {
                format!("({})", dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
        };
        Error::Shape { argument: argument.into(), expected: show(expected), got: show(got) }
    }

    pub fn value(
        argument: impl Into<String>,
        expected: impl Into<String>,
        got: impl ToString,
    ) -> Self {
        Error::Value { argument: argument.into(), expected: expected.into(), got: got.to_string() }
    }

    /// An unknown name, and those there are.
    pub fn name<'a>(
        argument: &'static str,
        names: impl Iterator<Item = &'a str>,
        got: &str,
    ) -> Self {
        let expected = names.map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
        Error::Name { argument, expected, got: got.to_owned() }
    }
}
