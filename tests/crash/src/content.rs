//! What the records under test hold: a value that says who wrote it, where and as which, and a body that follows from it,
//! so that any damage, mix-up or repeat is seen by whoever reads.

use bytes::Bytes;
use ottla_log::{BatchBuilder, Batches, Codec, Unpacked};
use ottla_model::{Millis, ProducerEpoch, ProducerId};

use crate::random::Random;
use crate::trouble::{During, Trouble, expect};

/// A record's value: producer (16 bits), partition (8 bits) and the how manieth of the two (40 bits). Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub u64);

impl Value {
    /// The value of a producer's record number `number` to a partition.
    pub fn new(producer: u64, partition: i32, number: u64) -> Value {
        Value(producer << 48 | (partition as u64 & 0xff) << 40 | number & NUMBER)
    }

    /// Who wrote it.
    pub fn producer(self) -> u64 {
        self.0 >> 48
    }

    /// The partition it was written to.
    pub fn partition(self) -> i32 {
        (self.0 >> 40 & 0xff) as i32
    }

    /// The how manieth of its producer and partition, from 0.
    pub fn number(self) -> u64 {
        self.0 & NUMBER
    }

    /// The key of its record: text, so that other people's tools can print it.
    pub fn key(self) -> String {
        format!("{:016x}", self.0)
    }

    /// The value with this key.
    pub fn of_key(key: &[u8]) -> Option<Value> {
        let text = std::str::from_utf8(key).ok().filter(|text| text.len() == 16)?;
        u64::from_str_radix(text, 16).ok().map(Value)
    }

    /// The value `steps` later of the same producer and partition.
    pub fn plus(self, steps: u64) -> Value {
        Value(self.0 + steps)
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p{}/{}#{}", self.producer(), self.partition(), self.number())
    }
}

const NUMBER: u64 = (1 << 40) - 1;

/// How a batch is made.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Records in it.
    pub records: u64,
    /// Bytes of each record's body, at least 8.
    pub record_bytes: usize,
    /// How the records are compressed.
    pub codec: Codec,
}

/// Who sends a batch, for the broker.
#[derive(Clone, Copy, Debug)]
pub struct Sender {
    /// The id from InitProducerId.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
    /// The sequence of the batch's first record.
    pub sequence: i32,
}

/// A batch of records whose values begin with `first`.
pub fn batch(first: Value, shape: Shape, sender: Option<Sender>) -> Bytes {
    let mut builder = BatchBuilder::new().codec(shape.codec);
    if let Some(sender) = sender {
        builder = builder.producer(ProducerId(sender.id), ProducerEpoch(sender.epoch), sender.sequence);
    }
    let now = now();
    for step in 0..shape.records {
        let value = first.plus(step);
        builder.push(
            now,
            Some(value.key().as_bytes()),
            Some(&body(value, shape.record_bytes)),
        );
    }
    builder.build()
}

/// The time, as clients stamp records.
pub fn now() -> Millis {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Millis(now.map_or(0, |now| now.as_millis() as i64))
}

/// The body of a record: letters that follow from the value and their number.
pub fn body(value: Value, bytes: usize) -> Vec<u8> {
    let mut random = Random::new(value.0 ^ (bytes as u64) << 1);
    let mut body = Vec::with_capacity(bytes + 8);
    while body.len() < bytes {
        body.extend(random.draw().to_be_bytes().map(|byte| b'a' + byte % 26));
    }
    body.truncate(bytes);
    body
}

/// The records of a Fetch answer from offset `from` on, each with its offset. Damage is a trouble.
pub fn read(records: Bytes, from: i64) -> Result<Vec<(i64, Value)>, Trouble> {
    let mut found = Vec::new();
    // What is behind the last whole batch was cut by the size limit of the fetch.
    for (header, bytes) in Batches::new(records) {
        let at = header.base_offset.0;
        let stored = ottla_log::batch::crc_of(&bytes);
        expect(stored == header.crc, || {
            format!("the CRC of the batch at offset {at} is wrong")
        })?;
        let unpacked = Unpacked::open(&bytes).during(format!("the batch at offset {at}"))?;
        for record in unpacked.records() {
            let record = record.during(format!("the batch at offset {at}"))?;
            let offset = at + i64::from(record.offset_delta);
            if offset < from {
                continue;
            }
            let value = record.key.and_then(Value::of_key);
            let value = value.ok_or_else(|| Trouble::new(format!("the key at offset {offset} is not ours")))?;
            let content = record.value.unwrap_or_default();
            expect(content == body(value, content.len()), || {
                format!("the record {value} at {offset} is damaged")
            })?;
            found.push((offset, value));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_in_every_codec() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let shape = Shape {
                records: 3,
                record_bytes: 50,
                codec,
            };
            let first = Value::new(7, 3, 41);
            let found = read(batch(first, shape, None), 1).unwrap();
            assert_eq!(found, [(1, first.plus(1)), (2, first.plus(2))]);
            assert_eq!(
                (first.producer(), first.partition(), first.plus(2).number()),
                (7, 3, 43)
            );
        }
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let shape = Shape {
            records: 1,
            record_bytes: 50,
            codec: Codec::None,
        };
        let mut bytes = batch(Value::new(1, 0, 0), shape, None).to_vec();
        let last = bytes.len() - 10;
        bytes[last] ^= 1;
        assert!(read(Bytes::from(bytes), 0).is_err());
    }
}
