//! What keeps a scene from coming to its end.

use std::fmt;

/// Why a scene did not pass.
#[derive(Debug)]
pub enum Trouble {
    /// The client library cannot do what the scene needs.
    Unsupported(String),
    /// A driver answered `failed`.
    Refused {
        cmd: String,
        error: String,
        message: String,
    },
    /// Something did not come out as it should.
    Unmet(String),
}

/// A result with `Trouble`.
pub type Outcome<T> = Result<T, Trouble>;

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "unsupported: {what}"),
            Self::Refused { cmd, error, message } => write!(f, "{cmd} failed: {error}: {message}"),
            Self::Unmet(what) => f.write_str(what),
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Unmet(error.to_string())
    }
}

/// The trouble of an expectation that was not met.
pub fn unmet<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Trouble::Unmet(what.into()))
}

/// Expects a truth.
pub fn expect(truth: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if truth { Ok(()) } else { unmet(otherwise()) }
}
