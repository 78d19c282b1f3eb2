//! Kafka's two sparse indexes of a segment: `.index` and `.timeindex`.
//!
//! ```text
//! .index      relative offset i32 │ position i32                  last offset of a batch, where that batch begins
//! .timeindex  timestamp i64       │ relative offset i32           largest timestamp so far, last offset of its batch
//! ```
//!
//! Entries are appended in memory and written with the next sync, so that settling touches one file per segment.

use std::io;

use bytes::Bytes;

use crate::vfs::{VfsFile, read_bytes};

/// An entry of `.index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    /// The last offset of a batch, from the segment's base offset.
    pub offset: i32,
    /// Where the batch begins in the `.log` file.
    pub position: i32,
}

/// An entry of `.timeindex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// The largest timestamp up to here.
    pub timestamp: i64,
    /// The last offset of the batch that has it, from the segment's base offset.
    pub offset: i32,
}

/// An entry with a fixed place in bytes.
pub trait IndexEntry: Copy {
    /// Bytes of an entry.
    const LENGTH: usize;
    /// Appends it.
    fn put(&self, into: &mut Vec<u8>);
    /// Reads it from exactly [`IndexEntry::LENGTH`] bytes.
    fn take(bytes: &[u8]) -> Self;
}

impl IndexEntry for OffsetEntry {
    const LENGTH: usize = 8;

    fn put(&self, into: &mut Vec<u8>) {
        into.extend(self.offset.to_be_bytes());
        into.extend(self.position.to_be_bytes());
    }

    fn take(bytes: &[u8]) -> OffsetEntry {
        OffsetEntry {
            offset: i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            position: i32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        }
    }
}

impl IndexEntry for TimeEntry {
    const LENGTH: usize = 12;

    fn put(&self, into: &mut Vec<u8>) {
        into.extend(self.timestamp.to_be_bytes());
        into.extend(self.offset.to_be_bytes());
    }

    fn take(bytes: &[u8]) -> TimeEntry {
        let mut timestamp = [0; 8];
        timestamp.copy_from_slice(&bytes[..8]);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp),
            offset: i32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]),
        }
    }
}

/// One index: entries in its file, then entries in memory.
#[derive(Clone, Debug, Default)]
pub struct Index<E> {
    written: u64,
    pending: Vec<E>,
}

impl<E: IndexEntry> Index<E> {
    /// An index whose file holds `bytes`.
    pub fn of_file(bytes: u64) -> Index<E> {
        Index {
            written: bytes / E::LENGTH as u64,
            pending: Vec::new(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry in memory.
    pub fn push(&mut self, entry: E) {
        self.pending.push(entry);
    }

    /// Whether there is something to write.
    pub fn is_dirty(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What is in memory, as it is written.
    pub fn pending_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.pending.len() * E::LENGTH);
        for entry in &self.pending {
            entry.put(&mut bytes);
        }
        bytes.into()
    }

    /// Writes what is in memory to the file.
    pub fn write(&mut self, file: &dyn VfsFile) -> io::Result<()> {
        file.write_at(&[self.pending_bytes()], self.written * E::LENGTH as u64)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// The last entry for which `before` holds; entries for which it holds come first.
    pub fn last_where(&self, file: &dyn VfsFile, before: impl Fn(&E) -> bool) -> io::Result<Option<E>> {
        if let Some(last) = self.pending.partition_point(&before).checked_sub(1) {
            return Ok(Some(self.pending[last]));
        }
        let count = self.count_where(file, &before)?;
        match count.checked_sub(1) {
            Some(last) => self.read(file, last).map(Some),
            None => Ok(None),
        }
    }

    /// Keeps the entries for which `keep` holds, which come first, and cuts the file accordingly.
    pub fn truncate(&mut self, file: &dyn VfsFile, keep: impl Fn(&E) -> bool) -> io::Result<()> {
        let pending = self.pending.partition_point(&keep);
        self.pending.truncate(pending);
        if pending == 0 {
            self.written = self.count_where(file, &keep)?;
        }
        file.truncate(self.written * E::LENGTH as u64)
    }

    /// The last entry.
    pub fn last(&self, file: &dyn VfsFile) -> io::Result<Option<E>> {
        match (self.pending.last(), self.written.checked_sub(1)) {
            (Some(entry), _) => Ok(Some(*entry)),
            (None, Some(last)) => self.read(file, last).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Whether `rises` holds between all neighbours in the file: what a crash left of one may be anything.
    pub fn is_sound(&self, file: &dyn VfsFile, rises: impl Fn(&E, &E) -> bool) -> io::Result<bool> {
        let bytes = read_bytes(file, 0, self.written as usize * E::LENGTH)?;
        let entries = bytes.chunks_exact(E::LENGTH).map(E::take);
        let pairs = entries.clone().zip(entries.skip(1));
        Ok(pairs.into_iter().all(|(one, next)| rises(&one, &next)))
    }

    fn count_where(&self, file: &dyn VfsFile, before: &impl Fn(&E) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.written);
        while low < high {
            let middle = low + (high - low) / 2;
            if before(&self.read(file, middle)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn read(&self, file: &dyn VfsFile, at: u64) -> io::Result<E> {
        let bytes = read_bytes(file, at * E::LENGTH as u64, E::LENGTH)?;
        if bytes.len() < E::LENGTH {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(E::take(&bytes))
    }
}
