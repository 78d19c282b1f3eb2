//! The two media in memory: for tests, for simulations, and where nothing needs to survive.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use ottla_model::{Millis, Offset};

use crate::batch::BatchHeader;
use crate::{
    Durability, EntryBody, Journal, JournalEntry, JournalFault, Lsn, Patience, SegmentInfo, SegmentRead, Segments,
    StorageFault, StoredBatch,
};

/// A journal that forgets with the process. Entries become "durable" when it is flushed: by hand, or at once.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    durability: Arc<Durability>,
    immediate: bool,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    last: u64,
    pending: Vec<JournalEntry>,
    fault: Option<JournalFault>,
}

impl MemoryJournal {
    /// A journal that is flushed by [`MemoryJournal::flush`] only.
    pub fn manual() -> MemoryJournal {
        MemoryJournal::default()
    }

    /// A journal that flushes every entry as it comes.
    pub fn immediate() -> MemoryJournal {
        MemoryJournal {
            immediate: true,
            ..MemoryJournal::default()
        }
    }

    /// How far it is flushed.
    pub fn durability(&self) -> &Arc<Durability> {
        &self.durability
    }

    /// Makes everything taken so far durable: watermarks first, then the answers that wait.
    pub fn flush(&self) {
        let (pending, last) = {
            let mut queue = self.lock();
            (std::mem::take(&mut queue.pending), queue.last)
        };
        for entry in pending {
            settle_watermark(&entry);
        }
        self.durability.advance(Lsn(last));
    }

    /// Loses what was not flushed, as a power cut does; the next entry goes on from what was.
    pub fn lose_unflushed(&self) -> usize {
        std::mem::take(&mut self.lock().pending).len()
    }

    /// Answers every append with `fault` from now on, or takes entries again.
    pub fn refuse(&self, fault: Option<JournalFault>) {
        self.lock().fault = fault;
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn has_room(&self) -> bool {
        self.lock().fault.is_none()
    }

    fn append(&self, entry: JournalEntry) -> Result<Lsn, JournalFault> {
        let mut queue = self.lock();
        if let Some(fault) = queue.fault {
            return Err(fault);
        }
        queue.last += 1;
        let lsn = Lsn(queue.last);
        queue.pending.push(entry);
        drop(queue);
        if self.immediate {
            self.flush();
        }
        Ok(lsn)
    }
}

fn settle_watermark(entry: &JournalEntry) {
    if let EntryBody::Batch(batch) = &entry.body {
        entry.watermark.advance(batch.next_offset());
    }
}

/// Segments that forget with the process.
#[derive(Debug)]
pub struct MemorySegments {
    bytes_max: u64,
    state: Mutex<Settled>,
}

#[derive(Debug)]
struct Settled {
    /// Oldest first, never empty: the last is the one that is written.
    segments: Vec<Segment>,
    end: Offset,
    /// Reads without patience are refused, as of a medium that must be waited for.
    slow: bool,
}

#[derive(Debug)]
struct Segment {
    base_offset: Offset,
    batches: Vec<(BatchHeader, Bytes)>,
    size: u64,
}

impl MemorySegments {
    /// No batch yet in a log that starts at `start`; a segment rolls once it has `bytes_max` bytes.
    pub fn new(start: Offset, bytes_max: u64) -> MemorySegments {
        MemorySegments {
            bytes_max,
            state: Mutex::new(Settled {
                segments: vec![Segment::new(start)],
                end: start,
                slow: false,
            }),
        }
    }

    /// Whether reads without patience are told to wait, as of a disk.
    pub fn set_slow(&self, slow: bool) {
        self.lock().slow = slow;
    }

    /// Puts other batches in place of those settled, as compaction does. They are numbered, in order, and end where the
    /// others did or before.
    pub fn replace(&self, batches: impl IntoIterator<Item = Bytes>) {
        let mut settled = self.lock();
        let start = settled.segments[0].base_offset;
        settled.segments = vec![Segment::new(start)];
        for batch in batches {
            let batch = StoredBatch::numbered(batch).expect("a batch has a header");
            settled.push(&batch, self.bytes_max);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Settled> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Segments for MemorySegments {
    fn append(&self, batches: &[StoredBatch]) -> Result<(), StorageFault> {
        let mut settled = self.lock();
        for batch in batches {
            assert!(
                batch.base_offset() >= settled.end,
                "batches are settled in offset order"
            );
            settled.push(batch, self.bytes_max);
            settled.end = batch.next_offset();
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageFault> {
        Ok(())
    }

    fn read(
        &self,
        from: Offset,
        before: Offset,
        bytes_max: usize,
        patience: Patience,
    ) -> Result<SegmentRead, StorageFault> {
        let settled = self.lock();
        if settled.slow && patience == Patience::Now {
            return Ok(SegmentRead::WouldWait);
        }
        let mut out = BytesMut::new();
        let batches = settled.batches().skip_while(|(header, _)| header.last_offset() < from);
        for (header, batch) in batches {
            let full = !out.is_empty() && out.len() + batch.len() > bytes_max;
            if header.base_offset >= before || full {
                break;
            }
            out.extend_from_slice(batch);
        }
        Ok(SegmentRead::Batches(out.freeze()))
    }

    fn position_of_timestamp(&self, at: Millis) -> Result<Option<Offset>, StorageFault> {
        let settled = self.lock();
        let first = settled.batches().find(|(header, _)| header.max_timestamp >= at);
        Ok(first.map(|(header, _)| header.base_offset))
    }

    fn segments(&self) -> Vec<SegmentInfo> {
        let settled = self.lock();
        let ends = settled.segments.iter().skip(1).map(|segment| segment.base_offset);
        let ends = ends.chain([settled.end]);
        settled
            .segments
            .iter()
            .zip(ends)
            .map(|(segment, end)| segment.info(end))
            .collect()
    }

    fn end(&self) -> Offset {
        self.lock().end
    }

    fn drop_below(&self, start: Offset) -> Result<(), StorageFault> {
        let mut settled = self.lock();
        while settled.segments.len() > 1 && settled.segments[1].base_offset <= start {
            settled.segments.remove(0);
        }
        if settled.end <= start {
            settled.segments = vec![Segment::new(start)];
            settled.end = start;
        }
        Ok(())
    }
}

impl Settled {
    fn push(&mut self, batch: &StoredBatch, bytes_max: u64) {
        let last = self.segments.last_mut().expect("there is always a last segment");
        let segment = if last.size > 0 && last.size + batch.size() as u64 > bytes_max {
            self.segments.push(Segment::new(batch.base_offset()));
            self.segments.last_mut().expect("one was pushed")
        } else {
            last
        };
        segment.size += batch.size() as u64;
        segment.batches.push((*batch.header(), batch.to_bytes()));
    }

    fn batches(&self) -> impl Iterator<Item = &(BatchHeader, Bytes)> {
        self.segments.iter().flat_map(|segment| &segment.batches)
    }
}

impl Segment {
    fn new(base_offset: Offset) -> Segment {
        Segment {
            base_offset,
            batches: Vec::new(),
            size: 0,
        }
    }

    fn info(&self, next_offset: Offset) -> SegmentInfo {
        let timestamps = self
            .batches
            .iter()
            .map(|(header, _)| (header.max_timestamp, header.base_offset));
        SegmentInfo {
            base_offset: self.base_offset,
            next_offset,
            size: self.size,
            max_timestamp: timestamps.reduce(|best, next| if next.0 > best.0 { next } else { best }),
            first_timestamp: self.batches.first().map(|(header, _)| header.max_timestamp),
        }
    }
}
