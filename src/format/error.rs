//! What can be wrong with a model file, or with a model that is to become one.

use crate::error::Error;

/// Why a file cannot be read, or a model not be written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("{0}")]
    Invalid(String),

    #[error(
        "it is of format {found}, and this version of rustbp reads format {known}; a newer version may read it"
    )]
    Version { found: u64, known: u64 },
}

impl FormatError {
    /// What is wrong, cut to a length that can be printed: part of it may come from the file.
    pub fn invalid(what: impl Into<String>) -> Self {
        const MOST: usize = 300;
        let mut what: String = what.into();
        if let Some((end, _)) = what.char_indices().nth(MOST) {
            what.truncate(end);
            what.push_str(" ...");
        }
        what.shrink_to_fit();
        FormatError::Invalid(what)
    }
}

impl From<Error> for FormatError {
    fn from(error: Error) -> Self {
        FormatError::invalid(error.to_string())
    }
}
