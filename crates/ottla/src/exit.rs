//! Exit codes, and the failures behind them.

use std::fmt;

/// How a command ended, for the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what was asked.
    Done = 0,
    /// It tried and failed; stderr says why.
    Failed = 1,
    /// It was asked for something that makes no sense; nothing was tried. (clap uses the same number.)
    Usage = 2,
}

/// Why a command did not do what was asked, as a sentence for people.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// It was tried and failed.
    pub(crate) fn failed(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Failed,
            message: message.to_string(),
        }
    }

    /// It makes no sense as asked.
    pub(crate) fn usage(message: impl fmt::Display) -> Failure {
        Failure {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// Whoever read stdout has seen enough, as `head` has. The command ends early, but nothing is wrong.
    pub(crate) fn reader_gone() -> Failure {
        Failure {
            exit: Exit::Done,
            message: String::new(),
        }
    }

    /// The code to exit with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
