//! stdout, which carries data and nothing else, and stderr, which carries talk.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

use serde::Serialize;

use crate::exit::Failure;

/// stdout, buffered until [`Output::flush`].
pub(crate) struct Output {
    stdout: BufWriter<Stdout>,
}

impl Output {
    /// The process's stdout.
    pub(crate) fn stdout() -> Output {
        Output {
            stdout: BufWriter::with_capacity(BUFFER_BYTES, io::stdout()),
        }
    }

    /// One line, whatever bytes it is made of.
    pub(crate) fn line(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Failure> {
        let written = self.stdout.write_all(bytes.as_ref());
        written.and_then(|()| self.stdout.write_all(b"\n")).map_err(failure)
    }

    /// One JSON object on a line of its own.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let bytes = serde_json::to_vec(object).map_err(Failure::failed)?;
        self.line(bytes)
    }

    /// Columns under a heading, as wide as they have to be.
    pub(crate) fn table<const N: usize>(&mut self, heading: [&str; N], rows: &[[String; N]]) -> Result<(), Failure> {
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0).max(heading[column].len())
        };
        let widths: [usize; N] = std::array::from_fn(width);
        let heading = heading.map(str::to_owned);
        for row in std::iter::once(&heading).chain(rows) {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            self.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }

    /// Hands over what was written.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(failure)
    }
}

/// One line to stderr. That nobody listens is no failure.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// `1 record`, `2 records`: a count with its noun, in English.
pub(crate) fn counted(count: impl TryInto<i64>, noun: &str) -> String {
    match count.try_into().unwrap_or(i64::MAX) {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

/// Partition numbers in ascending order, runs drawn together: `0-2,5`.
pub(crate) fn runs(indexes: &[i32]) -> String {
    let mut runs: Vec<(i32, i32)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let run = |(first, last): &(i32, i32)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

fn failure(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::reader_gone(),
        _ => Failure::failed(format!("cannot write to stdout: {error}")),
    }
}

const BUFFER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_drawn_together() {
        assert_eq!(runs(&[]), "");
        assert_eq!(runs(&[3]), "3");
        assert_eq!(runs(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "record"), "1 record");
        assert_eq!(counted(0, "record"), "0 records");
        assert_eq!(counted(12_usize, "member"), "12 members");
    }
}
