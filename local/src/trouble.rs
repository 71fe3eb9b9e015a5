//! What goes wrong here, as the sentence that people read.

use std::error::Error;
use std::fmt;

/// A sentence, with its causes behind it.
///
/// It is no [`Error`] itself, so that every error turns into one with `?`, and its causes are told once.
pub struct Trouble(String);

/// What may go wrong.
pub type Result<T> = std::result::Result<T, Trouble>;

impl Trouble {
    /// A sentence of our own.
    #[must_use]
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            // Some errors print their cause, some leave it to whoever reads the chain.
            let cause_text = cause.to_string();
            if !text.contains(&cause_text) {
                text.push_str(": ");
                text.push_str(&cause_text);
            }
            source = cause.source();
        }
        Self(text)
    }
}

/// Says what was being done when something went wrong.
pub trait While<T> {
    /// Puts these words before the sentence.
    fn when(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Trouble>> While<T> for std::result::Result<T, E> {
    fn when(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Trouble(format!("{doing}: {}", error.into().0)))
    }
}
