//! The header of a record batch, magic 2 (Kafka's `DefaultRecordBatch`), read in place.
//!
//! ```text
//!  0 base offset i64 │ 8 length i32 │ 12 leader epoch i32 │ 16 magic i8 │ 17 crc u32 │ 21 attributes i16
//! 23 last offset delta i32 │ 27 base timestamp i64 │ 35 max timestamp i64 │ 43 producer id i64
//! 51 producer epoch i16 │ 53 base sequence i32 │ 57 record count i32 │ 61 records ...
//! ```
//!
//! `length` counts from byte 12. The CRC-32C covers byte 21 to the end, so that base offset and leader epoch can be
//! rewritten without it.

use ottla_model::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId};

/// Bytes of a header; a batch with no records is exactly this long.
pub const HEADER_LENGTH: usize = 61;
/// Bytes before those that the `length` field counts.
pub const LENGTH_OVERHEAD: usize = 12;
/// Where the bytes covered by the CRC begin.
pub const CRC_START: usize = 21;
/// The only magic Ottla stores.
pub const MAGIC: i8 = 2;

/// Bits of the attributes field.
pub mod attributes {
    /// The codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub const CODEC_MASK: i16 = 0x07;
    /// The timestamps are the broker's (`LogAppendTime`), not the producer's.
    pub const LOG_APPEND_TIME: i16 = 0x08;
    /// The batch belongs to a transaction.
    pub const TRANSACTIONAL: i16 = 0x10;
    /// The batch is a transaction marker.
    pub const CONTROL: i16 = 0x20;
    /// The base timestamp is the time after which tombstones of this batch may go (KIP-534).
    pub const DELETE_HORIZON: i16 = 0x40;
}

/// A header's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are drawn in the module's head")]
pub struct BatchHeader {
    pub base_offset: Offset,
    pub length: i32,
    pub leader_epoch: LeaderEpoch,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: Millis,
    pub max_timestamp: Millis,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`, without judging it; `None` if there are fewer than 61 bytes.
    pub fn read(bytes: &[u8]) -> Option<BatchHeader> {
        let bytes = bytes.first_chunk::<HEADER_LENGTH>()?;
        Some(BatchHeader {
            base_offset: Offset(i64::from_be_bytes(field(bytes, 0))),
            length: i32::from_be_bytes(field(bytes, 8)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(bytes, 12))),
            magic: i8::from_be_bytes(field(bytes, 16)),
            crc: u32::from_be_bytes(field(bytes, 17)),
            attributes: i16::from_be_bytes(field(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: Millis(i64::from_be_bytes(field(bytes, 27))),
            max_timestamp: Millis(i64::from_be_bytes(field(bytes, 35))),
            producer_id: ProducerId(i64::from_be_bytes(field(bytes, 43))),
            producer_epoch: ProducerEpoch(i16::from_be_bytes(field(bytes, 51))),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            record_count: i32::from_be_bytes(field(bytes, 57)),
        })
    }

    /// Writes the fields as [`BatchHeader::read`] reads them.
    pub fn to_bytes(&self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[0..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.leader_epoch.0.to_be_bytes());
        bytes[16] = self.magic as u8;
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.0.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.0.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.0.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        bytes
    }

    /// The whole batch in bytes, header included, as its length field says; negative lengths give `None`.
    pub fn size(&self) -> Option<usize> {
        usize::try_from(self.length).ok()?.checked_add(LENGTH_OVERHEAD)
    }

    /// The offset of the last record. After compaction that record itself may be gone.
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// The offset the batch after this one may start at.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().next()
    }

    /// Whether an attribute bit is set.
    pub fn has(&self, attribute: i16) -> bool {
        self.attributes & attribute != 0
    }
}

impl BatchHeader {
    /// The sequence number of the last record: it wraps from 2147483647 to 0. -1 without a base sequence.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            -1
        } else {
            sequence_after(self.base_sequence, self.last_offset_delta)
        }
    }

    /// Whether an idempotent or transactional producer sent the batch.
    pub fn has_producer(&self) -> bool {
        self.producer_id.0 >= 0
    }
}

/// The sequence number `count` records after `sequence`, wrapping from 2147483647 to 0.
pub(crate) fn sequence_after(sequence: i32, count: i32) -> i32 {
    ((i64::from(sequence) + i64::from(count)) & 0x7fff_ffff) as i32
}

fn field<const N: usize>(bytes: &[u8; HEADER_LENGTH], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// The CRC-32C of a whole batch's covered bytes (from byte 21 on). `batch` must be at least a header long.
pub fn crc_of(batch: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[CRC_START..]) as u32
}

/// The CRC-32C of a batch whose header is not (yet) in front of its records. `records` is all behind the header.
pub(crate) fn crc_of_parts(header: &[u8; HEADER_LENGTH], records: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&header[CRC_START..]);
    digest.update(records);
    digest.finalize() as u32
}
