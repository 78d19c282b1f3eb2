//! What the journal's files hold after a stop of any kind.
//!
//! The rule, over all frames that are whole: let *mark* be the largest durable-up-to mark any of them carries (or the
//! checkpoint). Entries up to the mark were acknowledged: one that is missing is damage, to be reported, never to be
//! passed over in silence. Entries after the mark are taken as long as their numbers run on; the first gap is the torn
//! end of an unfinished flush, and what lies behind it was never acknowledged.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_log::batch::BatchHeader;
use ottla_log::{Lsn, StorageFault};
use ottla_model::{Offset, PartitionId};

use super::frame::{FRAME_HEADER, Frame, Kind, MAGIC, log_start};
use super::shelf::use_of;
use crate::block::{BLOCK, round_up};
use crate::checkpoint::Checkpoint;
use crate::vfs::{Open, Vfs, VfsFile, fault};

/// Bytes of one flush, unless a single entry is larger; so far behind an unreadable place its successor is looked for.
pub const GROUP_BYTES_MAX: usize = 4 << 20;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// An entry found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub lsn: Lsn,
    /// Whose it is.
    pub partition: PartitionId,
    /// What it holds.
    pub body: FoundBody,
    /// The position in [`Scan::files`] of its file.
    pub file: usize,
    /// Where its frame begins.
    pub position: u64,
    /// Bytes of its frame.
    pub length: usize,
}

/// What an entry found holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundBody {
    /// A batch that begins at this offset.
    Batch(Offset),
    /// A new log start.
    LogStart(Offset),
}

/// A range that was durable once and is unreadable now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// The bytes.
    pub bytes: Range<u64>,
    /// The first and the last entry that is missing.
    pub entries: (Lsn, Lsn),
    /// Partitions that lost something, as far as the remains tell.
    pub partitions: Vec<PartitionId>,
}

/// A file that holds entries to be replayed.
pub struct ScannedFile {
    /// The number of its use.
    pub use_number: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// The file.
    pub file: Arc<dyn VfsFile>,
    /// Bytes it takes.
    pub size: u64,
    /// The last entry taken from it.
    pub last: Lsn,
}

/// What was found.
pub struct Scan {
    /// All files looked at, oldest use first.
    pub files: Vec<ScannedFile>,
    /// Files not looked at, as (use, bytes): they hold nothing that is needed.
    pub spares: Vec<(u64, u64)>,
    /// The entries to be replayed, in order.
    pub entries: Vec<Found>,
    /// What is missing.
    pub damages: Vec<Damage>,
    /// The last entry there was.
    pub last: Lsn,
    /// The largest mark.
    pub durable: Lsn,
    /// A use number not yet given.
    pub next_use: u64,
}

/// Looks through the journal in `dir`. Without a checkpoint, from the newest entries back as far as they run on.
pub fn scan(vfs: &dyn Vfs, dir: &Path, checkpoint: Option<Checkpoint>) -> Result<Scan, StorageFault> {
    let (mut uses, mut spares, mut files) = (uses(vfs, dir)?, Vec::new(), Vec::new());
    uses.sort_unstable();
    let next_use = uses.last().map_or(0, |last| last + 1);
    for use_number in uses {
        let path = super::shelf::path_of(dir, use_number);
        let open = || {
            let file = vfs.open(&path, Open::Existing)?;
            Ok((file.len()?, file))
        };
        let (size, file) = open().map_err(|error| fault("open", &path, &error))?;
        if checkpoint.is_some_and(|checkpoint| use_number < checkpoint.first_use) {
            spares.push((use_number, size));
        } else {
            files.push(ScannedFile {
                use_number,
                path,
                file,
                size,
                last: Lsn(0),
            });
        }
    }
    let mut content = Content::default();
    let mut walks = Vec::new();
    for (index, file) in files.iter().enumerate() {
        // One file is read from the medium while the one before it is looked through. Not the last two: one may be
        // prepared and the other begun, most of which is never read.
        if let Some([soon, _, _, ..]) = files.get(index + 1..) {
            soon.file.will_read();
        }
        content.open(file);
        walks.push(walk(&mut content, index, file.use_number).map_err(|error| fault("read", &file.path, &error))?);
    }
    let mut scan = Scan {
        files,
        spares,
        entries: Vec::new(),
        damages: Vec::new(),
        last: Lsn(0),
        durable: Lsn(0),
        next_use: next_use
            .max(checkpoint.map_or(0, |checkpoint| checkpoint.next_use))
            .max(1),
    };
    let from = checkpoint.map_or_else(|| newest_run(&walks), |checkpoint| checkpoint.lsn);
    scan.judge(&walks, from);
    Ok(scan)
}

fn uses(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<u64>, StorageFault> {
    let entries = vfs.read_dir(dir).map_err(|error| fault("list", dir, &error))?;
    Ok(entries.iter().filter_map(|entry| use_of(&entry.name)).collect())
}

/// The whole frames of one file.
#[derive(Default)]
struct Walk {
    /// The number of the file's first entry, if its start frame or any entry is left.
    first: Option<Lsn>,
    entries: Vec<Found>,
    durable: Lsn,
    /// Headers found where the frame is not whole.
    remains: Vec<(u64, PartitionId)>,
}

fn walk(content: &mut Content, file: usize, use_number: u64) -> std::io::Result<Walk> {
    let mut walk = Walk::default();
    let mut position = 0;
    while position < content.size {
        if let Some((frame, found)) = content.frame_at(position, file, use_number)? {
            walk.first.get_or_insert(frame.lsn);
            walk.durable = walk.durable.max(frame.durable);
            walk.entries.extend(found);
            position += frame.length as u64;
            continue;
        }
        let block = round_up(position as usize) as u64;
        if block != position
            && content.frame_at(block, file, use_number)?.is_some()
            && content.is_zero(position, block)?
        {
            position = block;
            continue;
        }
        if let Some(partition) = content.remains_at(position, use_number)? {
            walk.remains.push((position, partition));
        }
        match content.next_frame(position, file, use_number)? {
            Some(next) => position = next,
            None => break,
        }
    }
    Ok(walk)
}

/// The number before the first entry of the newest files that run on without a gap.
fn newest_run(walks: &[Walk]) -> Lsn {
    let mut from = None;
    for walk in walks.iter().rev() {
        let (Some(first), Some(last)) = (walk.first, walk.entries.last().map(|entry| entry.lsn)) else {
            continue;
        };
        if from.is_some_and(|from: Lsn| last.0 < from.0) {
            break;
        }
        from = Some(Lsn(first.0 - 1));
    }
    from.unwrap_or_default()
}

impl Scan {
    fn judge(&mut self, walks: &[Walk], from: Lsn) {
        self.durable = walks.iter().map(|walk| walk.durable).fold(from, Lsn::max);
        let mut next = Lsn(from.0 + 1);
        let mut before = (0, 0);
        'files: for (index, walk) in walks.iter().enumerate() {
            // A later file says where it begins: what an earlier one holds from there on was cut off before.
            let limit = walks[index + 1..].iter().filter_map(|walk| walk.first).min();
            for found in &walk.entries {
                if found.lsn < next || limit.is_some_and(|limit| found.lsn >= limit) {
                    if found.lsn < next {
                        before = (index, found.position + found.length as u64);
                    }
                    continue;
                }
                if found.lsn > next {
                    if Lsn(found.lsn.0 - 1) > self.durable {
                        break 'files;
                    }
                    self.report(
                        walks,
                        (next, Lsn(found.lsn.0 - 1)),
                        before,
                        Some((index, found.position)),
                    );
                }
                self.entries.push(*found);
                self.files[index].last = found.lsn;
                next = Lsn(found.lsn.0 + 1);
                before = (index, found.position + found.length as u64);
            }
        }
        if next <= self.durable {
            self.report(walks, (next, self.durable), before, None);
            next = Lsn(self.durable.0 + 1);
        }
        self.last = Lsn(next.0 - 1);
    }

    fn report(&mut self, walks: &[Walk], entries: (Lsn, Lsn), before: (usize, u64), after: Option<(usize, u64)>) {
        let last = after.map_or(self.files.len().saturating_sub(1), |(file, _)| file);
        let count = (last + 1).saturating_sub(before.0);
        for (index, (file, walk)) in self.files.iter().zip(walks).enumerate().skip(before.0).take(count) {
            let from = if index == before.0 { before.1 } else { 0 };
            let to = after
                .filter(|(file, _)| *file == index)
                .map_or(file.size, |(_, position)| position);
            if from >= to {
                continue;
            }
            let remains = walk.remains.iter().filter(|(at, _)| (from..to).contains(at));
            let mut partitions = remains.map(|(_, partition)| *partition).collect::<Vec<_>>();
            partitions.dedup();
            self.damages.push(Damage {
                path: file.path.clone(),
                bytes: from..to,
                entries,
                partitions,
            });
        }
    }
}

/// A file's bytes, read as far as they are needed.
#[derive(Default)]
struct Content {
    file: Option<Arc<dyn VfsFile>>,
    bytes: Vec<u8>,
    size: u64,
}

impl Content {
    fn open(&mut self, file: &ScannedFile) {
        self.file = Some(Arc::clone(&file.file));
        self.bytes.clear();
        // Address space only: pages are touched as they are read.
        self.bytes.reserve(file.size as usize);
        self.size = file.size;
    }

    /// The bytes of a range, fewer at the end of the file.
    fn get(&mut self, from: u64, to: u64) -> std::io::Result<&[u8]> {
        let (from, to) = (from.min(self.size) as usize, to.min(self.size) as usize);
        if let Some(file) = &self.file
            && self.bytes.len() < to
        {
            let have = self.bytes.len();
            let want = to.next_multiple_of(CHUNK).min(self.size as usize);
            self.bytes.resize(want, 0);
            file.read_at(&mut self.bytes[have..], have as u64)?;
        }
        Ok(&self.bytes[from..to])
    }

    fn frame_at(&mut self, at: u64, file: usize, use_number: u64) -> std::io::Result<Option<(Frame, Option<Found>)>> {
        let Some(frame) = Frame::peek(self.get(at, at + FRAME_HEADER as u64)?) else {
            return Ok(None);
        };
        if frame.use_number != use_number || at + frame.length as u64 > self.size {
            return Ok(None);
        }
        let bytes = self.get(at, at + frame.length as u64)?;
        if !frame.is_whole(bytes) {
            return Ok(None);
        }
        let body = match frame.kind {
            Kind::Start => return Ok(Some((frame, None))),
            Kind::Batch => BatchHeader::read(frame.body(bytes)).map(|header| FoundBody::Batch(header.base_offset)),
            Kind::LogStart => log_start(frame.body(bytes)).map(FoundBody::LogStart),
        };
        Ok(body.map(|body| {
            let found = Found {
                lsn: frame.lsn,
                partition: frame.partition,
                body,
                file,
                position: at,
                length: frame.length,
            };
            (frame, Some(found))
        }))
    }

    fn is_zero(&mut self, from: u64, to: u64) -> std::io::Result<bool> {
        Ok(self.get(from, to)?.iter().all(|byte| *byte == 0))
    }

    /// Whose frame is not whole at `at`, if its header still tells.
    fn remains_at(&mut self, at: u64, use_number: u64) -> std::io::Result<Option<PartitionId>> {
        let frame = Frame::peek(self.get(at, at + FRAME_HEADER as u64)?);
        let ours = frame.filter(|frame| frame.use_number == use_number && frame.kind != Kind::Start);
        Ok(ours.map(|frame| frame.partition))
    }

    /// The next whole frame after an unreadable place.
    fn next_frame(&mut self, at: u64, file: usize, use_number: u64) -> std::io::Result<Option<u64>> {
        let first = round_up(at as usize) as u64;
        // A block that was never written in this use ends the file, unless the block itself is what was damaged: then its
        // successor is not further away than one flush.
        let end = match self.is_unused(first, use_number)? && (first == at || self.is_unused(at, use_number)?) {
            true => (first + (GROUP_BYTES_MAX + BLOCK) as u64).min(self.size),
            false => self.size,
        };
        let mut block = first;
        while block < end && self.frame_at(block, file, use_number)?.is_none() {
            block += BLOCK as u64;
        }
        if block >= end {
            return Ok(None);
        }
        // Frames of the same flush that lie between the damage and the next one.
        for between in at + 1..block {
            if self.get(between, between + 4)? == MAGIC && self.frame_at(between, file, use_number)?.is_some() {
                return Ok(Some(between));
            }
        }
        Ok(Some(block))
    }

    fn is_unused(&mut self, at: u64, use_number: u64) -> std::io::Result<bool> {
        let bytes = self.get(at, at + FRAME_HEADER as u64)?;
        let older = Frame::peek(bytes).is_some_and(|frame| frame.use_number < use_number);
        Ok(older || bytes.iter().all(|byte| *byte == 0))
    }
}
