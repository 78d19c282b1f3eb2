//! One segment: a `.log` file with its `.index` and `.timeindex`, byte for byte as Kafka writes them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use ottla_log::batch::{BatchHeader, HEADER_LENGTH};
use ottla_log::{Patience, SegmentInfo, SegmentRead, StorageFault, StoredBatch};
use ottla_model::{Millis, Offset};

use crate::file_cache::{FileCache, FileKey};
use crate::vfs::{Open, VfsFile, fault, final_fault, read_bytes};

pub mod index;
pub mod swap;
pub mod walk;

use index::{Index, OffsetEntry, TimeEntry};
use walk::sane;

/// Bytes read beyond what was asked for: the index leads at most this far before the wanted batch at Kafka's default
/// interval, and a header fits too.
const READ_AHEAD: usize = 8 * 1024;
/// Places that readers left off at, remembered so that a sequential read needs no index.
const HINTS: usize = 4;

/// See the module's head. Readers share it with the one writer.
pub struct Segment {
    base: Offset,
    dir: PathBuf,
    files: Arc<FileCache>,
    keys: [FileKey; 3],
    /// Its files, once others are about to take their names.
    pinned: OnceLock<[Arc<dyn VfsFile>; 3]>,
    state: Mutex<State>,
}

/// A segment's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Log = 0,
    Offsets = 1,
    Times = 2,
}

#[derive(Clone)]
struct State {
    size: u64,
    next: Offset,
    largest: Option<(Millis, Offset)>,
    first_timestamp: Option<Millis>,
    offsets: Index<OffsetEntry>,
    times: Index<TimeEntry>,
    /// The timestamp of the time index's last entry.
    newest_time: Option<Millis>,
    unindexed: u64,
    dirty: bool,
    /// What lies before this was written past the page cache, as far as is known, or before this run.
    direct_end: u64,
    hints: [(Offset, u64); HINTS],
    next_hint: usize,
}

impl Segment {
    /// A new, empty segment; its three files are made.
    pub fn create(files: Arc<FileCache>, dir: &Path, base: Offset) -> Result<Segment, StorageFault> {
        let segment = Segment::bare(files, dir, base);
        for part in [Part::Log, Part::Offsets, Part::Times] {
            segment.file(part, Open::Empty)?;
        }
        Ok(segment)
    }

    /// Opens a segment. `next` is the base offset of the one after it, whose existence says that this one is complete;
    /// the last segment's end is looked for behind its last index entry, its CRCs checked from there if `check`.
    pub fn open(
        files: Arc<FileCache>,
        dir: &Path,
        base: Offset,
        next: Option<Offset>,
        check: bool,
    ) -> Result<Segment, StorageFault> {
        let segment = Segment::bare(files, dir, base);
        let log = segment.file(Part::Log, Open::Existing)?;
        let size = log.len().map_err(|error| segment.fault(Part::Log, "measure", &error))?;
        {
            let mut state = segment.lock();
            state.size = size;
            state.direct_end = size;
            state.first_timestamp = segment.first_timestamp(&*log)?;
        }
        if !segment.open_indexes(next, check)? {
            segment.rebuild(check)?;
        }
        if let Some(next) = next {
            let mut state = segment.lock();
            state.next = next;
        }
        Ok(segment)
    }

    /// The offset its files are named after.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// Bytes of records.
    pub fn size(&self) -> u64 {
        self.lock().size
    }

    /// Bytes of its indexes.
    pub fn index_bytes(&self) -> u64 {
        let state = self.lock();
        state.offsets.len() * 8 + state.times.len() * 12
    }

    /// The offset after its last batch, or the base of the segment after it.
    pub fn next(&self) -> Offset {
        self.lock().next
    }

    /// What retention and describing need to know.
    pub fn info(&self) -> SegmentInfo {
        let state = self.lock();
        SegmentInfo {
            base_offset: self.base,
            next_offset: state.next,
            size: state.size,
            max_timestamp: state.largest,
            first_timestamp: state.first_timestamp,
        }
    }

    /// Whether an index takes no more entries.
    pub fn is_index_full(&self, bytes_max: u64) -> bool {
        let state = self.lock();
        (state.offsets.len() + 1) * 8 > bytes_max || (state.times.len() + 1) * 12 > bytes_max
    }

    /// Whether something was appended since the last sync.
    pub fn is_dirty(&self) -> bool {
        self.lock().dirty
    }

    /// Appends batches with one write.
    pub fn append(&self, batches: &[StoredBatch], index_interval: u64) -> Result<(), StorageFault> {
        let log = self.file(Part::Log, Open::Existing)?;
        let at = self.lock().size;
        let parts = batches
            .iter()
            .flat_map(StoredBatch::parts)
            .filter(|part| !part.is_empty());
        let parts = parts.cloned().collect::<Vec<_>>();
        self.lock().dirty = true;
        if let Err(error) = self.write(&*log, &parts, at) {
            // What was written of it lies beyond the end and is written over; better still without it.
            let _ = log.truncate(at);
            return Err(self.fault(Part::Log, "write", &error));
        }
        let mut state = self.lock();
        for batch in batches {
            let position = state.size;
            state.note(self.base, position, batch.header(), batch.size(), index_interval);
        }
        Ok(())
    }

    fn write(&self, log: &dyn VfsFile, parts: &[Bytes], at: u64) -> io::Result<()> {
        let size = parts.iter().map(Bytes::len).sum();
        if !self.files.bulk().is_for(size) {
            return log.write_at(parts, at);
        }
        self.files.bulk().write(log, parts, at)?;
        self.lock().direct_end = at + size as u64;
        Ok(())
    }

    /// Makes everything appended durable: one flush per file.
    pub fn sync(&self) -> Result<(), StorageFault> {
        if !self.is_dirty() {
            return Ok(());
        }
        let log = self.file(Part::Log, Open::Existing)?;
        log.sync().map_err(|error| self.flush_fault(Part::Log, &error))?;
        for part in [Part::Offsets, Part::Times] {
            let file = self.file(part, Open::Create)?;
            let write = || {
                self.lock().write_index(part, &*file)?;
                file.sync()
            };
            write().map_err(|error| self.flush_fault(part, &error))?;
        }
        self.lock().dirty = false;
        Ok(())
    }

    /// Writes what is pending of its indexes and counts as synced: the caller syncs all of the file system, or calls
    /// [`Segment::not_synced`].
    pub fn prepare_sync(&self) -> Result<(), StorageFault> {
        if !self.is_dirty() {
            return Ok(());
        }
        for part in [Part::Offsets, Part::Times] {
            let file = self.file(part, Open::Create)?;
            let written = self.lock().write_index(part, &*file);
            written.map_err(|error| self.fault(part, "write", &error))?;
        }
        self.lock().dirty = false;
        Ok(())
    }

    /// Takes back that it was synced.
    pub fn not_synced(&self) {
        self.lock().dirty = true;
    }

    /// The segment takes no more batches: the time index gets its last entry, as Kafka's does.
    pub fn close(&self) {
        let mut state = self.lock();
        if let Some((timestamp, offset)) = state.largest {
            let before = state.times.len();
            state.note_time(timestamp, (offset.0 - self.base.0) as i32);
            state.dirty |= state.times.len() > before;
        }
    }

    /// See [`ottla_log::Segments::read`], within this segment.
    pub fn read(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
        patience: Patience,
    ) -> Result<SegmentRead, StorageFault> {
        let log = self.file(Part::Log, Open::Existing)?;
        let size = self.size();
        let mut start = self.position_before(from)?;
        let mut want = bytes_max.saturating_add(READ_AHEAD);
        loop {
            let length = want.min((size - start) as usize);
            let Some(bytes) = self.read_bytes(&*log, start, length, patience)? else {
                return Ok(SegmentRead::WouldWait);
            };
            match self.select(&bytes, start, (from, before), bytes_max)? {
                Selected::Batches(range) => {
                    if let Some(last) = range.2 {
                        self.lock().hint(last, start + range.1 as u64);
                    }
                    return Ok(SegmentRead::Batches(bytes.slice(range.0..range.1)));
                }
                Selected::More { at, size: needed } => {
                    if start + (at + needed) as u64 > size {
                        return Err(self.corrupt(start + at as u64, "a batch reaches beyond the end"));
                    }
                    start += at as u64;
                    want = needed.max(bytes_max.saturating_add(READ_AHEAD));
                }
            }
        }
    }

    /// The base offset of a batch at or before the first with a timestamp of at least `at`, if there is one.
    pub fn position_of_timestamp(&self, at: Millis) -> Result<Option<Offset>, StorageFault> {
        let file = self.file(Part::Times, Open::Create)?;
        let state = self.lock();
        if state.largest.is_none_or(|(largest, _)| largest < at) {
            return Ok(None);
        }
        let before = state.times.last_where(&*file, |entry| entry.timestamp < at.0);
        let before = before.map_err(|error| self.fault(Part::Times, "read", &error))?;
        Ok(Some(before.map_or(self.base, |entry| {
            self.base.plus(i64::from(entry.offset) + 1)
        })))
    }

    /// Cuts everything from the first batch on that begins at or after `end`.
    pub fn truncate(&self, end: Offset, index_interval: u64) -> Result<(), StorageFault> {
        let log = self.file(Part::Log, Open::Existing)?;
        let (from, size) = (self.position_before(end)?, self.lock().size);
        let walked = walk::walk(&*log, from..size, false, |_, header, _| header.base_offset < end);
        let cut = walked.map_err(|error| self.fault(Part::Log, "read", &error))?.position;
        if cut == size {
            return Ok(());
        }
        let relative = end.0 - self.base.0;
        let offsets = self.file(Part::Offsets, Open::Create)?;
        let times = self.file(Part::Times, Open::Create)?;
        let cut_files = || {
            let mut state = self.lock();
            state
                .offsets
                .truncate(&*offsets, |entry| i64::from(entry.offset) < relative)?;
            state
                .times
                .truncate(&*times, |entry| i64::from(entry.offset) < relative)?;
            log.truncate(cut)
        };
        cut_files().map_err(|error| self.fault(Part::Log, "truncate", &error))?;
        {
            let mut state = self.lock();
            state.size = cut;
            state.direct_end = state.direct_end.min(cut);
            state.dirty = true;
            state.hints = Default::default();
        }
        self.find_end(index_interval, false)?;
        Ok(())
    }

    /// Removes its files.
    pub fn remove(&self) -> Result<(), StorageFault> {
        self.release();
        for part in [Part::Offsets, Part::Times, Part::Log] {
            let path = self.path(part);
            match self.files.vfs().unlink(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault("remove", &path, &error)),
                _ => {}
            }
        }
        let _ = self.files.vfs().unlink(&name_of(&self.dir, self.base, "txnindex"));
        Ok(())
    }

    /// Keeps its files open for as long as readers have it: from here on their names may go to others.
    pub fn pin(&self) -> Result<(), StorageFault> {
        let files = [
            self.file(Part::Log, Open::Existing)?,
            self.file(Part::Offsets, Open::Create)?,
            self.file(Part::Times, Open::Create)?,
        ];
        // A second call changes nothing.
        let _ = self.pinned.set(files);
        Ok(())
    }

    /// The fault of a batch that is not what was written.
    pub fn corrupt_batch(&self, at: Offset, what: &'static str) -> StorageFault {
        let position = self.position_before(at).unwrap_or_default();
        self.corrupt(position, what)
    }

    /// Closes its files; they are opened again when they are needed.
    pub fn release(&self) {
        for key in self.keys {
            self.files.forget(key);
        }
    }

    fn bare(files: Arc<FileCache>, dir: &Path, base: Offset) -> Segment {
        Segment {
            base,
            dir: dir.to_path_buf(),
            keys: [files.key(), files.key(), files.key()],
            files,
            pinned: OnceLock::new(),
            state: Mutex::new(State::empty(base)),
        }
    }

    /// Takes the index files as they are, if they can be right; `false` if they must be written anew.
    fn open_indexes(&self, next: Option<Offset>, check: bool) -> Result<bool, StorageFault> {
        let (Ok(offsets), Ok(times)) = (
            self.file(Part::Offsets, Open::Existing),
            self.file(Part::Times, Open::Existing),
        ) else {
            return Ok(false);
        };
        let lengths = || Ok((offsets.len()?, times.len()?));
        let (of_offsets, of_times) = lengths().map_err(|error| self.fault(Part::Offsets, "measure", &error))?;
        if of_offsets % 8 != 0 || of_times % 12 != 0 {
            return Ok(false);
        }
        {
            let mut state = self.lock();
            state.offsets = Index::of_file(of_offsets);
            state.times = Index::of_file(of_times);
        }
        if check && next.is_none() && !self.has_sound_indexes(&*offsets, &*times)? {
            return Ok(false);
        }
        match next {
            None => self.find_end(0, check),
            Some(_) => {
                let last = self.lock().times.last(&*times);
                let last = last.map_err(|error| self.fault(Part::Times, "read", &error))?;
                let mut state = self.lock();
                state.largest = last.map(|entry| (Millis(entry.timestamp), self.base.plus(i64::from(entry.offset))));
                // A complete segment's time index is never empty, unless the segment is.
                Ok(state.largest.is_some() || state.size == 0)
            }
        }
    }

    fn has_sound_indexes(&self, offsets: &dyn VfsFile, times: &dyn VfsFile) -> Result<bool, StorageFault> {
        let state = self.lock();
        let rises = |one: &OffsetEntry, next: &OffsetEntry| one.offset < next.offset && one.position < next.position;
        let by_offset = state.offsets.is_sound(offsets, rises);
        let rises = |one: &TimeEntry, next: &TimeEntry| one.timestamp < next.timestamp && one.offset < next.offset;
        let by_time = state.times.is_sound(times, rises);
        let sound = by_offset.and_then(|offsets| Ok(offsets && by_time?));
        sound.map_err(|error| self.fault(Part::Offsets, "read", &error))
    }

    /// Walks from the last index entry to the end; `false` if that entry does not lead to its batch. What is no whole
    /// batch behind the end is cut.
    fn find_end(&self, index_interval: u64, check: bool) -> Result<bool, StorageFault> {
        let (log, offsets) = (
            self.file(Part::Log, Open::Existing)?,
            self.file(Part::Offsets, Open::Create)?,
        );
        let times = self.file(Part::Times, Open::Create)?;
        let lasts = {
            let state = self.lock();
            let read = || Ok((state.offsets.last(&*offsets)?, state.times.last(&*times)?));
            read().map_err(|error| self.fault(Part::Offsets, "read", &error))?
        };
        let from = lasts.0.map_or(0, |entry| entry.position as u64);
        let size = self.lock().size;
        if let Some(entry) = lasts.0 {
            let head = read_bytes(&*log, from, HEADER_LENGTH).map_err(|error| self.fault(Part::Log, "read", &error))?;
            let leads = sane(&head, self.base.0).map(|(header, _)| header.last_offset());
            if entry.position < 0 || leads != Some(self.base.plus(i64::from(entry.offset))) {
                return Ok(false);
            }
        }
        {
            let mut state = self.lock();
            state.next = self.base;
            state.size = from;
            state.unindexed = 0;
            state.newest_time = lasts.1.map(|entry| Millis(entry.timestamp));
            state.largest = lasts
                .1
                .map(|entry| (Millis(entry.timestamp), self.base.plus(i64::from(entry.offset))));
            if size == 0 {
                state.first_timestamp = None;
            }
        }
        self.learn(&*log, from..size, (index_interval, check), true)?;
        Ok(true)
    }

    /// Writes both indexes anew from the batches.
    fn rebuild(&self, check: bool) -> Result<(), StorageFault> {
        tracing::warn!(segment = %self.path(Part::Log).display(), "the indexes are missing or wrong; they are built anew");
        let log = self.file(Part::Log, Open::Existing)?;
        for part in [Part::Offsets, Part::Times] {
            let file = self.file(part, Open::Create)?;
            file.truncate(0).map_err(|error| self.fault(part, "truncate", &error))?;
        }
        let size = {
            let mut state = self.lock();
            state.offsets = Index::of_file(0);
            state.times = Index::of_file(0);
            state.largest = None;
            state.newest_time = None;
            state.next = self.base;
            state.unindexed = 0;
            state.dirty = true;
            std::mem::take(&mut state.size)
        };
        self.learn(&*log, 0..size, (REBUILD_INTERVAL, check), false)?;
        self.close();
        Ok(())
    }

    /// Takes the batches of a range into account. `indexed`: the batch at its start has its index entry.
    fn learn(
        &self,
        log: &dyn VfsFile,
        range: std::ops::Range<u64>,
        (index_interval, check): (u64, bool),
        indexed: bool,
    ) -> Result<(), StorageFault> {
        let mut state = self.lock();
        let end = range.end;
        let first = range.start;
        let walked = walk::walk(log, range, check, |position, header, size| {
            let interval = match (indexed && position == first, index_interval) {
                (true, _) | (_, 0) => u64::MAX,
                (_, interval) => interval,
            };
            state.note(self.base, position, header, size, interval);
            true
        });
        let walked = walked.map_err(|error| self.fault(Part::Log, "read", &error))?;
        state.size = walked.position;
        drop(state);
        if walked.broken && walked.position < end {
            tracing::warn!(
                segment = %self.path(Part::Log).display(),
                from = walked.position,
                to = end,
                "what stands at the end of the segment is no whole batch; it is cut off"
            );
            log.truncate(walked.position)
                .map_err(|error| self.fault(Part::Log, "truncate", &error))?;
            self.lock().dirty = true;
        }
        Ok(())
    }

    fn first_timestamp(&self, log: &dyn VfsFile) -> Result<Option<Millis>, StorageFault> {
        let head = read_bytes(log, 0, HEADER_LENGTH).map_err(|error| self.fault(Part::Log, "read", &error))?;
        Ok(BatchHeader::read(&head).map(|header| header.max_timestamp))
    }

    /// The position of a batch at or before the one that holds `from`, or the first after it.
    fn position_before(&self, from: Offset) -> Result<u64, StorageFault> {
        let state = self.lock();
        let mut hinted = state
            .hints
            .iter()
            .filter(|(offset, position)| *offset == from && *position > 0);
        if let Some((_, position)) = hinted.next_back() {
            return Ok(*position);
        }
        if state.offsets.is_empty() {
            return Ok(0);
        }
        let relative = from.0 - self.base.0;
        let file = self.file(Part::Offsets, Open::Create)?;
        let entry = state
            .offsets
            .last_where(&*file, |entry| i64::from(entry.offset) <= relative);
        let entry = entry.map_err(|error| self.fault(Part::Offsets, "read", &error))?;
        Ok(entry.map_or(0, |entry| (entry.position.max(0) as u64).min(state.size)))
    }

    fn read_bytes(
        &self,
        log: &dyn VfsFile,
        at: u64,
        length: usize,
        patience: Patience,
    ) -> Result<Option<Bytes>, StorageFault> {
        let bulk = self.files.bulk();
        let direct = bulk.is_for(length) && at < self.lock().direct_end;
        let bytes = match patience {
            // Asking the page cache would have the system read ahead into it what is then read past it.
            Patience::Now if direct => Ok(None),
            Patience::Now => bulk.read_now(log, at, length),
            Patience::Wait if direct => bulk.read(log, at, length).map(Some),
            Patience::Wait => read_bytes(log, at, length).map(Some),
        };
        match bytes.map_err(|error| self.fault(Part::Log, "read", &error))? {
            Some(bytes) if bytes.len() == length => Ok(Some(bytes)),
            Some(bytes) => Err(self.corrupt(at + bytes.len() as u64, "the file is shorter than it was")),
            None => Ok(None),
        }
    }

    /// Which part of `bytes`, which begin with a batch, is the answer.
    fn select(
        &self,
        bytes: &[u8],
        start: u64,
        (from, before): (Offset, Offset),
        bytes_max: usize,
    ) -> Result<Selected, StorageFault> {
        let (mut at, mut first, mut last, mut at_least) = (0, None, None, self.base.0);
        let end = self.next();
        while at < bytes.len() {
            if bytes.len() - at < HEADER_LENGTH {
                return Ok(cut_or_more(first, at, HEADER_LENGTH, last));
            }
            // A damaged count of records would have readers told of offsets that do not exist.
            let good = sane(&bytes[at..], at_least).filter(|(header, _)| header.next_offset() <= end);
            let Some((header, size)) = good else {
                // What was good before the damage is served; asking on leads here again.
                return match first {
                    Some(first) => Ok(Selected::Batches((first, at, last))),
                    None => Err(self.corrupt(start + at as u64, "no batch header")),
                };
            };
            at_least = header.next_offset().0;
            if header.base_offset >= before {
                break;
            }
            if header.last_offset() < from {
                at += size;
                if at >= bytes.len() && start + (at as u64) < self.size() {
                    return Ok(Selected::More {
                        at,
                        size: HEADER_LENGTH,
                    });
                }
                continue;
            }
            let over = first.is_some_and(|first| at + size - first > bytes_max);
            if over {
                break;
            }
            if at + size > bytes.len() {
                return Ok(cut_or_more(first, at, size, last));
            }
            first.get_or_insert(at);
            last = Some(header.next_offset());
            at += size;
        }
        let first = first.unwrap_or(0);
        Ok(Selected::Batches((first, last.map_or(first, |_| at), last)))
    }

    fn file(&self, part: Part, how: Open) -> Result<Arc<dyn VfsFile>, StorageFault> {
        if let Some(files) = self.pinned.get() {
            return Ok(Arc::clone(&files[part as usize]));
        }
        let path = self.path(part);
        let file = self.files.get(self.keys[part as usize], &path, how);
        // Asked again after opening: if it is not pinned even now, the name was still its own.
        match self.pinned.get() {
            Some(files) => Ok(Arc::clone(&files[part as usize])),
            None => file.map_err(|error| fault("open", &path, &error)),
        }
    }

    fn path(&self, part: Part) -> PathBuf {
        let suffix = match part {
            Part::Log => "log",
            Part::Offsets => "index",
            Part::Times => "timeindex",
        };
        name_of(&self.dir, self.base, suffix)
    }

    fn fault(&self, part: Part, operation: &'static str, error: &io::Error) -> StorageFault {
        fault(operation, &self.path(part), error)
    }

    /// A flush that failed, be it for want of space, is never asked again and believed: the system may have dropped what
    /// it could not write.
    fn flush_fault(&self, part: Part, error: &io::Error) -> StorageFault {
        final_fault("flush", &self.path(part), error)
    }

    fn corrupt(&self, position: u64, what: &'static str) -> StorageFault {
        StorageFault::Corrupt {
            path: self.path(Part::Log).display().to_string(),
            position,
            what,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Segment {
    /// A reader that held on to it may have opened a file anew after it was released or removed.
    fn drop(&mut self) {
        self.release();
    }
}

/// What [`Segment::select`] came to.
enum Selected {
    /// Bytes from, to, and the offset after the last batch if there is one.
    Batches((usize, usize, Option<Offset>)),
    /// The batch at `at` needs so many bytes.
    More { at: usize, size: usize },
}

fn cut_or_more(first: Option<usize>, at: usize, size: usize, last: Option<Offset>) -> Selected {
    match first {
        Some(first) => Selected::Batches((first, at, last)),
        None => Selected::More { at, size },
    }
}

impl State {
    fn empty(base: Offset) -> State {
        State {
            size: 0,
            next: base,
            largest: None,
            first_timestamp: None,
            offsets: Index::of_file(0),
            times: Index::of_file(0),
            newest_time: None,
            unindexed: 0,
            dirty: false,
            direct_end: 0,
            hints: Default::default(),
            next_hint: 0,
        }
    }

    /// Takes a batch that lies at `position` into account, with an index entry if it is time for one.
    fn note(&mut self, base: Offset, position: u64, header: &BatchHeader, size: usize, index_interval: u64) {
        if self.size == 0 {
            self.first_timestamp = Some(header.max_timestamp);
        }
        if self.largest.is_none_or(|(largest, _)| header.max_timestamp > largest) {
            self.largest = Some((header.max_timestamp, header.last_offset()));
        }
        if self.unindexed > index_interval {
            let relative = |offset: Offset| (offset.0 - base.0) as i32;
            self.offsets.push(OffsetEntry {
                offset: relative(header.last_offset()),
                position: position as i32,
            });
            if let Some((timestamp, offset)) = self.largest {
                self.note_time(timestamp, relative(offset));
            }
            self.unindexed = 0;
        }
        self.unindexed += size as u64;
        self.size = position + size as u64;
        self.next = header.next_offset();
    }

    fn write_index(&mut self, part: Part, file: &dyn VfsFile) -> io::Result<()> {
        match part {
            Part::Offsets if self.offsets.is_dirty() => self.offsets.write(file),
            Part::Times if self.times.is_dirty() => self.times.write(file),
            _ => Ok(()),
        }
    }

    fn note_time(&mut self, timestamp: Millis, offset: i32) {
        let newest = self.newest_time;
        if newest.is_none_or(|newest| timestamp > newest) {
            self.times.push(TimeEntry {
                timestamp: timestamp.0,
                offset,
            });
            self.newest_time = Some(timestamp);
        }
    }

    fn hint(&mut self, offset: Offset, position: u64) {
        self.hints[self.next_hint] = (offset, position);
        self.next_hint = (self.next_hint + 1) % HINTS;
    }
}

/// The indexes of a complete segment.
pub struct BuiltIndexes {
    /// The bytes of its `.index`.
    pub offsets: Bytes,
    /// The bytes of its `.timeindex`.
    pub times: Bytes,
    /// The offset after its last batch.
    pub next: Offset,
}

/// Builds the indexes of a `.log` file that takes no more batches.
pub fn built_indexes(log: &dyn VfsFile, base: Offset, index_interval: u64) -> io::Result<BuiltIndexes> {
    let mut state = State::empty(base);
    walk::walk(log, 0..log.len()?, false, |position, header, size| {
        state.note(base, position, header, size, index_interval);
        true
    })?;
    if let Some((timestamp, offset)) = state.largest {
        state.note_time(timestamp, (offset.0 - base.0) as i32);
    }
    Ok(BuiltIndexes {
        offsets: state.offsets.pending_bytes(),
        times: state.times.pending_bytes(),
        next: state.next,
    })
}

/// Kafka's default `index.interval.bytes`, for indexes built anew.
const REBUILD_INTERVAL: u64 = 4096;

/// The path of a segment's file.
pub fn name_of(dir: &Path, base: Offset, suffix: &str) -> PathBuf {
    dir.join(format!("{:020}.{suffix}", base.0))
}
