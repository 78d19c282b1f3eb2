//! Replaying a log: every record in order, for a coordinator that rebuilds its state.

use bytes::Bytes;
use ottla_model::{Millis, Offset};

use super::{Isolation, Partition, ReadFault, ReadLimit, Reading};
use crate::batch::attributes;
use crate::records::{Batches, Unpacked};
use crate::{Patience, StorageFault, StoredBatch};

/// How much is read at a time.
const REPLAY_BYTES: usize = 1024 * 1024;

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
    pub fn replay(&self, mut visit: impl FnMut(ReplayedRecord)) -> Result<(), StorageFault> {
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
                self.visit_batch(&batch, &mut visit)?;
            }
        }
        let rest: Vec<StoredBatch> = self.lock().tail.from(next).cloned().collect();
        for batch in rest {
            self.visit_batch(&join(batch.parts().into_iter().cloned().collect()), &mut visit)?;
        }
        Ok(())
    }

    fn visit_batch(&self, batch: &Bytes, visit: &mut impl FnMut(ReplayedRecord)) -> Result<(), StorageFault> {
        let damaged = |header: Offset| self.corrupt(header, "a batch's records cannot be read");
        let unpacked = Unpacked::open(batch).map_err(|_| damaged(Offset(-1)))?;
        let header = unpacked.header;
        if header.has(attributes::CONTROL) {
            return Ok(());
        }
        for record in unpacked.records() {
            let record = record.map_err(|_| damaged(header.base_offset))?;
            visit(ReplayedRecord {
                offset: record.offset(header.base_offset),
                timestamp: record.timestamp(header.base_timestamp),
                key: record.key.map(Bytes::copy_from_slice),
                value: record.value.map(Bytes::copy_from_slice),
            });
        }
        Ok(())
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
