//! Faults put in on purpose, to show that they are caught: in a history that was sound, and in a data directory between
//! the kill and the restart.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::checker::Kind;
use crate::content::Value;
use crate::history::{Entry, Event, Run};
use crate::trouble::{During, Trouble, expect};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Breakage {
    /// A record is missing at the end of a drain.
    Lose,
    /// A record comes twice.
    Repeat,
    /// An offset holds another value than before.
    Reuse,
    /// Two records of a producer change places.
    Reorder,
    /// A record in the middle is left out.
    Skip,
    /// A drain has a hole.
    Hole,
    /// A drain ends before what was read.
    Vanish,
    /// A record of another partition.
    Misplace,
    /// A reader gets a record again.
    PollAgain,
    /// A reader misses a record.
    PollAhead,
    /// A reader sees what is not durable.
    Watermark,
    /// An acknowledged commit is gone.
    Uncommit,
    /// A commit nobody made.
    Invent,
    /// A generation is given twice.
    Generation,
    /// An answer that may not be.
    Answer,
    /// The data directory is set back to an older copy of itself.
    Rollback,
    /// The last flushed frames of the journal are wiped.
    JournalFrame,
}

impl Breakage {
    /// Those that change a history.
    pub const HISTORIES: &[Breakage] = &[
        Breakage::Lose,
        Breakage::Repeat,
        Breakage::Reuse,
        Breakage::Reorder,
        Breakage::Skip,
        Breakage::Hole,
        Breakage::Vanish,
        Breakage::Misplace,
        Breakage::PollAgain,
        Breakage::PollAhead,
        Breakage::Watermark,
        Breakage::Uncommit,
        Breakage::Invent,
        Breakage::Generation,
        Breakage::Answer,
    ];

    /// The rule that must catch it.
    pub fn caught_as(self) -> Kind {
        match self {
            Breakage::Lose | Breakage::Rollback | Breakage::JournalFrame => Kind::LostWrite,
            Breakage::Repeat => Kind::Duplicate,
            Breakage::Reuse => Kind::InconsistentOffsets,
            Breakage::Reorder => Kind::Reordered,
            Breakage::Skip => Kind::SendSkip,
            Breakage::Hole => Kind::Hole,
            Breakage::Vanish => Kind::Vanished,
            Breakage::Misplace => Kind::Misplaced,
            Breakage::PollAgain => Kind::NonmonotonicPoll,
            Breakage::PollAhead => Kind::PollSkip,
            Breakage::Watermark => Kind::AboveWatermark,
            Breakage::Uncommit => Kind::CommitLost,
            Breakage::Invent => Kind::CommitInvented,
            Breakage::Generation => Kind::GenerationBack,
            Breakage::Answer => Kind::WrongAnswer,
        }
    }
}

/// Breaks a sound history; false if it holds nothing to be broken in this way.
pub fn break_history(breakage: Breakage, entries: &mut Vec<Entry>) -> bool {
    match breakage {
        Breakage::Lose => forget_last(entries),
        Breakage::Skip => forget_second(entries),
        Breakage::Vanish => shorten(entries),
        Breakage::Uncommit | Breakage::Invent => change_position(breakage, entries),
        Breakage::Generation => repeat_generation(entries),
        Breakage::Watermark => change_poll(entries, |_, high_watermark| *high_watermark -= 1),
        Breakage::PollAgain => change_poll(entries, |runs, _| again(runs)),
        Breakage::PollAhead => change_poll(entries, |runs, _| {
            runs.first_mut().into_iter().for_each(|run| {
                *run = Run {
                    offset: run.offset + 1,
                    ..*run
                }
            });
        }),
        Breakage::Answer => {
            let last = entries.last().cloned();
            entries.extend(last.map(|entry| Entry {
                event: Event::Wrong { what: "made up".into() },
                ..entry
            }));
            true
        }
        Breakage::Repeat => change_drain(entries, |runs| {
            let (Some(first), Some(last)) = (runs.first().copied(), runs.last().copied()) else {
                return;
            };
            runs.push(Run {
                offset: last.offset + last.count as i64,
                first: first.first,
                count: 1,
            });
        }),
        Breakage::Reuse => change_drain(entries, |runs| {
            runs.iter_mut()
                .take(1)
                .for_each(|run| run.first = Value(run.first.0 ^ 1 << 50));
        }),
        Breakage::Misplace => change_drain(entries, |runs| {
            runs.iter_mut()
                .take(1)
                .for_each(|run| run.first = Value(run.first.0 ^ 1 << 47));
        }),
        Breakage::Hole => change_drain(entries, |runs| {
            runs.remove(0);
        }),
        Breakage::Reorder => reorder(entries),
        Breakage::Rollback | Breakage::JournalFrame => false,
    }
}

/// All that was read of one value, forgotten: where it was read last, at the very end of its producer's records.
fn forget_last(entries: &mut [Entry]) -> bool {
    let acked = entries.iter().rev().find_map(|entry| match entry.event {
        Event::Acked { first, count, .. } => Some(first.plus(count - 1)),
        _ => None,
    });
    acked.is_some_and(|value| forget(entries, value))
}

/// All that was read of a producer's second record.
fn forget_second(entries: &mut [Entry]) -> bool {
    let acked = entries.iter().find_map(|entry| match entry.event {
        Event::Acked { first, .. } => Some(first.plus(1)),
        _ => None,
    });
    acked.is_some_and(|value| forget(entries, value))
}

/// Puts in place of everything read of `value` a record of a producer nobody knows.
fn forget(entries: &mut [Entry], value: Value) -> bool {
    let mut found = false;
    for runs in entries.iter_mut().filter_map(runs_of) {
        let mut kept = Vec::new();
        for run in runs.drain(..) {
            let at = value.0.wrapping_sub(run.first.0);
            if at >= run.count {
                kept.push(run);
                continue;
            }
            found = true;
            let stranger = Value::new(0xfff, value.partition(), 0);
            kept.push(Run { count: at, ..run });
            kept.push(Run {
                offset: run.offset + at as i64,
                first: stranger,
                count: 1,
            });
            let rest = at + 1;
            kept.push(Run {
                offset: run.offset + rest as i64,
                first: run.first.plus(rest),
                count: run.count - rest,
            });
        }
        *runs = kept.into_iter().filter(|run| run.count > 0).collect();
    }
    found
}

/// Two neighbours change places wherever they were read, and the acknowledgements with them.
fn reorder(entries: &mut [Entry]) -> bool {
    let mut done = false;
    for runs in entries.iter_mut().filter_map(runs_of) {
        let Some(at) = runs.iter().position(|run| run.count >= 2) else {
            continue;
        };
        let run = runs[at];
        let swapped = [
            Run {
                offset: run.offset,
                first: run.first.plus(1),
                count: 1,
            },
            Run {
                offset: run.offset + 1,
                first: run.first,
                count: 1,
            },
            Run {
                offset: run.offset + 2,
                first: run.first.plus(2),
                count: run.count - 2,
            },
        ];
        runs.splice(at..=at, swapped.into_iter().filter(|run| run.count > 0));
        done = true;
    }
    done
}

fn runs_of(entry: &mut Entry) -> Option<&mut Vec<Run>> {
    match &mut entry.event {
        Event::Poll { runs, .. } | Event::Drain { runs, .. } => Some(runs),
        _ => None,
    }
}

/// The last drain of the partition that a member read ends before what was read.
fn shorten(entries: &mut [Entry]) -> bool {
    let polled = entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Poll { partition, runs, .. } => runs.last().map(|run| (*partition, run.offset + run.count as i64)),
        _ => None,
    });
    let Some((partition, polled)) = polled else {
        return false;
    };
    for entry in entries.iter_mut().rev() {
        if let Event::Drain {
            partition: drained,
            end,
            runs,
            ..
        } = &mut entry.event
            && *drained == partition
        {
            *end = polled - 1;
            runs.retain(|run| run.offset < *end);
            return true;
        }
    }
    false
}

fn change_position(breakage: Breakage, entries: &mut [Entry]) -> bool {
    for entry in entries.iter_mut().rev() {
        if let Event::Position {
            offset: Some(offset), ..
        } = &mut entry.event
        {
            *offset = if breakage == Breakage::Uncommit { 0 } else { i64::MAX };
            return true;
        }
    }
    false
}

fn repeat_generation(entries: &mut Vec<Entry>) -> bool {
    let joined = entries
        .iter()
        .rev()
        .find(|entry| matches!(entry.event, Event::Joined { .. }))
        .cloned();
    let found = joined.is_some();
    entries.extend(joined);
    found
}

fn change_poll(entries: &mut [Entry], change: impl Fn(&mut Vec<Run>, &mut i64)) -> bool {
    for entry in entries.iter_mut().rev() {
        if let Event::Poll {
            runs, high_watermark, ..
        } = &mut entry.event
            && !runs.is_empty()
        {
            if let Some(last) = runs.last() {
                *high_watermark = last.offset + last.count as i64;
            }
            change(runs, high_watermark);
            return true;
        }
    }
    false
}

fn again(runs: &mut Vec<Run>) {
    let first = runs.first().copied();
    runs.extend(first);
}

fn change_drain(entries: &mut [Entry], change: impl Fn(&mut Vec<Run>)) -> bool {
    for entry in entries.iter_mut().rev() {
        if let Event::Drain { runs, .. } = &mut entry.event
            && runs.len() > 1
        {
            change(runs);
            return true;
        }
    }
    false
}

/// Copies a directory with all that is in it. Files that are hard to copy whole are not expected.
pub fn copy_directory(from: &Path, to: &Path) -> Result<(), Trouble> {
    std::fs::create_dir_all(to).during(to.display())?;
    for entry in std::fs::read_dir(from).during(from.display())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).during(target.display())?;
        }
    }
    Ok(())
}

/// Wipes the last `count` entries of the journal below `data`, as if they had never reached the medium.
pub fn wipe_journal_tail(data: &Path, count: usize) -> Result<(), Trouble> {
    let mut frames = Vec::new();
    for path in journal_files(data)? {
        frames.extend(frames_of(&path)?);
    }
    frames.sort_by_key(|frame| frame.entry);
    expect(frames.len() > count, || {
        format!("the journal holds only {} entries", frames.len())
    })?;
    for frame in &frames[frames.len() - count..] {
        let mut file = OpenOptions::new().write(true).open(&frame.path)?;
        file.seek(SeekFrom::Start(frame.position))?;
        file.write_all(&vec![0; frame.length])?;
    }
    Ok(())
}

fn journal_files(data: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).during(folder.display())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "journal") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

struct JournalFrame {
    path: PathBuf,
    position: u64,
    length: usize,
    entry: u64,
}

/// Every entry whose header looks whole: magic `OTJ`, version 1, a length, a number. Found by looking at each block and
/// behind each frame; whether the bytes are right is for the broker to say.
fn frames_of(path: &Path) -> Result<Vec<JournalFrame>, Trouble> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    let mut frames = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + 64) {
        let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        if header[..4] != *b"OTJ\x01" || length < 64 || at + length > bytes.len() {
            at = (at / 4096 + 1) * 4096;
            continue;
        }
        let mut entry = [0; 8];
        entry.copy_from_slice(&header[24..32]);
        if header[12] != START_FRAME {
            let (path, entry) = (path.to_owned(), u64::from_be_bytes(entry));
            frames.push(JournalFrame {
                path,
                position: at as u64,
                length,
                entry,
            });
        }
        at += length;
    }
    Ok(frames)
}

/// The kind of a frame that opens a file and holds no entry.
const START_FRAME: u8 = 3;
