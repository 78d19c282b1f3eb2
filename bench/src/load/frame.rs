//! A Produce request made beforehand, whose batches get their producer and sequence each time it is sent.

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use kafka_protocol::messages::TransactionalId;
use kafka_protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use crate::wire;

/// By name of the topic, which topic ids (version 13) replaced.
pub const PRODUCE_VERSION: i16 = 11;
/// The same for transactions, whose partitions take part by what is written to them (KIP-890).
pub const TRANSACTIONAL_PRODUCE_VERSION: i16 = 12;

/// Where things lie in a batch.
const BATCH_CRC: usize = 17;
/// The low byte of the attributes, and the bit of it that says "of a transaction".
const BATCH_ATTRIBUTES: usize = 22;
const TRANSACTIONAL: u8 = 1 << 4;
const BATCH_PRODUCER: usize = 43;
const BATCH_HEADER: usize = 61;

/// Who sends a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// The producer's id.
    pub id: i64,
    /// Its epoch.
    pub epoch: i16,
}

/// A request of one batch for each of its partitions.
pub struct ProduceFrame {
    bytes: Vec<u8>,
    partitions: Vec<i32>,
    /// Where each partition's batch begins.
    batches: Vec<usize>,
    batch_bytes: usize,
    records: i32,
    sequence: i32,
    /// The epoch the sequence belongs to.
    epoch: Option<i16>,
}

impl ProduceFrame {
    /// The same batch for each of some partitions of a topic.
    pub fn new(topic: &str, partitions: &[i32], batch: &Bytes, acks: i16) -> Result<ProduceFrame, String> {
        let request = request(topic, partitions, batch, acks);
        ProduceFrame::of(PRODUCE_VERSION, &request, partitions, batch)
    }

    /// The same within transactions of a transactional id; sequences begin anew with every epoch.
    pub fn transactional(id: &str, topic: &str, partitions: &[i32], batch: &Bytes) -> Result<ProduceFrame, String> {
        let mut bytes = batch.to_vec();
        bytes[BATCH_ATTRIBUTES] |= TRANSACTIONAL;
        let batch = Bytes::from(bytes);
        let id = TransactionalId(StrBytes::from_string(id.to_owned()));
        let request = request(topic, partitions, &batch, -1).with_transactional_id(Some(id));
        ProduceFrame::of(TRANSACTIONAL_PRODUCE_VERSION, &request, partitions, &batch)
    }

    fn of(version: i16, request: &ProduceRequest, partitions: &[i32], batch: &Bytes) -> Result<ProduceFrame, String> {
        assert!(batch.len() > BATCH_HEADER, "a batch has a header and records");
        let frame = wire::frame(Api::Produce, version, 0, request)?;
        let batches = positions(&frame, batch, partitions.len());
        let records = i32::from_be_bytes([batch[57], batch[58], batch[59], batch[60]]);
        Ok(ProduceFrame {
            bytes: frame.to_vec(),
            partitions: partitions.to_vec(),
            batches,
            batch_bytes: batch.len(),
            records,
            sequence: 0,
            epoch: None,
        })
    }

    /// The whole frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The partitions it writes to.
    pub fn partitions(&self) -> &[i32] {
        &self.partitions
    }

    /// Bytes of its batches.
    pub fn payload_bytes(&self) -> u64 {
        (self.batch_bytes * self.batches.len()) as u64
    }

    /// Makes it the producer's next request for these partitions.
    pub fn stamp(&mut self, producer: Producer) {
        if self.epoch.replace(producer.epoch) != Some(producer.epoch) {
            self.sequence = 0;
        }
        for at in &self.batches {
            let batch = &mut self.bytes[*at..*at + self.batch_bytes];
            batch[BATCH_PRODUCER..BATCH_PRODUCER + 8].copy_from_slice(&producer.id.to_be_bytes());
            batch[BATCH_PRODUCER + 8..BATCH_PRODUCER + 10].copy_from_slice(&producer.epoch.to_be_bytes());
            batch[BATCH_PRODUCER + 10..BATCH_PRODUCER + 14].copy_from_slice(&self.sequence.to_be_bytes());
            let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &batch[BATCH_CRC + 4..]) as u32;
            batch[BATCH_CRC..BATCH_CRC + 4].copy_from_slice(&crc.to_be_bytes());
        }
        // Sequences go on at 0 after the largest number.
        self.sequence = self.sequence.wrapping_add(self.records) & i32::MAX;
    }
}

fn request(topic: &str, partitions: &[i32], batch: &Bytes, acks: i16) -> ProduceRequest {
    let data = partitions.iter().map(|partition| {
        PartitionProduceData::default()
            .with_index(*partition)
            .with_records(Some(batch.clone()))
    });
    let topic = TopicProduceData::default()
        .with_name(wire::topic_name(topic))
        .with_partition_data(data.collect());
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic])
}

/// Where the copies of the batch lie in the frame: each whole header occurs once for each partition, in order.
fn positions(frame: &[u8], batch: &[u8], count: usize) -> Vec<usize> {
    let mut found = Vec::with_capacity(count);
    let mut from = 0;
    while found.len() < count {
        let next = frame[from..]
            .windows(BATCH_HEADER)
            .position(|window| window == &batch[..BATCH_HEADER]);
        let at = from + next.expect("the frame holds the batch once for each partition");
        found.push(at);
        from = at + batch.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ProduceRequest;
    use ottla_log::{CheckedBatch, Origin, PartitionConfig};
    use ottla_model::Millis;
    use ottla_wire::RequestHeader;

    use super::*;
    use crate::load::{Payload, batch};

    #[test]
    fn a_stamped_frame_is_a_request_with_valid_batches() {
        let mut frame = ProduceFrame::new("topic", &[3, 4], &batch(Payload::plain(5, 100)), -1).unwrap();
        frame.stamp(Producer { id: 77, epoch: 2 });
        frame.stamp(Producer { id: 77, epoch: 2 });
        let mut body = Bytes::copy_from_slice(&frame.bytes()[4..]);
        let header = RequestHeader::decode(&mut body).unwrap();
        let request: ProduceRequest = ottla_wire::decode(header.api, header.version, body).unwrap();
        let partitions = &request.topic_data[0].partition_data;
        assert_eq!(partitions.iter().map(|one| one.index).collect::<Vec<_>>(), [3, 4]);
        for partition in partitions {
            let records = partition.records.clone().unwrap();
            assert_eq!(records[43..51], 77i64.to_be_bytes());
            assert_eq!(records[51..53], 2i16.to_be_bytes());
            // The second request of five records each begins at the fifth.
            assert_eq!(records[53..57], 5i32.to_be_bytes());
            check(&records);
        }
    }

    #[test]
    fn sequences_of_a_transaction_begin_with_its_epoch() {
        let mut frame = ProduceFrame::transactional("id", "topic", &[3], &batch(Payload::plain(5, 100))).unwrap();
        for (epoch, sequence) in [(1, 0), (1, 5), (2, 0i32)] {
            frame.stamp(Producer { id: 77, epoch });
            let records = &frame.bytes()[frame.batches[0]..][..frame.batch_bytes];
            assert_eq!(records[53..57], sequence.to_be_bytes());
            assert_eq!(records[22] & 16, 16);
            check(&Bytes::copy_from_slice(records));
        }
    }

    fn check(records: &Bytes) {
        const FAR: Millis = Millis(4_000_000_000_000);
        let config = PartitionConfig::default();
        CheckedBatch::check(records, Origin::Client, &config, FAR).unwrap();
    }
}
