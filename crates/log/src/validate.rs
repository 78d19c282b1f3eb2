//! Judges what was sent for one partition: exactly one whole, undamaged batch that may be appended as it is, but for
//! its numbers and its timestamp type.
//!
//! The order of the checks is Kafka's (`ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`,
//! `LogValidator`), so that a batch with two faults gets the same answer. Where Kafka decompresses, Ottla does not: the
//! records of a compressed batch are taken as they are, of its timestamps only those in the header are judged.

use bytes::Bytes;
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset};

use crate::StoredBatch;
use crate::batch::{BatchHeader, HEADER_LENGTH, LENGTH_OVERHEAD, MAGIC, attributes, crc_of, crc_of_parts};
use crate::builder::NO_TIMESTAMP;
use crate::codec::Codec;
use crate::config::{PartitionConfig, TimestampType};
use crate::record::RecordFault;
use crate::records::Records;

/// Who wrote a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: everything is judged. A transactional batch is taken only into a transaction that is open here already.
    Client,
    /// A client that takes part in a transaction: its batch may be the first here. Whoever says so keeps the transaction's
    /// coordinator from deciding its end until the batch is appended, or the batch would open the next one (KIP-890).
    Participant {
        /// By the rules of V2 a producer of which nothing is known here begins at sequence number 0.
        begins_at_zero: bool,
    },
    /// A coordinator of this broker. Trusted: no size limit, no walk over the records, control batches allowed, no
    /// sequence numbers expected.
    Coordinator,
    /// A transaction coordinator by the rules of V2, with a marker: trusted in the same way, but the marker's epoch must be
    /// higher than that of what it ends (KIP-1228).
    RaisingCoordinator,
}

impl Origin {
    /// Whether the batch comes from outside.
    pub fn is_client(self) -> bool {
        matches!(self, Origin::Client | Origin::Participant { .. })
    }
}

/// Why a batch is not taken. [`Refusal::code`] is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no whole batch.
    #[error("there is no whole record batch")]
    NoBatch,
    /// There is more than one whole batch.
    #[error("there is more than one record batch")]
    SeveralBatches,
    /// Magic 0 or 1, which produce requests from version 3 on may not carry.
    #[error("magic {0} is not allowed, only 2")]
    OldMagic(i8),
    /// A magic that nobody defined.
    #[error("unknown magic {0}")]
    UnknownMagic(i8),
    /// A length too small for a batch.
    #[error("a length of {0} is impossible")]
    Length(i32),
    /// A client numbers from 0.
    #[error("the base offset must be 0, not {0}")]
    BaseOffset(Offset),
    /// Above `max.message.bytes`.
    #[error("the batch has {size} bytes, {max} are allowed")]
    TooLarge {
        /// The batch in bytes.
        size: usize,
        /// The topic's limit in bytes.
        max: usize,
    },
    /// The bytes are not those that the producer sent.
    #[error("the CRC is {computed:#010x}, the batch says {stored:#010x}")]
    Crc {
        /// What the batch says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The attributes name codec 5, 6 or 7.
    #[error("unknown compression codec {0}")]
    UnknownCodec(i16),
    /// Clients do not write transaction markers.
    #[error("clients may not write control batches")]
    Control,
    /// The record count is not positive, or is not that of the offsets.
    #[error("{count} records cannot have the last offset delta {last_offset_delta}")]
    Count {
        /// What the header counts.
        count: i32,
        /// What the header says the last offset is.
        last_offset_delta: i32,
    },
    /// A producer id without a sequence number.
    #[error("a producer id needs a sequence number, {0} is none")]
    Sequence(i32),
    /// A record's bytes make no sense.
    #[error("record {index}: {fault}")]
    Record {
        /// The record's place in the batch, from 0.
        index: i32,
        /// What is wrong.
        fault: RecordFault,
    },
    /// A record's offset delta is not its place in the batch.
    #[error("record {index} has the offset delta {offset_delta}")]
    OffsetDelta {
        /// The record's place in the batch, from 0.
        index: i32,
        /// What it says.
        offset_delta: i32,
    },
    /// Compaction needs keys.
    #[error("record {index} has no key, which a compacted topic needs")]
    NoKey {
        /// The record's place in the batch, from 0.
        index: i32,
    },
    /// A timestamp is outside what the topic allows (`message.timestamp.before.max.ms`, `.after.max.ms`; KIP-937).
    #[error("record {index}: the timestamp {timestamp} is not within [{lowest}, {highest}]")]
    Timestamp {
        /// The record's place in the batch, from 0; 0 also for a compressed batch.
        index: i32,
        /// What it says.
        timestamp: Millis,
        /// The lowest allowed.
        lowest: Millis,
        /// The highest allowed.
        highest: Millis,
    },
    /// A producer may not claim that the timestamps are the broker's.
    #[error("a producer may not set the timestamp type to LogAppendTime")]
    ClaimedLogAppendTime,
}

impl Refusal {
    /// The answer the protocol defines for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::UnknownMagic(_) | Refusal::Length(_) | Refusal::Crc { .. } => ErrorCode::CorruptMessage,
            Refusal::TooLarge { .. } => ErrorCode::MessageTooLarge,
            // What Kafka answers: the id of the codec falls through as an unexpected fault.
            Refusal::UnknownCodec(_) => ErrorCode::UnknownServerError,
            Refusal::Timestamp { .. } | Refusal::ClaimedLogAppendTime => ErrorCode::InvalidTimestamp,
            Refusal::NoBatch
            | Refusal::SeveralBatches
            | Refusal::Control
            | Refusal::OldMagic(_)
            | Refusal::BaseOffset(_)
            | Refusal::Count { .. }
            | Refusal::Sequence(_)
            | Refusal::Record { .. }
            | Refusal::OffsetDelta { .. }
            | Refusal::NoKey { .. } => ErrorCode::InvalidRecord,
        }
    }

    /// The record at fault, for the `record_errors` of a Produce answer (KIP-467).
    pub fn record(&self) -> Option<i32> {
        match self {
            Refusal::Record { index, .. }
            | Refusal::OffsetDelta { index, .. }
            | Refusal::NoKey { index }
            | Refusal::Timestamp { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// A batch that may be appended once its producer is found in order.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    /// As it will be stored, but for base offset and leader epoch.
    header: BatchHeader,
    /// The batch as it was sent, without what followed it.
    batch: Bytes,
    log_append_time: Option<Millis>,
}

impl CheckedBatch {
    /// Judges `data`, what a produce request holds for one partition.
    pub fn check(data: &Bytes, origin: Origin, config: &PartitionConfig, now: Millis) -> Result<CheckedBatch, Refusal> {
        let header = the_only_batch(data)?;
        let batch = data.slice(..header.length as usize + LENGTH_OVERHEAD);
        if origin.is_client() {
            check_outside(&header, batch.len(), config)?;
        }
        let computed = crc_of(&batch);
        if computed != header.crc {
            let stored = header.crc;
            return Err(Refusal::Crc { stored, computed });
        }
        let codec =
            Codec::of(header.attributes).ok_or(Refusal::UnknownCodec(header.attributes & attributes::CODEC_MASK))?;
        check_count(&header)?;
        let max_timestamp = match origin.is_client() {
            true => check_inside(&header, &batch, codec, config, now)?,
            false => header.max_timestamp,
        };
        Ok(CheckedBatch::stamped(
            header,
            batch,
            max_timestamp,
            config.timestamp_type,
            now,
        ))
    }

    fn stamped(
        mut header: BatchHeader,
        batch: Bytes,
        max_timestamp: Millis,
        timestamp_type: TimestampType,
        now: Millis,
    ) -> CheckedBatch {
        let sent = header;
        let log_append_time = match timestamp_type {
            TimestampType::CreateTime => {
                header.attributes &= !attributes::LOG_APPEND_TIME;
                header.max_timestamp = max_timestamp;
                None
            }
            TimestampType::LogAppendTime => {
                header.attributes |= attributes::LOG_APPEND_TIME;
                header.max_timestamp = now;
                Some(now)
            }
        };
        if header != sent {
            header.crc = crc_of_parts(&header.to_bytes(), &batch[HEADER_LENGTH..]);
        }
        CheckedBatch {
            header,
            batch,
            log_append_time,
        }
    }

    /// The header as it will be stored, but for base offset and leader epoch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The broker's timestamp, on topics that use it.
    pub fn log_append_time(&self) -> Option<Millis> {
        self.log_append_time
    }

    /// The records' bytes, behind the header.
    pub(crate) fn records(&self) -> &[u8] {
        &self.batch[HEADER_LENGTH..]
    }

    /// Gives the batch its place in the log.
    pub fn number(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> StoredBatch {
        let header = BatchHeader {
            base_offset,
            leader_epoch,
            ..self.header
        };
        StoredBatch::with_header(header, &self.batch)
    }
}

/// The header of the one whole batch in `data`. Half a batch behind it is dropped by the caller, as Kafka does.
fn the_only_batch(data: &Bytes) -> Result<BatchHeader, Refusal> {
    let size = whole_batch(data)?.ok_or(Refusal::NoBatch)?;
    match data[MAGIC_AT] as i8 {
        MAGIC => {}
        magic => return Err(Refusal::OldMagic(magic)),
    }
    if whole_batch(&data[size..])?.is_some() {
        return Err(Refusal::SeveralBatches);
    }
    let header = BatchHeader::read(&data[..size]);
    header.ok_or(Refusal::Length((size - LENGTH_OVERHEAD) as i32))
}

/// The size of the batch at the front of `data`; `None` if it is cut.
fn whole_batch(data: &[u8]) -> Result<Option<usize>, Refusal> {
    let Some(front) = data.first_chunk::<{ MAGIC_AT + 1 }>() else {
        return Ok(None);
    };
    let [.., a, b, c, d, _, _, _, _, magic] = *front;
    let length = i32::from_be_bytes([a, b, c, d]);
    if length < LENGTH_MIN {
        return Err(Refusal::Length(length));
    }
    let magic = magic as i8;
    if !(0..=MAGIC).contains(&magic) {
        return Err(Refusal::UnknownMagic(magic));
    }
    let size = length as usize + LENGTH_OVERHEAD;
    Ok((size <= data.len()).then_some(size))
}

/// What can be said before the CRC is known to be right.
fn check_outside(header: &BatchHeader, size: usize, config: &PartitionConfig) -> Result<(), Refusal> {
    if header.has(attributes::CONTROL) {
        return Err(Refusal::Control);
    }
    if header.base_offset != Offset::ZERO {
        return Err(Refusal::BaseOffset(header.base_offset));
    }
    let max = config.max_message_bytes;
    if size > max {
        return Err(Refusal::TooLarge { size, max });
    }
    Ok(())
}

/// Every batch takes as many offsets as it has records, and at least one.
fn check_count(header: &BatchHeader) -> Result<(), Refusal> {
    if header.record_count <= 0 || header.record_count - 1 != header.last_offset_delta {
        return Err(Refusal::Count {
            count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    Ok(())
}

/// Judges the header's numbers and, where they lie open, the records. Gives the largest timestamp.
fn check_inside(
    header: &BatchHeader,
    batch: &[u8],
    codec: Codec,
    config: &PartitionConfig,
    now: Millis,
) -> Result<Millis, Refusal> {
    if header.has_producer() && header.base_sequence < 0 {
        return Err(Refusal::Sequence(header.base_sequence));
    }
    let bounds = Bounds::new(header, config, now);
    if codec == Codec::None {
        check_records(header, &batch[HEADER_LENGTH..], &bounds, config.compacted)
    } else {
        bounds.check(0, header.max_timestamp)?;
        bounds.check(0, header.base_timestamp)?;
        Ok(header.max_timestamp)
    }
}

/// Walks the records without allocating.
fn check_records(header: &BatchHeader, body: &[u8], bounds: &Bounds, compacted: bool) -> Result<Millis, Refusal> {
    let mut max_timestamp = NO_TIMESTAMP;
    for (index, record) in (0..).zip(Records::new(body, header.record_count)) {
        let record = record.map_err(|fault| Refusal::Record { index, fault })?;
        if record.offset_delta != index {
            let offset_delta = record.offset_delta;
            return Err(Refusal::OffsetDelta { index, offset_delta });
        }
        if compacted && record.key.is_none() {
            return Err(Refusal::NoKey { index });
        }
        let timestamp = record.timestamp(header.base_timestamp);
        bounds.check(index, timestamp)?;
        max_timestamp = max_timestamp.max(timestamp);
    }
    Ok(max_timestamp)
}

/// Which timestamps a producer may send.
struct Bounds {
    timestamp_type: TimestampType,
    claimed: bool,
    lowest: Millis,
    highest: Millis,
}

impl Bounds {
    fn new(header: &BatchHeader, config: &PartitionConfig, now: Millis) -> Bounds {
        Bounds {
            timestamp_type: config.timestamp_type,
            claimed: header.has(attributes::LOG_APPEND_TIME),
            lowest: now.since(config.timestamp_before_max),
            highest: now.plus(config.timestamp_after_max),
        }
    }

    fn check(&self, index: i32, timestamp: Millis) -> Result<(), Refusal> {
        if self.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            if (self.lowest..=self.highest).contains(&timestamp) {
                return Ok(());
            }
            return Err(Refusal::Timestamp {
                index,
                timestamp,
                lowest: self.lowest,
                highest: self.highest,
            });
        }
        if self.claimed {
            return Err(Refusal::ClaimedLogAppendTime);
        }
        Ok(())
    }
}

/// Where the magic lies in every format of a batch.
const MAGIC_AT: usize = 16;
/// The smallest length any format allows: that of an empty message of magic 0.
const LENGTH_MIN: i32 = 14;

#[cfg(test)]
mod tests;
