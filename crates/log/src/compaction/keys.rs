//! Where each key was written last, in the dirty part of a log.

use std::collections::HashMap;

use ottla_model::Offset;

use super::CleanFault;
use super::transactions::Transactions;
use crate::batch::attributes;
use crate::producers::EndedTransaction;
use crate::records::Unpacked;

/// The last offset of each key, bounded in bytes. Keys are kept whole, so no two are mistaken for one another.
#[derive(Debug)]
pub struct KeyMap {
    last: HashMap<Box<[u8]>, Offset>,
    bytes: usize,
    bytes_max: usize,
    start: Offset,
    end: Offset,
    transactions: Transactions,
}

/// Whether a batch found room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// All of its keys are in the map.
    Whole,
    /// The map is full; the round ends before this batch.
    Full,
}

impl KeyMap {
    /// An empty map of at most about `bytes_max` bytes, for the records from `start` on. `aborted` are the log's aborted
    /// transactions: their keys do not count.
    pub fn new(start: Offset, bytes_max: usize, aborted: &[EndedTransaction]) -> KeyMap {
        KeyMap {
            last: HashMap::new(),
            bytes: 0,
            bytes_max,
            start,
            end: start,
            transactions: Transactions::new(start, aborted),
        }
    }

    /// Takes the keys of the next batch, given whole and as it is stored. The first batch always finds room, so that
    /// every round gets somewhere.
    pub fn add(&mut self, batch: &[u8]) -> Result<Added, CleanFault> {
        let unpacked = Unpacked::open(batch)?;
        let header = &unpacked.header;
        let counts = if header.has(attributes::CONTROL) {
            self.transactions.pass_marker(header, &unpacked);
            false
        } else {
            !self.transactions.pass_data(header)
        };
        if counts {
            let is_first = self.end == self.start;
            for record in unpacked.records() {
                let record = record?;
                let offset = record.offset(header.base_offset);
                let Some(key) = record.key.filter(|_| offset >= self.start) else {
                    continue;
                };
                if !self.put(key, offset, is_first) {
                    return Ok(Added::Full);
                }
            }
        }
        self.reach(header.next_offset());
        Ok(Added::Whole)
    }

    /// The dirty part goes on to `end` without further batches (a gap that an earlier round left).
    pub fn reach(&mut self, end: Offset) {
        self.end = self.end.max(end);
    }

    /// The offset after the last batch that found room: the round cleans up to here.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.last.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    pub(super) fn last(&self, key: &[u8]) -> Option<Offset> {
        self.last.get(key).copied()
    }

    fn put(&mut self, key: &[u8], offset: Offset, is_first: bool) -> bool {
        if let Some(last) = self.last.get_mut(key) {
            *last = offset.max(*last);
            return true;
        }
        let bytes = key.len() + ENTRY_BYTES;
        if self.bytes + bytes > self.bytes_max && !is_first {
            return false;
        }
        self.bytes += bytes;
        self.last.insert(key.into(), offset);
        true
    }
}

/// What an entry takes beside its key: the slot in the table and the key's own allocation.
const ENTRY_BYTES: usize = 48;
