//! Builds batches: for coordinators that write records, for compaction, for tests and tools.

use bytes::Bytes;
use ottla_model::{LeaderEpoch, Millis, Offset, ProducerEpoch, ProducerId};

use crate::batch::{BatchHeader, HEADER_LENGTH, LENGTH_OVERHEAD, MAGIC, attributes, crc_of};
use crate::codec::{self, Codec};
use crate::record::{HeadersView, RecordView, encoded_headers, write_header};

/// A batch under construction. Records are encoded as they come; [`BatchBuilder::build`] puts the header before them.
///
/// ```
/// # use ottla_log::BatchBuilder;
/// # use ottla_model::Millis;
/// let mut batch = BatchBuilder::new();
/// batch.push(Millis(1_000), Some(b"key"), Some(b"value"));
/// batch.push(Millis(1_005), Some(b"key"), None);
/// let bytes = batch.build();
/// # assert!(bytes.len() > 61);
/// ```
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    /// Set by [`BatchBuilder::offsets`]: the record's offsets need not be dense and the last is given.
    last_offset_delta: Option<i32>,
    based: bool,
    codec: Codec,
    /// Room for the header, then the records.
    bytes: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> BatchBuilder {
        BatchBuilder::new()
    }
}

impl BatchBuilder {
    /// A batch of no producer, with create times, uncompressed, that starts at offset 0.
    pub fn new() -> BatchBuilder {
        BatchBuilder {
            header: BatchHeader {
                base_offset: Offset::ZERO,
                length: 0,
                leader_epoch: LeaderEpoch::UNKNOWN,
                magic: MAGIC,
                crc: 0,
                attributes: 0,
                last_offset_delta: -1,
                base_timestamp: NO_TIMESTAMP,
                max_timestamp: NO_TIMESTAMP,
                producer_id: ProducerId::NONE,
                producer_epoch: ProducerEpoch(-1),
                base_sequence: -1,
                record_count: 0,
            },
            last_offset_delta: None,
            based: false,
            codec: Codec::None,
            bytes: vec![0; HEADER_LENGTH],
        }
    }

    /// Names the idempotent producer and the sequence number of the first record.
    pub fn producer(mut self, id: ProducerId, epoch: ProducerEpoch, base_sequence: i32) -> BatchBuilder {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    /// Makes the batch part of a transaction.
    pub fn transactional(mut self) -> BatchBuilder {
        self.header.attributes |= attributes::TRANSACTIONAL;
        self
    }

    /// Makes the batch a control batch, which only coordinators may write.
    pub fn control(mut self) -> BatchBuilder {
        self.header.attributes |= attributes::CONTROL;
        self
    }

    /// Compresses the records when built.
    pub fn codec(mut self, codec: Codec) -> BatchBuilder {
        self.codec = codec;
        self
    }

    /// Takes all that a header says but the records: the shape of a batch that compaction writes anew. The last offset
    /// delta stays, whichever records come; base timestamp and delete-horizon bit are those given.
    pub(crate) fn like(header: &BatchHeader, base_timestamp: Millis, attributes: i16) -> BatchBuilder {
        let mut like = BatchBuilder::new();
        like.header = BatchHeader {
            base_timestamp,
            attributes: attributes & !attributes::CODEC_MASK,
            max_timestamp: NO_TIMESTAMP,
            record_count: 0,
            ..*header
        };
        like.last_offset_delta = Some(header.last_offset_delta);
        like.based = true;
        like.codec = Codec::of(attributes).unwrap_or(Codec::None);
        like
    }

    /// The number of records pushed so far.
    pub fn len(&self) -> usize {
        self.header.record_count as usize
    }

    /// Whether nothing was pushed yet.
    pub fn is_empty(&self) -> bool {
        self.header.record_count == 0
    }

    /// Roughly the bytes that [`BatchBuilder::build`] would give, before compression.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for so many bytes of records.
    pub fn reserve(&mut self, size: usize) {
        self.bytes.reserve(size);
    }

    /// Appends a record without headers at the next offset.
    pub fn push(&mut self, timestamp: Millis, key: Option<&[u8]>, value: Option<&[u8]>) {
        self.push_record(timestamp, key, value, HeadersView::NONE);
    }

    /// Appends a record with headers at the next offset.
    pub fn push_with_headers(
        &mut self,
        timestamp: Millis,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&[u8], Option<&[u8]>)],
    ) {
        let mut encoded = Vec::new();
        for (name, content) in headers {
            write_header(&mut encoded, name, *content);
        }
        self.push_record(timestamp, key, value, encoded_headers(headers.len(), &encoded));
    }

    fn push_record(&mut self, timestamp: Millis, key: Option<&[u8]>, value: Option<&[u8]>, headers: HeadersView<'_>) {
        let record = RecordView {
            attributes: 0,
            timestamp_delta: 0,
            offset_delta: 0,
            key,
            value,
            headers,
        };
        self.push_at(&record, self.header.record_count, timestamp);
    }

    /// Appends a record as it is, at its own offset delta.
    pub(crate) fn push_at(&mut self, record: &RecordView<'_>, offset_delta: i32, timestamp: Millis) {
        if !self.based {
            self.header.base_timestamp = timestamp;
            self.based = true;
        }
        let timestamp_delta = timestamp.0.wrapping_sub(self.header.base_timestamp.0);
        record.write(offset_delta, timestamp_delta, &mut self.bytes);
        self.header.max_timestamp = self.header.max_timestamp.max(timestamp);
        self.header.last_offset_delta = offset_delta;
        self.header.record_count += 1;
    }

    /// Sets the largest timestamp, where it is not that of a record pushed (log append time, emptied batches).
    pub(crate) fn max_timestamp(mut self, at: Millis) -> BatchBuilder {
        self.header.max_timestamp = at;
        self
    }

    /// The batch: header, records, CRC.
    pub fn build(self) -> Bytes {
        let mut header = self.header;
        let mut batch = match self.codec {
            Codec::None => self.bytes,
            codec if header.record_count > 0 => {
                let records = codec::compress(codec, &self.bytes[HEADER_LENGTH..]);
                [&[0; HEADER_LENGTH][..], &records].concat()
            }
            _ => self.bytes,
        };
        header.attributes |= self.codec.bits();
        header.last_offset_delta = self.last_offset_delta.unwrap_or(header.last_offset_delta);
        header.length = i32::try_from(batch.len() - LENGTH_OVERHEAD).expect("what is built is shorter than 2 GiB");
        batch[..HEADER_LENGTH].copy_from_slice(&header.to_bytes());
        let crc = crc_of(&batch);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        Bytes::from(batch)
    }
}

/// A transaction marker (KIP-98): what a control batch says about the transaction of its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// Whether the transaction was committed; aborted otherwise.
    pub committed: bool,
    /// The epoch of the coordinator that decided it.
    pub coordinator_epoch: i32,
}

impl Marker {
    /// The control batch that ends the open transaction of a producer.
    pub fn build(self, id: ProducerId, epoch: ProducerEpoch, now: Millis) -> Bytes {
        let mut key = [0; 4];
        key[2..4].copy_from_slice(&i16::from(self.committed).to_be_bytes());
        let mut value = [0; 6];
        value[2..6].copy_from_slice(&self.coordinator_epoch.to_be_bytes());
        let mut batch = BatchBuilder::new().producer(id, epoch, -1).transactional().control();
        batch.push(now, Some(&key), Some(&value));
        batch.build()
    }

    /// Reads the marker out of a control batch's record; `None` if it is another kind of control record.
    pub fn read(record: &RecordView<'_>) -> Option<Marker> {
        let [_, _, kind @ ..] = *record.key?.first_chunk::<4>()?;
        let [_, _, epoch @ ..] = *record.value?.first_chunk::<6>()?;
        let committed = match i16::from_be_bytes(kind) {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Marker {
            committed,
            coordinator_epoch: i32::from_be_bytes(epoch),
        })
    }
}

/// What Kafka writes where no timestamp is known.
pub(crate) const NO_TIMESTAMP: Millis = Millis(-1);
