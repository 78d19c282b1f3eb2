//! What went wrong in a check, as a sentence. Nothing here decides what to do about it.

use std::fmt;

/// Why a check did not pass, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(String);

impl Trouble {
    /// A trouble said in words.
    pub fn new(what: impl Into<String>) -> Trouble {
        Trouble(what.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Trouble {
        Trouble(error.to_string())
    }
}

/// Puts what was being done in front of a trouble.
pub trait During<T> {
    /// `what` was being done.
    fn during(self, what: impl fmt::Display) -> Result<T, Trouble>;
}

impl<T, E: Into<Trouble>> During<T> for Result<T, E> {
    fn during(self, what: impl fmt::Display) -> Result<T, Trouble> {
        self.map_err(|error| Trouble(format!("{what}: {}", error.into())))
    }
}

/// Demands that `holds`; `otherwise` says what it means if it does not.
pub fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble(otherwise())) }
}
