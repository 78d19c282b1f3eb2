//! Journal entries found at opening and not yet back in their partitions' segments.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use ottla_log::{Lsn, StoredBatch};
use ottla_model::{Offset, PartitionId, TopicId};

use crate::journal::frame::FRAME_HEADER;
use crate::journal::scan::{Found, FoundBody};
use crate::vfs::VfsFile;

/// Bytes of entries read and settled at once.
const READ_MAX: u64 = 4 << 20;
/// Entries of one partition are read together over gaps of so many bytes: about what another read would cost.
const GAP_MAX: u64 = 4 << 10;

/// See the module's head.
#[derive(Default)]
pub struct Pending {
    files: Vec<Arc<dyn VfsFile>>,
    entries: BTreeMap<PartitionId, Arc<Vec<Found>>>,
}

impl Pending {
    /// Sorts the entries by partition; `files` are those their positions refer to.
    pub fn new(files: Vec<Arc<dyn VfsFile>>, entries: Vec<Found>) -> Pending {
        let mut by_partition = BTreeMap::<PartitionId, Vec<Found>>::new();
        for found in entries {
            by_partition.entry(found.partition).or_default().push(found);
        }
        let entries = by_partition.into_iter().map(|(id, found)| (id, Arc::new(found)));
        Pending {
            files,
            entries: entries.collect(),
        }
    }

    /// The partitions that have entries.
    pub fn partitions(&self) -> Vec<PartitionId> {
        self.entries.keys().copied().collect()
    }

    /// A partition's entries.
    pub fn of(&self, id: PartitionId) -> Option<Replay> {
        let entries = self.entries.get(&id)?;
        Some(Replay {
            files: self.files.clone(),
            entries: Arc::clone(entries),
        })
    }

    /// A partition's entries are in its segments, or of no use any more.
    pub fn remove(&mut self, id: PartitionId) {
        self.entries.remove(&id);
        self.close();
    }

    /// The entries of all of a topic's partitions are of no use any more.
    pub fn forget_topic(&mut self, topic: TopicId) {
        self.entries.retain(|id, _| id.topic != topic);
        self.close();
    }

    /// The first entry that is still needed.
    pub fn first(&self) -> Option<Lsn> {
        let firsts = self.entries.values().filter_map(|found| found.first());
        firsts.map(|found| found.lsn).min()
    }

    fn close(&mut self) {
        if self.entries.is_empty() {
            self.files.clear();
        }
    }
}

/// One partition's entries.
pub struct Replay {
    files: Vec<Arc<dyn VfsFile>>,
    entries: Arc<Vec<Found>>,
}

impl Replay {
    /// The base offset of the first batch.
    pub fn first_batch(&self) -> Option<Offset> {
        self.entries.iter().find_map(|found| match found.body {
            FoundBody::Batch(base) => Some(base),
            FoundBody::LogStart(_) => None,
        })
    }

    /// The largest log start.
    pub fn log_start(&self) -> Option<Offset> {
        let starts = self.entries.iter().filter_map(|found| match found.body {
            FoundBody::Batch(_) => None,
            FoundBody::LogStart(start) => Some(start),
        });
        starts.max()
    }

    /// The last entry.
    pub fn last(&self) -> Lsn {
        self.entries.iter().map(|found| found.lsn).max().unwrap_or_default()
    }

    /// Reads the batches from the `from`th entry on, some MiB at a time; also gives where to go on. They lie in `buffer`,
    /// whose memory is used again once they are dropped.
    pub fn batches(&self, from: usize, buffer: &mut BytesMut) -> io::Result<(Vec<StoredBatch>, usize)> {
        let (mut batches, mut at, mut bytes) = (Vec::new(), from, 0);
        buffer.reserve(2 * READ_MAX as usize);
        while at < self.entries.len() && bytes < READ_MAX {
            let run = self.run(at);
            bytes += run.iter().map(|found| found.length as u64).sum::<u64>();
            at += run.len();
            self.read(run, buffer, &mut batches)?;
        }
        Ok((batches, at))
    }

    /// Entries from the `from`th on that lie so close together that they are read at once.
    fn run(&self, from: usize) -> &[Found] {
        let (mut end, mut bytes, mut count) = (None, 0, 0);
        for found in &self.entries[from..] {
            let near = end.is_none_or(|(file, end)| file == found.file && found.position - end <= GAP_MAX);
            if !near || (count > 0 && bytes + found.length as u64 > READ_MAX) {
                break;
            }
            end = Some((found.file, found.position + found.length as u64));
            bytes += found.length as u64;
            count += 1;
        }
        &self.entries[from..from + count]
    }

    fn read(&self, run: &[Found], buffer: &mut BytesMut, into: &mut Vec<StoredBatch>) -> io::Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else {
            return Ok(());
        };
        let end = last.position + last.length as u64;
        buffer.resize((end - first.position) as usize, 0);
        let got = self.files[first.file].read_at(buffer, first.position)?;
        buffer.truncate(got);
        let bytes = buffer.split().freeze();
        for found in run.iter().filter(|found| matches!(found.body, FoundBody::Batch(_))) {
            let batch = batch_of(&bytes, first.position, found);
            let whole = batch.filter(|batch| found.body == FoundBody::Batch(batch.base_offset()));
            // The scan has seen it whole. Leaving it out would tear a hole into the log.
            into.push(whole.ok_or_else(|| io::Error::other("a journal entry is not what it was when it was scanned"))?);
        }
        Ok(())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

fn batch_of(bytes: &Bytes, start: u64, found: &Found) -> Option<StoredBatch> {
    let from = (found.position - start) as usize;
    let body = from + FRAME_HEADER..from + found.length;
    (body.end <= bytes.len()).then(|| StoredBatch::numbered(bytes.slice(body)))?
}
