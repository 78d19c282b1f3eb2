//! Replaying a log: every record and marker in order, for a coordinator that rebuilds its state.

use bytes::Bytes;
use ottla_model::{Millis, Offset, ProducerEpoch, ProducerId};

use super::{Isolation, Partition, ReadFault, ReadLimit, Reading};
use crate::batch::{BatchHeader, attributes};
use crate::builder::Marker;
use crate::record::RecordView;
use crate::records::{Batches, Unpacked};
use crate::{Patience, StorageFault, StoredBatch};

/// How much is read at a time.
const REPLAY_BYTES: usize = 1024 * 1024;

/// What a replay could not read. The rest is visited all the same: one damaged batch must not keep a coordinator away.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the batch at offset {at} cannot be read: {what}")]
pub struct Unreadable {
    /// The batch's base offset.
    pub at: Offset,
    /// What is wrong with it.
    pub what: String,
}

/// One entry of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// A record.
    Record(ReplayedRecord),
    /// The end of a transaction.
    Marker(ReplayedMarker),
}

impl Replayed {
    /// Its offset and its timestamp.
    pub fn place(&self) -> (Offset, Millis) {
        match self {
            Replayed::Record(record) => (record.offset, record.timestamp),
            Replayed::Marker(marker) => (marker.offset, marker.timestamp),
        }
    }
}

/// One record of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayedRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Millis,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Whose transaction it belongs to; it counts only once that is committed.
    pub transaction: Option<(ProducerId, ProducerEpoch)>,
}

/// One marker of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayedMarker {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Millis,
    /// Whose transaction it ends.
    pub producer: ProducerId,
    /// The producer's epoch from then on.
    pub epoch: ProducerEpoch,
    /// What it says.
    pub marker: Marker,
}

impl Partition {
    /// Visits every record and every transaction's marker from the log start to the log end, also those whose flush is
    /// still under way. Takes disk reads. Only the log's single writer may call this: nothing must be appended meanwhile.
    pub fn replay(&self, mut visit: impl FnMut(Result<Replayed, Unreadable>)) -> Result<(), StorageFault> {
        let mut next = self.offsets().log_start;
        loop {
            let read = match self.read(next, LIMIT) {
                Ok(Reading::Done(read)) => read,
                Ok(Reading::WouldWait) => unreachable!("the read was told to wait"),
                Err(ReadFault::OutOfRange { log_start, .. }) => {
                    // Retention has moved the start meanwhile.
                    next = log_start;
                    continue;
                }
                Err(ReadFault::Storage(fault)) => return Err(fault),
            };
            if read.bytes == 0 {
                next = read.next;
                // Settled and evicted since the read: it is in segments now.
                if self.lock().tail.start() > next && read.high_watermark > next {
                    continue;
                }
                break;
            }
            next = read.next;
            for (_, batch) in Batches::new(join(read.chunks)) {
                visit_batch(&batch, &mut visit);
            }
        }
        let rest: Vec<StoredBatch> = self.lock().tail.from(next).cloned().collect();
        for batch in rest {
            visit_batch(&join(batch.parts().into_iter().cloned().collect()), &mut visit);
        }
        Ok(())
    }
}

fn visit_batch(batch: &Bytes, visit: &mut impl FnMut(Result<Replayed, Unreadable>)) {
    let at = BatchHeader::read(batch).map_or(Offset(-1), |header| header.base_offset);
    let unreadable = |what: String| Unreadable { at, what };
    let unpacked = match Unpacked::open(batch) {
        Ok(unpacked) => unpacked,
        Err(fault) => return visit(Err(unreadable(fault.to_string()))),
    };
    let header = unpacked.header;
    for record in unpacked.records() {
        match record {
            Ok(record) => replayed(&header, &record)
                .into_iter()
                .for_each(|entry| visit(Ok(entry))),
            Err(fault) => return visit(Err(unreadable(fault.to_string()))),
        }
    }
}

/// `None` for a control record that is no marker.
fn replayed(header: &BatchHeader, record: &RecordView<'_>) -> Option<Replayed> {
    let (offset, timestamp) = (
        record.offset(header.base_offset),
        record.timestamp(header.base_timestamp),
    );
    if header.has(attributes::CONTROL) {
        return Some(Replayed::Marker(ReplayedMarker {
            offset,
            timestamp,
            producer: header.producer_id,
            epoch: header.producer_epoch,
            marker: Marker::read(record)?,
        }));
    }
    let producer = (header.producer_id, header.producer_epoch);
    Some(Replayed::Record(ReplayedRecord {
        offset,
        timestamp,
        key: record.key.map(Bytes::copy_from_slice),
        value: record.value.map(Bytes::copy_from_slice),
        transaction: header.has(attributes::TRANSACTIONAL).then_some(producer),
    }))
}

const LIMIT: ReadLimit = ReadLimit {
    bytes_max: REPLAY_BYTES,
    at_least_one: true,
    isolation: Isolation::ReadUncommitted,
    patience: Patience::Wait,
    before: None,
};

fn join(chunks: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(chunks) {
        Ok([one]) => one,
        Err(many) => many.concat().into(),
    }
}
