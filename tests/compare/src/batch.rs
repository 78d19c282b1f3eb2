//! Record batches (message format 2), good ones and bad ones.
//!
//! Every field of the header can be set to anything; length and checksum are right unless they are set too.

use std::io::Write;

use bytes::{Buf, BufMut, Bytes};
use crc_fast::CrcAlgorithm;

use crate::tree::Tree;

/// How records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the codecs")]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// A batch to be sent.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The length to claim; `None` for the right one.
    pub length: Option<i32>,
    /// The partition leader's epoch.
    pub leader_epoch: i32,
    /// The message format.
    pub magic: i8,
    /// The checksum to claim; `None` for the right one.
    pub crc: Option<u32>,
    /// Compression, kind of time, transactional, control, delete horizon.
    pub attributes: i16,
    /// The offset delta to claim for the last record; `None` for the right one.
    pub last_offset_delta: Option<i32>,
    /// The time of the first record.
    pub base_timestamp: i64,
    /// The newest time to claim; `None` for the right one.
    pub max_timestamp: Option<i64>,
    /// The producer, -1 for none.
    pub producer_id: i64,
    /// The producer's epoch, -1 for none.
    pub producer_epoch: i16,
    /// The sequence number of the first record, -1 for none.
    pub base_sequence: i32,
    /// The number of records to claim; `None` for the right one.
    pub count: Option<i32>,
    /// Values of the records.
    pub values: Vec<&'static str>,
    /// Bytes to put in place of the (compressed) records.
    pub payload: Option<Vec<u8>>,
    /// How to compress.
    pub codec: Codec,
}

/// The attribute bit of a batch within a transaction.
const TRANSACTIONAL: i16 = 0x10;

impl Batch {
    /// A good batch of these values, one millisecond apart, without a producer.
    pub fn of(base_timestamp: i64, values: &[&'static str]) -> Batch {
        Batch {
            base_offset: 0,
            length: None,
            leader_epoch: -1,
            magic: 2,
            crc: None,
            attributes: 0,
            last_offset_delta: None,
            base_timestamp,
            max_timestamp: None,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: None,
            values: values.to_vec(),
            payload: None,
            codec: Codec::None,
        }
    }

    /// The same from an idempotent producer.
    pub fn by(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Batch {
        self.producer_id = producer_id;
        self.producer_epoch = producer_epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// The same as part of a transaction.
    pub fn transactional(mut self) -> Batch {
        self.attributes |= TRANSACTIONAL;
        self
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Bytes {
        let count = self.values.len() as i32;
        let newest = self.base_timestamp + i64::from((count - 1).max(0));
        let mut covered = Vec::new();
        covered.put_i16(self.attributes | self.codec as i16);
        covered.put_i32(self.last_offset_delta.unwrap_or(count - 1));
        covered.put_i64(self.base_timestamp);
        covered.put_i64(self.max_timestamp.unwrap_or(newest));
        covered.put_i64(self.producer_id);
        covered.put_i16(self.producer_epoch);
        covered.put_i32(self.base_sequence);
        covered.put_i32(self.count.unwrap_or(count));
        covered.extend(
            self.payload
                .clone()
                .unwrap_or_else(|| compress(self.codec, &self.records())),
        );

        let mut bytes = Vec::new();
        bytes.put_i64(self.base_offset);
        bytes.put_i32(self.length.unwrap_or(covered.len() as i32 + 9));
        bytes.put_i32(self.leader_epoch);
        bytes.put_i8(self.magic);
        bytes.put_u32(self.crc.unwrap_or_else(|| checksum(&covered)));
        bytes.extend(covered);
        bytes.into()
    }

    fn records(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (delta, value) in self.values.iter().enumerate() {
            let mut record = vec![0];
            put_varint(&mut record, delta as i64);
            put_varint(&mut record, delta as i64);
            put_varint(&mut record, -1);
            put_varint(&mut record, value.len() as i64);
            record.extend(value.bytes());
            put_varint(&mut record, 0);
            put_varint(&mut bytes, record.len() as i64);
            bytes.extend(record);
        }
        bytes
    }
}

/// What fetched bytes hold: every batch header by name, and what is left of a batch cut off.
pub fn describe(records: &[u8]) -> Tree {
    let mut rest = records;
    let mut batches = Vec::new();
    while rest.len() >= HEADER_BYTES {
        let length = i32::from_be_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize + 12;
        if length < HEADER_BYTES || rest.len() < length {
            break;
        }
        batches.push(describe_one(&rest[..length]));
        rest = &rest[length..];
    }
    if !rest.is_empty() {
        batches.push(Tree::Struct(vec![("cut_off_bytes".into(), Tree::leaf(rest.len()))]));
    }
    Tree::List(batches)
}

fn describe_one(mut batch: &[u8]) -> Tree {
    let is_sound =
        batch[16] != 2 || u32::from_be_bytes([batch[17], batch[18], batch[19], batch[20]]) == checksum(&batch[21..]);
    let mut fields = Vec::new();
    let mut add = |name: &str, value: i64| fields.push((name.to_owned(), Tree::leaf(value)));
    add("base_offset", batch.get_i64());
    add("length", i64::from(batch.get_i32()));
    add("leader_epoch", i64::from(batch.get_i32()));
    add("magic", i64::from(batch.get_i8()));
    batch.advance(4);
    add("attributes", i64::from(batch.get_i16()));
    add("last_offset_delta", i64::from(batch.get_i32()));
    add("base_timestamp", batch.get_i64());
    add("max_timestamp", batch.get_i64());
    add("producer_id", batch.get_i64());
    add("producer_epoch", i64::from(batch.get_i16()));
    add("base_sequence", i64::from(batch.get_i32()));
    add("count", i64::from(batch.get_i32()));
    add("payload_hash", i64::from(checksum(batch)));
    fields.push(("crc".into(), Tree::leaf(if is_sound { "right" } else { "wrong" })));
    Tree::Struct(fields)
}

fn compress(codec: Codec, records: &[u8]) -> Vec<u8> {
    const IN_MEMORY: &str = "memory takes every byte";
    match codec {
        Codec::None => records.to_vec(),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(records).expect(IN_MEMORY);
            encoder.finish().expect(IN_MEMORY)
        }
        Codec::Snappy => snap::raw::Encoder::new().compress_vec(records).expect(IN_MEMORY),
        Codec::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(records).expect(IN_MEMORY);
            encoder.finish().expect(IN_MEMORY)
        }
        Codec::Zstd => zstd_raw_block(records),
    }
}

/// A Zstandard frame with one block that is not compressed: magic, a descriptor (single segment, four bytes of size),
/// the size, the block's header (last, raw), the bytes.
fn zstd_raw_block(records: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    bytes.put_u32_le(records.len() as u32);
    bytes.extend_from_slice(&((records.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    bytes.extend_from_slice(records);
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

fn put_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

const HEADER_BYTES: usize = 61;
