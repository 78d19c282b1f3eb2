//! Kafka's `.snapshot` file: what a producer table is at one offset.
//!
//! ```text
//! version i16 = 1 │ crc u32 (CRC-32C of the rest) │ count i32
//! { producer id i64 │ epoch i16 │ last sequence i32 │ last offset i64 │ offset delta i32 │ timestamp i64
//!   coordinator epoch i32 │ transaction start i64 (-1 none) } ...
//! ```
//!
//! Kafka keeps one batch of each producer there, so that after a restart a producer that repeats an earlier one of its five
//! is told OUT_OF_ORDER_SEQUENCE_NUMBER. Ottla writes the others behind the last entry, where Kafka's reader does not look:
//!
//! ```text
//! mark i32 = "OTWN" │ { producer id i64 │ count i8 │ { last sequence i32 │ last offset i64 │ offset delta i32 │ timestamp i64 } ... } ...
//! ```

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes};
use ottla_model::{Millis, Offset, ProducerEpoch, ProducerId};

use super::{Entry, Producers, RememberedBatch};
use crate::Lsn;

/// Why a snapshot cannot be used. The log must then be scanned from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotFault {
    /// A format of a later Kafka.
    #[error("unknown snapshot version {0}")]
    Version(i16),
    /// It is not what was written.
    #[error("the snapshot's CRC does not match")]
    Crc,
    /// It ends early, or something follows it.
    #[error("the snapshot's length does not match its count")]
    Length,
}

impl Producers {
    /// The table in Kafka's format, with the batches before the last of each producer behind it.
    pub fn snapshot(&self) -> Bytes {
        let mut rest = Vec::with_capacity(4 + self.entries.len() * ENTRY_LENGTH);
        rest.put_i32(self.entries.len() as i32);
        for producer in self.describe() {
            let last = self.entries[&producer.id].batches.back();
            rest.put_i64(producer.id.0);
            rest.put_i16(producer.epoch.0);
            rest.put_i32(producer.last_sequence);
            rest.put_i64(last.map_or(-1, |batch| batch.last_offset.0));
            rest.put_i32(last.map_or(0, |batch| batch.offset_delta));
            rest.put_i64(producer.last_timestamp.0);
            rest.put_i32(producer.coordinator_epoch);
            rest.put_i64(producer.transaction_start.map_or(-1, |start| start.0));
        }
        self.put_windows(&mut rest);
        let mut out = Vec::with_capacity(HEAD_LENGTH + rest.len());
        out.put_i16(VERSION);
        out.put_u32(crc(&rest));
        out.extend_from_slice(&rest);
        Bytes::from(out)
    }

    /// Reads what [`Producers::snapshot`] writes. `now` bounds when its producers were last seen.
    pub fn restore(snapshot: &[u8], now: Millis) -> Result<Producers, SnapshotFault> {
        let mut snapshot = content(snapshot)?;
        let count = usize::try_from(snapshot.get_i32()).map_err(|_| SnapshotFault::Length)?;
        if count
            .checked_mul(ENTRY_LENGTH)
            .is_none_or(|length| length > snapshot.len())
        {
            return Err(SnapshotFault::Length);
        }
        let mut producers = Producers::default();
        for _ in 0..count {
            producers.restore_entry(&mut snapshot, now);
        }
        producers.restore_windows(snapshot)?;
        Ok(producers)
    }

    /// Whether a snapshot is what was written, without reading all of it.
    pub fn check_snapshot(snapshot: &[u8]) -> Result<(), SnapshotFault> {
        content(snapshot).map(drop)
    }

    fn put_windows(&self, out: &mut Vec<u8>) {
        if self.entries.values().all(|entry| entry.batches.len() <= 1) {
            return;
        }
        out.put_i32(WINDOWS);
        for producer in self.describe() {
            let batches = &self.entries[&producer.id].batches;
            let earlier = batches.len().saturating_sub(1);
            if earlier == 0 {
                continue;
            }
            out.put_i64(producer.id.0);
            out.put_i8(earlier as i8);
            for batch in batches.iter().take(earlier) {
                out.put_i32(batch.last_sequence);
                out.put_i64(batch.last_offset.0);
                out.put_i32(batch.offset_delta);
                out.put_i64(batch.timestamp.0);
            }
        }
    }

    /// Reads the batches before the last; a snapshot of Kafka's own has none.
    fn restore_windows(&mut self, mut windows: &[u8]) -> Result<(), SnapshotFault> {
        if windows.is_empty() {
            return Ok(());
        }
        if windows.len() < 4 || windows.get_i32() != WINDOWS {
            return Err(SnapshotFault::Length);
        }
        while !windows.is_empty() {
            if windows.len() < WINDOW_HEAD {
                return Err(SnapshotFault::Length);
            }
            let id = ProducerId(windows.get_i64());
            let count = usize::try_from(windows.get_i8()).map_err(|_| SnapshotFault::Length)?;
            let entry = self.entries.get_mut(&id).ok_or(SnapshotFault::Length)?;
            if windows.len() < count * WINDOW_BATCH {
                return Err(SnapshotFault::Length);
            }
            let earlier = (0..count).map(|_| RememberedBatch {
                last_sequence: windows.get_i32(),
                last_offset: Offset(windows.get_i64()),
                offset_delta: windows.get_i32(),
                timestamp: Millis(windows.get_i64()),
                lsn: Lsn(0),
            });
            let last = std::mem::take(&mut entry.batches);
            entry.batches = earlier.chain(last).collect();
        }
        Ok(())
    }

    /// Reads one entry; the caller has checked the length.
    fn restore_entry(&mut self, snapshot: &mut &[u8], now: Millis) {
        let id = ProducerId(snapshot.get_i64());
        let epoch = ProducerEpoch(snapshot.get_i16());
        let last_sequence = snapshot.get_i32();
        let last_offset = Offset(snapshot.get_i64());
        let offset_delta = snapshot.get_i32();
        let timestamp = Millis(snapshot.get_i64());
        let coordinator_epoch = snapshot.get_i32();
        let start = Offset(snapshot.get_i64());
        let batch = RememberedBatch {
            last_sequence,
            last_offset,
            offset_delta,
            timestamp,
            lsn: Lsn(0),
        };
        let transaction_start = (start >= Offset::ZERO).then_some(start);
        if let Some(start) = transaction_start {
            self.open.insert(start, id);
        }
        let entry = Entry {
            epoch,
            batches: VecDeque::from_iter((last_offset >= Offset::ZERO).then_some(batch)),
            coordinator_epoch,
            last_timestamp: timestamp,
            transaction_start,
            seen: timestamp.min(now),
        };
        self.entries.insert(id, entry);
    }
}

/// What follows the head, at least a count.
fn content(mut snapshot: &[u8]) -> Result<&[u8], SnapshotFault> {
    if snapshot.len() < HEAD_LENGTH + 4 {
        return Err(SnapshotFault::Length);
    }
    let version = snapshot.get_i16();
    if version != VERSION {
        return Err(SnapshotFault::Version(version));
    }
    if snapshot.get_u32() != crc(snapshot) {
        return Err(SnapshotFault::Crc);
    }
    Ok(snapshot)
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

const VERSION: i16 = 1;
const HEAD_LENGTH: usize = 6;
/// The mark of what Ottla adds: "OTWN".
const WINDOWS: i32 = i32::from_be_bytes(*b"OTWN");
const WINDOW_HEAD: usize = 9;
const WINDOW_BATCH: usize = 24;
const ENTRY_LENGTH: usize = 46;
