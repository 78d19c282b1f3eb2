//! The local journal: every write of every partition, in one sequence, made durable in groups.
//!
//! [`DiskJournal::append`] numbers an entry and queues it, under the partition's lock. [`DiskJournal::flush_once`] takes
//! what has gathered, writes it with one call, flushes once, then moves the watermarks and the durable mark. While it
//! runs the next group gathers; there is no timer. A failed write or flush ends the journal: what is in memory and what
//! is on the medium may differ then, and only a restart can tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ottla_log::{Durability, EntryBody, Journal, JournalEntry, JournalFault, Lsn, StorageFault};
use ottla_model::PartitionId;

use crate::block::BlockBuffer;
use crate::checkpoint::Checkpoint;
use crate::vfs::{Vfs, fault};

pub mod frame;
pub mod scan;
pub mod shelf;

use frame::{FRAME_HEADER, Frame, Kind};
use shelf::{JournalFile, LiveFile, Shelf};

/// The journal's limits.
#[derive(Clone, Copy, Debug)]
pub struct JournalLimits {
    /// `ottla.journal.bytes.max`: entries not yet settled and checkpointed; beyond it appends are refused.
    pub bytes_max: u64,
    /// Entries waiting for the flusher; beyond it appends are refused.
    pub buffered_bytes_max: u64,
    /// Bytes of a file; one larger entry gets a file of its own.
    pub file_bytes: u64,
    /// Bytes of the first file of a run when none is ready.
    pub first_file_bytes: u64,
    /// Bytes of one write, unless a single entry is larger.
    pub group_bytes_max: usize,
}

impl Default for JournalLimits {
    fn default() -> JournalLimits {
        JournalLimits {
            bytes_max: 1 << 30,
            buffered_bytes_max: 256 << 20,
            file_bytes: 64 << 20,
            first_file_bytes: 4 << 20,
            group_bytes_max: scan::GROUP_BYTES_MAX,
        }
    }
}

/// Where a journal goes on after recovery.
pub struct JournalStart {
    /// The last entry there is.
    pub last: Lsn,
    /// The files.
    pub shelf: Shelf,
}

/// What one flush did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// There was nothing to do.
    Nothing,
    /// Everything up to this entry is durable.
    UpTo(Lsn),
    /// There is no space for the next file, or no memory; nothing is lost, try again later.
    NoSpace,
}

/// See the module's head.
pub struct DiskJournal {
    vfs: Arc<dyn Vfs>,
    limits: JournalLimits,
    durability: Arc<Durability>,
    queue: Mutex<Queue>,
    /// The flusher sleeps on this.
    wanted: Condvar,
    flusher: Mutex<Flusher>,
    shelf: Mutex<Shelf>,
    written: Mutex<Written>,
    /// The settler sleeps on this.
    settle_wanted: Condvar,
    settle_bytes: u64,
}

/// What waits for the flusher.
struct Queue {
    state: State,
    next: Lsn,
    entries: VecDeque<JournalEntry>,
    /// Bytes of the entries accepted and not yet durable.
    bytes: u64,
    /// Bytes of the journal that hold entries not yet settled and checkpointed.
    live_bytes: u64,
    no_space: bool,
    flusher_sleeps: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Failed,
    Stopped,
}

/// The flusher's own.
struct Flusher {
    next: Lsn,
    backlog: VecDeque<JournalEntry>,
    current: Option<Current>,
    buffer: BlockBuffer,
}

struct Current {
    file: JournalFile,
    position: u64,
    last: Lsn,
}

/// What became durable and is not settled.
#[derive(Debug, Default)]
pub struct Written {
    /// Bytes per partition.
    pub partitions: BTreeMap<PartitionId, u64>,
    /// Partitions whose log start moved.
    pub log_starts: Vec<PartitionId>,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes that were taken and are being settled.
    settling: u64,
    stopping: bool,
}

impl DiskJournal {
    /// A journal that goes on after `start`.
    pub fn new(vfs: Arc<dyn Vfs>, limits: JournalLimits, settle_bytes: u64, start: JournalStart) -> DiskJournal {
        let durability = Arc::new(Durability::default());
        durability.advance(start.last);
        let next = Lsn(start.last.0 + 1);
        DiskJournal {
            vfs,
            limits,
            durability,
            queue: Mutex::new(Queue {
                state: State::Open,
                next,
                entries: VecDeque::new(),
                bytes: 0,
                live_bytes: start.shelf.live_bytes(),
                no_space: false,
                flusher_sleeps: false,
            }),
            wanted: Condvar::new(),
            flusher: Mutex::new(Flusher {
                next,
                backlog: VecDeque::new(),
                current: None,
                buffer: BlockBuffer::default(),
            }),
            shelf: Mutex::new(start.shelf),
            written: Mutex::default(),
            settle_wanted: Condvar::new(),
            settle_bytes,
        }
    }

    /// The mark that answers wait for.
    pub fn durability(&self) -> &Arc<Durability> {
        &self.durability
    }

    /// Bytes that hold entries not yet settled and checkpointed.
    pub fn live_bytes(&self) -> u64 {
        self.queue().live_bytes
    }

    /// Makes the next group durable. One caller at a time; the others wait.
    pub fn flush_once(&self) -> Result<Flushed, JournalFault> {
        let mut flusher = lock(&self.flusher);
        {
            let mut queue = self.queue();
            if queue.state == State::Failed {
                return Err(JournalFault::Failed);
            }
            if flusher.backlog.is_empty() {
                std::mem::swap(&mut queue.entries, &mut flusher.backlog);
            }
        }
        let Some(first) = flusher.backlog.front() else {
            return Ok(Flushed::Nothing);
        };
        let needed = frame_bytes(first);
        match self.make_room(&mut flusher, needed) {
            Ok(()) => self.set_no_space(false),
            Err(StorageFault::Io { out_of_space: true, .. }) => {
                self.set_no_space(true);
                return Ok(Flushed::NoSpace);
            }
            Err(fault) => return Err(self.fail(&fault)),
        }
        self.flush_group(&mut flusher)
    }

    /// Whether the next file should be prepared now.
    pub fn wants_file(&self) -> bool {
        let flusher = lock(&self.flusher);
        let full = |current: &Current| current.position * 2 >= current.file.capacity;
        flusher.current.as_ref().is_some_and(full) && lock(&self.shelf).wants_file()
    }

    /// Makes the next file ready, if the one in use is more than half full.
    pub fn prepare_once(&self) -> Result<(), StorageFault> {
        if self.wants_file() {
            let blank = lock(&self.shelf).prepare()?;
            if let Some(blank) = blank {
                blank.fill()?;
                lock(&self.shelf).place_prepared(&blank)?;
            }
        }
        Ok(())
    }

    /// Frees the files that hold nothing after `settled`; everything up to there is durable elsewhere.
    pub fn recycle(&self, settled: Lsn) {
        let flusher = lock(&self.flusher);
        let mut shelf = lock(&self.shelf);
        shelf.recycle(settled);
        let surplus = shelf.take_surplus();
        // A current file whose entries are all settled holds nothing that is needed.
        let needed = flusher.current.as_ref().filter(|current| current.last > settled);
        let current = needed.map_or(0, |current| current.position);
        let mut queue = self.queue();
        queue.live_bytes = shelf.live_bytes() + current;
        queue.no_space = false;
        drop((queue, shelf, flusher));
        shelf::remove_all(&*self.vfs, &surplus);
    }

    /// Where a replay after `settled` begins.
    pub fn replay_from(&self, settled: Lsn) -> Checkpoint {
        let flusher = lock(&self.flusher);
        let shelf = lock(&self.shelf);
        // What comes later lies in the current file at the earliest.
        let current = flusher.current.as_ref().map(|current| current.file.use_number);
        Checkpoint {
            lsn: settled,
            first_use: shelf.first_use(settled, current),
            next_use: shelf.next_use(),
        }
    }

    /// Leaves the current file, so that it can be recycled: after this nothing is written.
    pub fn close(&self) {
        let mut flusher = lock(&self.flusher);
        if let Some(current) = flusher.current.take() {
            lock(&self.shelf).retire(current.into_live());
        }
    }

    /// Takes what became durable since the last call.
    pub fn take_written(&self) -> Written {
        let mut written = lock(&self.written);
        let (stopping, settling) = (written.stopping, written.settling);
        let taken = std::mem::take(&mut *written);
        written.stopping = stopping;
        written.settling = settling + taken.bytes;
        taken
    }

    /// So many of the taken bytes are settled, given back, or of no use any more.
    pub fn settled(&self, bytes: u64) {
        let mut written = lock(&self.written);
        written.settling = written.settling.saturating_sub(bytes);
    }

    /// Whether entries are taken at all.
    pub fn is_open(&self) -> bool {
        self.queue().state == State::Open
    }

    /// Whether three quarters of `ottla.journal.bytes.max` are in use.
    pub fn is_nearly_full(&self) -> bool {
        let queue = self.queue();
        // One that failed or stopped gets no emptier by waiting.
        if queue.state != State::Open {
            return false;
        }
        (queue.live_bytes + queue.bytes) / 3 > self.limits.bytes_max / 4
    }

    /// Bytes that are in memory alone or in memory and journal: accepted, and not yet in a segment.
    pub fn unsettled_bytes(&self) -> u64 {
        let queued = self.queue().bytes;
        let written = lock(&self.written);
        queued + written.bytes + written.settling
    }

    /// Whether enough became durable to be settled.
    pub fn wants_settling(&self) -> bool {
        lock(&self.written).bytes >= self.settle_bytes
    }

    /// Gives back what could not be settled.
    pub fn put_back(&self, id: PartitionId, bytes: u64) {
        let mut written = lock(&self.written);
        *written.partitions.entry(id).or_default() += bytes;
        written.bytes += bytes;
    }

    /// Refuses appends from now on and wakes the flusher and the settler, who find that out.
    pub fn stop(&self) {
        let mut queue = self.queue();
        if queue.state == State::Open {
            queue.state = State::Stopped;
        }
        drop(queue);
        self.wanted.notify_all();
        lock(&self.written).stopping = true;
        self.settle_wanted.notify_all();
    }

    /// Sleeps until there is something to flush; `false` when the journal is stopped or failed and nothing is left.
    pub fn wait_for_entries(&self) -> bool {
        let mut queue = self.queue();
        // Bytes, not entries: what did not fit into the last flush waits with the flusher.
        while queue.bytes == 0 {
            if queue.state != State::Open {
                return false;
            }
            queue.flusher_sleeps = true;
            queue = self.wanted.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.flusher_sleeps = false;
        }
        queue.state != State::Failed
    }

    /// Sleeps until enough became durable to be settled, at most `age`; `false` when the journal is stopped.
    pub fn wait_for_written(&self, age: Duration) -> bool {
        let written = lock(&self.written);
        let enough = |written: &mut Written| !written.stopping && written.bytes < self.settle_bytes;
        let waited = self.settle_wanted.wait_timeout_while(written, age, enough);
        let (written, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !written.stopping
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    fn set_no_space(&self, no_space: bool) {
        let mut queue = self.queue();
        if no_space && !queue.no_space {
            tracing::error!("no space for another journal file; appends are refused until there is");
        } else if !no_space && queue.no_space {
            tracing::info!("there is space for the journal again");
        }
        queue.no_space = no_space;
    }

    fn fail(&self, fault: &StorageFault) -> JournalFault {
        tracing::error!(%fault, "the journal failed: nothing more is accepted or acknowledged; restart the broker");
        self.queue().state = State::Failed;
        self.durability.fail();
        JournalFault::Failed
    }

    /// Makes sure that the current file has room for a frame of `needed` bytes.
    fn make_room(&self, flusher: &mut Flusher, needed: u64) -> Result<(), StorageFault> {
        if flusher.current.as_ref().is_some_and(|current| current.room() >= needed) {
            return Ok(());
        }
        let size = match &flusher.current {
            Some(_) => self.limits.file_bytes,
            None => self.limits.first_file_bytes.min(self.limits.file_bytes),
        };
        let mut shelf = lock(&self.shelf);
        let file = shelf.take(needed + FRAME_HEADER as u64, size)?;
        let fresh = Current {
            file,
            position: 0,
            last: Lsn(flusher.next.0 - 1),
        };
        if let Some(full) = flusher.current.replace(fresh) {
            shelf.retire(full.into_live());
        }
        self.queue().live_bytes = shelf.live_bytes();
        Ok(())
    }

    fn flush_group(&self, flusher: &mut Flusher) -> Result<Flushed, JournalFault> {
        let Flusher {
            next,
            backlog,
            current,
            buffer,
        } = flusher;
        let Some(current) = current else {
            return Ok(Flushed::Nothing);
        };
        let (count, bytes) = group(backlog, current.room(), self.limits.group_bytes_max);
        if let Err(error) = buffer.reset(bytes as usize + FRAME_HEADER) {
            // Nothing is written yet, so nothing is lost.
            tracing::error!(%error, bytes, "no memory for a flush of the journal; it is tried again");
            return Ok(Flushed::NoSpace);
        }
        let durable = self.durability.durable();
        if current.position == 0 {
            frame_of(
                Kind::Start,
                PartitionId::METADATA,
                FRAME_HEADER,
                current,
                (*next, durable),
            )
            .write(&[], buffer);
        }
        for (entry, number) in backlog.iter().take(count).zip(next.0..) {
            write_entry(entry, current, (Lsn(number), durable), buffer);
        }
        buffer.pad();
        let write = || {
            current.file.file.write_block(buffer.bytes(), current.position)?;
            current.file.file.sync()
        };
        if let Err(error) = write() {
            return Err(self.fail(&fault("flush", &current.file.path, &error)));
        }
        current.position += buffer.len() as u64;
        current.last = Lsn(next.0 + count as u64 - 1);
        *next = Lsn(next.0 + count as u64);
        let last = current.last;
        self.publish(backlog.drain(..count), last, bytes, buffer.len() as u64);
        Ok(Flushed::UpTo(last))
    }

    /// Tells the world, after a flush: first the settler, then the readers, then those who wait for an answer.
    fn publish(&self, entries: impl Iterator<Item = JournalEntry>, last: Lsn, bytes: u64, on_disk: u64) {
        let mut written = lock(&self.written);
        for entry in entries {
            match &entry.body {
                EntryBody::Batch(batch) => {
                    let size = batch.size() as u64;
                    *written.partitions.entry(entry.partition).or_default() += size;
                    written.bytes += size;
                    entry.watermark.advance(batch.header().next_offset());
                }
                EntryBody::LogStart(_) => written.log_starts.push(entry.partition),
            }
        }
        if written.bytes >= self.settle_bytes {
            self.settle_wanted.notify_one();
        }
        drop(written);
        let mut queue = self.queue();
        queue.bytes -= bytes;
        queue.live_bytes += on_disk;
        drop(queue);
        self.durability.advance(last);
    }
}

/// Room that an ordinary write of a coordinator is sure to fit in.
const ORDINARY_WRITE: u64 = 1 << 20;

impl Journal for DiskJournal {
    fn has_room(&self) -> bool {
        let queue = self.queue();
        let buffered = queue.bytes + ORDINARY_WRITE;
        let fits_on_disk = queue.live_bytes + buffered <= self.limits.bytes_max;
        let fits_in_memory = buffered <= self.limits.buffered_bytes_max.max(ORDINARY_WRITE);
        queue.state == State::Open && !queue.no_space && fits_on_disk && fits_in_memory
    }

    fn append(&self, entry: JournalEntry) -> Result<Lsn, JournalFault> {
        let bytes = frame_bytes(&entry);
        let mut queue = self.queue();
        if queue.state != State::Open {
            return Err(JournalFault::Failed);
        }
        let full = queue.live_bytes + queue.bytes + bytes > self.limits.bytes_max
            || queue.bytes + bytes > self.limits.buffered_bytes_max.max(bytes);
        // What makes room is let in as long as there is any.
        let frees = matches!(entry.body, EntryBody::LogStart(_));
        if (full && !frees) || queue.no_space {
            return Err(JournalFault::Full);
        }
        let lsn = queue.next;
        queue.next = Lsn(lsn.0 + 1);
        queue.bytes += bytes;
        queue.entries.push_back(entry);
        let wake = queue.flusher_sleeps;
        queue.flusher_sleeps = false;
        drop(queue);
        if wake {
            self.wanted.notify_one();
        }
        Ok(lsn)
    }
}

impl Current {
    /// Bytes left for frames.
    fn room(&self) -> u64 {
        let start = if self.position == 0 { FRAME_HEADER as u64 } else { 0 };
        self.file.capacity.saturating_sub(self.position + start)
    }

    fn into_live(self) -> LiveFile {
        LiveFile {
            use_number: self.file.use_number,
            size: self.file.capacity,
            last: self.last,
        }
    }
}

/// How many of the first entries go into one write, and their bytes; at least one.
fn group(backlog: &VecDeque<JournalEntry>, room: u64, bytes_max: usize) -> (usize, u64) {
    let (mut count, mut bytes) = (0, 0);
    for entry in backlog {
        let more = bytes + frame_bytes(entry);
        if count > 0 && (more > room || more > bytes_max as u64) {
            break;
        }
        (count, bytes) = (count + 1, more);
    }
    (count, bytes)
}

fn frame_bytes(entry: &JournalEntry) -> u64 {
    let body = match &entry.body {
        EntryBody::Batch(batch) => batch.size(),
        EntryBody::LogStart(_) => 8,
    };
    (FRAME_HEADER + body) as u64
}

fn frame_of(kind: Kind, partition: PartitionId, length: usize, current: &Current, marks: (Lsn, Lsn)) -> Frame {
    Frame {
        kind,
        use_number: current.file.use_number,
        lsn: marks.0,
        durable: marks.1,
        partition,
        length,
    }
}

fn write_entry(entry: &JournalEntry, current: &Current, marks: (Lsn, Lsn), buffer: &mut BlockBuffer) {
    let length = frame_bytes(entry) as usize;
    match &entry.body {
        EntryBody::Batch(batch) => {
            let parts = batch.parts();
            let frame = frame_of(Kind::Batch, entry.partition, length, current, marks);
            frame.write(&[parts[0], parts[1]], buffer);
        }
        EntryBody::LogStart(offset) => {
            let frame = frame_of(Kind::LogStart, entry.partition, length, current, marks);
            frame.write(&[&offset.0.to_be_bytes()], buffer);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
