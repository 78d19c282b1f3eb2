//! What was asked and answered, in the order it was learnt: one line of JSON each.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::content::Value;
use crate::trouble::{During, Trouble};

/// Values at offsets that follow one another: the value at `offset` is `first`, the next one its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The first offset.
    pub offset: i64,
    /// The value there.
    #[serde(serialize_with = "as_text")]
    pub first: Value,
    /// How many.
    pub count: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "f", rename_all = "kebab-case")]
pub enum Event {
    /// A batch is sent, for the first time or again.
    Send {
        /// To this partition.
        partition: i32,
        /// The first of its values.
        #[serde(serialize_with = "as_text")]
        first: Value,
        /// How many values.
        count: u64,
    },
    /// A batch was acknowledged.
    Acked {
        /// In this partition.
        partition: i32,
        /// The first of its values.
        #[serde(serialize_with = "as_text")]
        first: Value,
        /// How many values.
        count: u64,
        /// The offset of the first.
        offset: i64,
    },
    /// A member read on in a partition it owns.
    Poll {
        /// The partition.
        partition: i32,
        /// Changes whenever the member took a new position: order holds only within one.
        position: u64,
        /// The offset asked for.
        from: i64,
        /// The high watermark in the answer.
        high_watermark: i64,
        /// What was read.
        runs: Vec<Run>,
    },
    /// Everything from one offset to the end of a partition was read.
    Drain {
        /// The partition.
        partition: i32,
        /// The first offset read.
        from: i64,
        /// The end of the partition, asked after `since`.
        end: i64,
        /// How long the history was when the end was asked: what was acknowledged in it is below the end.
        since: usize,
        /// What was read.
        runs: Vec<Run>,
    },
    /// A commit is sent.
    Commit {
        /// The group.
        group: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// A commit was acknowledged.
    Committed {
        /// The group.
        group: String,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
    },
    /// The committed offset was read by the one process that commits it.
    Position {
        /// The group.
        group: String,
        /// The partition.
        partition: i32,
        /// The offset; `None` if there is none.
        offset: Option<i64>,
    },
    /// A member has its assignment.
    Joined {
        /// The group.
        group: String,
        /// Its generation.
        generation: i32,
    },
    /// The broker answered what it never may, or bytes were damaged.
    Wrong {
        /// In words.
        what: String,
    },
    /// The broker was killed.
    Kill,
    /// The broker runs again.
    Restart,
}

/// An event with its circumstances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Who saw it.
    pub process: String,
    /// After how many kills.
    pub round: u32,
    /// When, in nanoseconds after the start.
    pub ns: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// The history under way, shared by all who act.
#[derive(Debug)]
pub struct History {
    started: Instant,
    round: AtomicU32,
    entries: Mutex<Vec<Entry>>,
}

impl Default for History {
    fn default() -> History {
        History {
            started: Instant::now(),
            round: AtomicU32::new(0),
            entries: Mutex::new(Vec::new()),
        }
    }
}

impl History {
    /// Adds what a process saw.
    pub fn add(&self, process: &str, event: Event) {
        let ns = self.started.elapsed().as_nanos() as u64;
        if event == Event::Kill {
            self.round.fetch_add(1, Ordering::Relaxed);
        }
        let round = self.round.load(Ordering::Relaxed);
        self.lock().push(Entry {
            process: process.to_owned(),
            round,
            ns,
            event,
        });
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of all entries so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a history as JSON lines.
pub fn write(entries: &[Entry], path: &Path) -> Result<(), Trouble> {
    let mut file = BufWriter::new(std::fs::File::create(path).during(path.display())?);
    for entry in entries {
        serde_json::to_writer(&mut file, entry)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Records as runs.
pub fn runs(records: &[(i64, Value)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (offset, value) in records {
        match runs.last_mut() {
            Some(run) if run.offset + run.count as i64 == *offset && run.first.plus(run.count) == *value => {
                run.count += 1
            }
            _ => runs.push(Run {
                offset: *offset,
                first: *value,
                count: 1,
            }),
        }
    }
    runs
}

fn as_text<S: serde::Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_become_runs() {
        let value = |number| Value::new(1, 0, number);
        let records = [(5, value(0)), (6, value(1)), (7, value(5)), (9, value(6))];
        let run = |offset, number, count| Run {
            offset,
            first: value(number),
            count,
        };
        assert_eq!(runs(&records), [run(5, 0, 2), run(7, 5, 1), run(9, 6, 1)]);
    }
}
