//! Judges a history: what was acknowledged is there, once, in order, and stays. Linear scans; no broker is needed.
//!
//! The rules are those of Jepsen's Kafka workload as far as there are no transactions, and those of groups that it lacks.

use std::collections::BTreeMap;
use std::fmt;

use crate::content::Value;
use crate::history::{Entry, Event, Run};

#[cfg(test)]
mod tests;

/// A kind of thing that must not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An acknowledged record is not where the log was read over.
    LostWrite,
    /// One value at two offsets.
    Duplicate,
    /// Two values at one offset, or another offset than the acknowledged one.
    InconsistentOffsets,
    /// A producer's later record lies before an earlier one.
    Reordered,
    /// A producer's later record is there and an earlier one is not.
    SendSkip,
    /// An offset below the end holds nothing.
    Hole,
    /// A record that was read is no longer there.
    Vanished,
    /// A record in another partition than it was sent to.
    Misplaced,
    /// A member's next record lies before its position.
    NonmonotonicPoll,
    /// A member's next record lies behind its position.
    PollSkip,
    /// A record at or above the high watermark was shown.
    AboveWatermark,
    /// An acknowledged or already seen commit is gone, or an older one is back.
    CommitLost,
    /// A committed offset that nobody committed.
    CommitInvented,
    /// A generation that is not above the one before.
    GenerationBack,
    /// An answer that must never be given, or damaged bytes.
    WrongAnswer,
}

/// Something that must not happen, and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// What kind.
    pub kind: Kind,
    /// The particulars.
    pub what: String,
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// Anomalies of one kind that are reported; the rest is only more of the same.
const REPORTED_MAX: usize = 5;

/// No run is so long that offsets or numbers come near this.
const PLAUSIBLE_MAX: u64 = 1 << 28;

/// All that is wrong in a history; nothing if all is well.
pub fn check(entries: &[Entry]) -> Vec<Anomaly> {
    let mut checker = Checker::default();
    for (index, entry) in entries.iter().enumerate() {
        checker.see(index, entry);
    }
    checker.finish();
    checker.anomalies
}

#[derive(Default)]
struct Checker {
    anomalies: Vec<Anomaly>,
    partitions: BTreeMap<i32, Partition>,
    /// Where the reader with this name and position stands in a partition.
    polls: BTreeMap<(String, u64, i32), i64>,
    commits: BTreeMap<(String, i32), Commits>,
    generations: BTreeMap<String, i32>,
}

#[derive(Default)]
struct Partition {
    /// The value read at each offset.
    values: Vec<Option<Value>>,
    /// The offset at which each record of a producer was read.
    placed: BTreeMap<u64, Vec<Option<i64>>>,
    acked: Vec<Acked>,
    /// One more than the largest offset that a member read, with the history's length then.
    polled: Vec<(usize, i64)>,
    /// The newest drain's end and the length of the history before it.
    drained: Option<(usize, i64)>,
}

struct Acked {
    index: usize,
    first: Value,
    count: u64,
    offset: i64,
}

#[derive(Default)]
struct Commits {
    /// The largest offset acknowledged or seen.
    floor: Option<i64>,
    /// The largest offset ever sent.
    sent: Option<i64>,
}

impl Checker {
    fn report(&mut self, kind: Kind, what: impl FnOnce() -> String) {
        if self.anomalies.iter().filter(|anomaly| anomaly.kind == kind).count() < REPORTED_MAX {
            self.anomalies.push(Anomaly { kind, what: what() });
        }
    }

    fn see(&mut self, index: usize, entry: &Entry) {
        match &entry.event {
            Event::Acked {
                partition,
                first,
                count,
                offset,
            } => {
                let acked = Acked {
                    index,
                    first: *first,
                    count: *count,
                    offset: *offset,
                };
                self.partitions.entry(*partition).or_default().acked.push(acked);
            }
            Event::Poll {
                partition,
                position,
                from,
                high_watermark,
                runs,
            } => {
                self.poll(&entry.process, *partition, *position, *from, runs);
                let end = runs.last().map_or(*from, |run| run.offset + run.count as i64);
                if end > *high_watermark && !runs.is_empty() {
                    self.report(Kind::AboveWatermark, || {
                        format!(
                            "offset {} of partition {partition}, high watermark {high_watermark}",
                            end - 1
                        )
                    });
                }
                self.partitions.entry(*partition).or_default().polled.push((index, end));
                self.observe(*partition, runs);
            }
            Event::Drain {
                partition,
                from,
                end,
                since,
                runs,
            } => {
                self.drain(*partition, *from, *end, runs);
                self.partitions.entry(*partition).or_default().drained = Some((*since, *end));
                self.observe(*partition, runs);
            }
            Event::Commit {
                group,
                partition,
                offset,
            } => {
                let commits = self.commits.entry((group.clone(), *partition)).or_default();
                commits.sent = commits.sent.max(Some(*offset));
            }
            Event::Committed {
                group,
                partition,
                offset,
            } => {
                let commits = self.commits.entry((group.clone(), *partition)).or_default();
                commits.floor = commits.floor.max(Some(*offset));
            }
            Event::Position {
                group,
                partition,
                offset,
            } => self.position(group, *partition, *offset, entry.round),
            Event::Joined { group, generation } => {
                if let Some(before) = self.generations.insert(group.clone(), *generation)
                    && before >= *generation
                {
                    self.report(Kind::GenerationBack, || format!("{group}: {generation} after {before}"));
                }
            }
            Event::Wrong { what } => self.report(Kind::WrongAnswer, || format!("{}: {what}", entry.process)),
            Event::Send { .. } | Event::Kill | Event::Restart => {}
        }
    }

    /// Within one position, each record read is the one after the last.
    fn poll(&mut self, process: &str, partition: i32, position: u64, from: i64, runs: &[Run]) {
        let key = (process.to_owned(), position, partition);
        let mut next = self.polls.get(&key).copied().unwrap_or(from);
        for run in runs {
            let at = run.offset;
            if at < next {
                self.report(Kind::NonmonotonicPoll, || {
                    format!("{process} read {at} of {partition} instead of {next}")
                });
            } else if at > next {
                self.report(Kind::PollSkip, || {
                    format!("{process} read {at} of {partition} instead of {next}")
                });
            }
            next = at + run.count as i64;
        }
        self.polls.insert(key, next);
    }

    /// A drain has every offset from its first to the end.
    fn drain(&mut self, partition: i32, from: i64, end: i64, runs: &[Run]) {
        let mut next = from;
        for run in runs {
            if run.offset != next {
                self.report(Kind::Hole, || {
                    format!("offsets {next} to {} of partition {partition}", run.offset - 1)
                });
            }
            next = run.offset + run.count as i64;
        }
        if next < end {
            self.report(Kind::Hole, || {
                format!("offsets {next} to {} of partition {partition}", end - 1)
            });
        }
    }

    /// What was read, by whomever and whenever, agrees.
    fn observe(&mut self, partition: i32, runs: &[Run]) {
        for run in runs {
            for step in 0..run.count {
                let (offset, value) = (run.offset + step as i64, run.first.plus(step));
                if value.number() > PLAUSIBLE_MAX || !(0..=PLAUSIBLE_MAX as i64).contains(&offset) {
                    self.report(Kind::WrongAnswer, || {
                        format!("{value} at offset {offset} of partition {partition}")
                    });
                    continue;
                }
                if value.partition() != partition {
                    self.report(Kind::Misplaced, || {
                        format!("{value} at offset {offset} of partition {partition}")
                    });
                }
                let state = self.partitions.entry(partition).or_default();
                let before = replace(&mut state.values, offset as usize, value);
                let placed = state.placed.entry(value.producer()).or_default();
                let place = replace(placed, value.number() as usize, offset);
                if let Some(before) = before.filter(|before| *before != value) {
                    self.report(Kind::InconsistentOffsets, || {
                        format!("offset {offset} of partition {partition} was {before} and is {value}")
                    });
                }
                if let Some(place) = place.filter(|place| *place != offset) {
                    self.report(Kind::Duplicate, || {
                        format!("{value} at offsets {place} and {offset} of {partition}")
                    });
                }
            }
        }
    }

    fn position(&mut self, group: &str, partition: i32, offset: Option<i64>, round: u32) {
        let commits = self.commits.entry((group.to_owned(), partition)).or_default();
        let (floor, sent) = (commits.floor, commits.sent);
        commits.floor = floor.max(offset);
        if offset < floor {
            self.report(Kind::CommitLost, || {
                format!("{group}/{partition} is {offset:?} after {floor:?} was acknowledged or seen, round {round}")
            });
        }
        if offset > sent {
            self.report(Kind::CommitInvented, || {
                format!("{group}/{partition} is {offset:?}, sent was {sent:?}")
            });
        }
    }

    fn finish(&mut self) {
        let partitions = std::mem::take(&mut self.partitions);
        for (number, partition) in &partitions {
            self.finish_acks(*number, partition);
            self.finish_order(*number, partition);
        }
    }

    /// Everything acknowledged or read before the newest drain began is below its end and was read where it belongs.
    fn finish_acks(&mut self, number: i32, partition: &Partition) {
        let Some((since, end)) = partition.drained else { return };
        for acked in partition.acked.iter().filter(|acked| acked.index < since) {
            for step in 0..acked.count {
                let (value, offset) = (acked.first.plus(step), acked.offset + step as i64);
                let placed = partition.placed.get(&value.producer());
                let place = placed.and_then(|placed| *placed.get(value.number() as usize)?);
                match place {
                    None => self.report(Kind::LostWrite, || {
                        format!(
                            "{value} was acknowledged at offset {offset} of partition {number}, which ends at {end}"
                        )
                    }),
                    Some(place) if place != offset => self.report(Kind::InconsistentOffsets, || {
                        format!("{value} was acknowledged at offset {offset} of partition {number} and is at {place}")
                    }),
                    Some(_) => {}
                }
            }
            let last = acked.offset + acked.count as i64;
            if last > end {
                self.report(Kind::LostWrite, || {
                    format!(
                        "{} was acknowledged up to {last}, partition {number} ends at {end}",
                        acked.first
                    )
                });
            }
        }
        for (_, polled) in partition.polled.iter().filter(|(index, _)| *index < since) {
            if *polled > end {
                self.report(Kind::Vanished, || {
                    format!(
                        "offset {} of partition {number} was read, the partition ends at {end}",
                        polled - 1
                    )
                });
            }
        }
    }

    /// Each producer's records lie in the order they were sent in, without a gap.
    fn finish_order(&mut self, number: i32, partition: &Partition) {
        for (producer, placed) in &partition.placed {
            let mut before = -1;
            for (nth, place) in placed.iter().enumerate() {
                let value = Value::new(*producer, number, nth as u64);
                match place {
                    None => self.report(Kind::SendSkip, || format!("{value} is missing, a later one is there")),
                    Some(place) if *place < before => self.report(Kind::Reordered, || {
                        format!("{value} is at offset {place}, the one before at {before}")
                    }),
                    Some(place) => before = *place,
                }
            }
        }
    }
}

/// Puts a value at a place of a growing list; what was there before.
fn replace<T: Copy>(list: &mut Vec<Option<T>>, at: usize, value: T) -> Option<T> {
    if list.len() <= at {
        list.resize(at + 1, None);
    }
    list[at].replace(value)
}
