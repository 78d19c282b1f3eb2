//! Journal entries found at opening and not yet back in their partitions' segments.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use ottla_log::{Lsn, StoredBatch};
use ottla_model::{Offset, PartitionId, TopicId};

use crate::journal::frame::FRAME_HEADER;
use crate::journal::scan::{Found, FoundBody};
use crate::vfs::{VfsFile, read_bytes};

/// Neighbouring entries are read together up to so many bytes.
const READ_MAX: u64 = 4 << 20;

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

    /// Reads the batches from the `from`th entry on, some MiB at a time; also gives where to go on.
    pub fn batches(&self, from: usize) -> io::Result<(Vec<StoredBatch>, usize)> {
        let Some(first) = self.entries.get(from) else {
            return Ok((Vec::new(), from));
        };
        let near = |found: &&Found| {
            let end = found.position + found.length as u64;
            found.file == first.file && (found.lsn == first.lsn || end - first.position <= READ_MAX)
        };
        let count = self.entries[from..].iter().take_while(near).count();
        let taken = &self.entries[from..from + count];
        let end = taken.last().map_or(0, |last| last.position + last.length as u64);
        let bytes = read_bytes(
            &*self.files[first.file],
            first.position,
            (end - first.position) as usize,
        )?;
        let batches = taken.iter().filter_map(|found| batch_of(&bytes, first.position, found));
        Ok((batches.collect(), from + count))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

fn batch_of(bytes: &Bytes, start: u64, found: &Found) -> Option<StoredBatch> {
    let FoundBody::Batch(_) = found.body else {
        return None;
    };
    let from = (found.position - start) as usize;
    let body = from + FRAME_HEADER..from + found.length;
    (body.end <= bytes.len()).then(|| StoredBatch::numbered(bytes.slice(body)))?
}
