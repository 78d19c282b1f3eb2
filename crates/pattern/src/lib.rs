//! Regular expressions over names, in the syntax of RE2, which is what clients write for KIP-848.
//!
//! The engine is crate `regex`: like RE2 it takes time linear in the name, whatever the expression. What it is compiled to
//! may not exceed [`COMPILED_BYTES_MAX`], so an expression cannot take much memory either. The two syntaxes differ in
//! places, so an expression is first rewritten (`syntax`). What the names are names of is not known here.

mod syntax;
#[cfg(test)]
mod tests;

use regex::bytes::{Regex, RegexBuilder};

/// How much memory a compiled expression may take.
pub const COMPILED_BYTES_MAX: usize = 1024 * 1024;

/// An expression that can be matched against names. It has to match the whole name.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// The empty text means "no expression".
    #[error("the expression is empty")]
    Empty,
    /// It breaks the syntax of RE2.
    #[error("{problem} at character {at} of the expression")]
    Syntax {
        /// What is wrong.
        problem: &'static str,
        /// Where, counted from 1.
        at: usize,
    },
    /// A class that has no such name, or a repetition of repetitions that becomes too large.
    #[error("the expression cannot be compiled: {0}")]
    Compile(String),
}

impl Pattern {
    /// Compiles an expression.
    pub fn parse(text: &str) -> Result<Pattern, PatternFault> {
        if text.is_empty() {
            return Err(PatternFault::Empty);
        }
        let rewritten = syntax::rewrite(text)?;
        let regex = RegexBuilder::new(&format!(r"\A(?:{rewritten})\z"))
            .size_limit(COMPILED_BYTES_MAX)
            .dfa_size_limit(COMPILED_BYTES_MAX)
            .build()
            .map_err(|fault| PatternFault::Compile(in_one_line(&fault)))?;
        Ok(Pattern { regex })
    }

    /// Whether it matches a name.
    pub fn matches(&self, name: &str) -> bool {
        self.regex.is_match(name.as_bytes())
    }
}

/// The engine draws the expression with a pointer below it; of that the last line says what is wrong.
fn in_one_line(fault: &regex::Error) -> String {
    match fault {
        regex::Error::CompiledTooBig(limit) => format!("it takes more than {limit} bytes"),
        other => other.to_string().lines().last().unwrap_or_default().to_owned(),
    }
}
