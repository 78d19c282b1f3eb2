//! Replaying a log: every record in order, for a coordinator that rebuilds its state.

use bytes::Bytes;
use ottla_model::{Millis, Offset};

use super::{Isolation, Partition, ReadFault, ReadLimit, Reading};
use crate::batch::{BatchHeader, attributes};
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

/// One record of a replay.
#[derive(Clone, Debug)]
pub struct ReplayedRecord {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp.
    pub timestamp: Millis,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
}

impl Partition {
    /// Visits every record from the log start to the log end, also those whose flush is still under way; control batches
    /// are left out. Takes disk reads. Only the log's single writer may call this: nothing must be appended meanwhile.
    pub fn replay(&self, mut visit: impl FnMut(Result<ReplayedRecord, Unreadable>)) -> Result<(), StorageFault> {
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

fn visit_batch(batch: &Bytes, visit: &mut impl FnMut(Result<ReplayedRecord, Unreadable>)) {
    let at = BatchHeader::read(batch).map_or(Offset(-1), |header| header.base_offset);
    let unreadable = |what: String| Unreadable { at, what };
    let unpacked = match Unpacked::open(batch) {
        Ok(unpacked) => unpacked,
        Err(fault) => return visit(Err(unreadable(fault.to_string()))),
    };
    let header = unpacked.header;
    if header.has(attributes::CONTROL) {
        return;
    }
    for record in unpacked.records() {
        match record {
            Ok(record) => visit(Ok(ReplayedRecord {
                offset: record.offset(header.base_offset),
                timestamp: record.timestamp(header.base_timestamp),
                key: record.key.map(Bytes::copy_from_slice),
                value: record.value.map(Bytes::copy_from_slice),
            })),
            Err(fault) => return visit(Err(unreadable(fault.to_string()))),
        }
    }
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
