//! A consumer's connection: fetches with an incremental session from every partition of a topic, and throws away what comes.

use super::answer::Fields;
use super::link::Link;

/// By name of the topic, which topic ids (version 13) replaced.
const FETCH_VERSION: i16 = 12;
/// What clients ask for unless told otherwise: Kafka's own consumer's defaults.
const WAIT_MS: i32 = 500;
const BYTES_MAX: i32 = 50 << 20;
const PARTITION_BYTES_MAX: i32 = 1 << 20;

/// What is fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchPlan<'a> {
    /// The topic.
    pub topic: &'a str,
    /// Its partitions.
    pub partitions: i32,
}

/// A batch that was fetched.
#[derive(Clone, Copy, Debug)]
pub struct Delivered {
    /// Its partition.
    pub partition: i32,
    /// The offset of its first record.
    pub base_offset: i64,
    /// Its size.
    pub bytes: u64,
}

/// One consumer.
pub struct Fetcher {
    link: Link,
    topic: String,
    session: Session,
    request: Vec<u8>,
    /// How much of the request is written.
    written: usize,
    delivered: u64,
}

/// What the broker and the consumer agree on (KIP-227).
struct Session {
    id: i32,
    epoch: i32,
    positions: Vec<i64>,
    /// Partitions whose position the broker has not been told; all in the first request.
    changed: Vec<i32>,
}

impl Fetcher {
    /// Connects a consumer that begins at offset 0 of every partition.
    pub fn open(address: &str, plan: FetchPlan<'_>) -> Result<Fetcher, String> {
        let mut fetcher = Fetcher {
            link: Link::connect(address)?,
            topic: plan.topic.to_owned(),
            session: Session {
                id: 0,
                epoch: 0,
                positions: vec![0; plan.partitions as usize],
                changed: (0..plan.partitions).collect(),
            },
            request: Vec::new(),
            written: 0,
            delivered: 0,
        };
        fetcher.ask();
        Ok(fetcher)
    }

    /// Its connection.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Bytes of batches that came so far.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Whether a request waits for the socket.
    pub fn wants_to_write(&self) -> bool {
        self.written < self.request.len()
    }

    /// Writes as much of its request as the socket takes.
    pub fn write(&mut self) -> Result<(), String> {
        while self.wants_to_write() {
            match self.link.write(&self.request[self.written..])? {
                0 => return Ok(()),
                written => self.written += written,
            }
        }
        Ok(())
    }

    /// Reads answers, tells `take` each batch, and asks for more.
    pub fn read(&mut self, mut take: impl FnMut(Delivered)) -> Result<(), String> {
        let (session, delivered) = (&mut self.session, &mut self.delivered);
        let mut answered = false;
        self.link.read(|frame| {
            answered = true;
            session.answered(frame, |batch| {
                *delivered += batch.bytes;
                take(batch);
            })
        })?;
        if answered {
            self.ask();
            self.write()?;
        }
        Ok(())
    }

    fn ask(&mut self) {
        self.request.clear();
        self.written = 0;
        self.session.write(&self.topic, &mut self.request);
    }
}

impl Session {
    /// The next request, with its length in front.
    fn write(&mut self, topic: &str, out: &mut Vec<u8>) {
        let numbers32 = |numbers: &[i32], out: &mut Vec<u8>| {
            numbers
                .iter()
                .for_each(|number| out.extend_from_slice(&number.to_be_bytes()));
        };
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&1i16.to_be_bytes());
        out.extend_from_slice(&FETCH_VERSION.to_be_bytes());
        // Correlation id, no client id, no tags.
        numbers32(&[0], out);
        out.extend_from_slice(&[0xff, 0xff, 0]);
        // Replica, wait, least bytes, most bytes, isolation.
        numbers32(&[-1, WAIT_MS, 1, BYTES_MAX], out);
        out.push(0);
        numbers32(&[self.id, self.epoch], out);
        if self.changed.is_empty() {
            compact_length(0, out);
        } else {
            compact_length(1, out);
            compact_length(topic.len(), out);
            out.extend_from_slice(topic.as_bytes());
            compact_length(self.changed.len(), out);
            for partition in &self.changed {
                // Partition, no leader epoch, offset, no last epoch, no log start, most bytes, no tags.
                numbers32(&[*partition, -1], out);
                out.extend_from_slice(&self.positions[*partition as usize].to_be_bytes());
                numbers32(&[-1, -1, -1, PARTITION_BYTES_MAX], out);
                out.push(0);
            }
            out.push(0);
        }
        // Nothing forgotten, no rack, no tags.
        out.extend_from_slice(&[1, 1, 0]);
        let length = (out.len() - 4) as u32;
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.changed.clear();
    }

    /// Takes in an answer.
    fn answered(&mut self, frame: &[u8], mut take: impl FnMut(Delivered)) -> Result<(), String> {
        let mut fields = Fields::of_answer(frame)?;
        fields.skip(4)?;
        let error = fields.i16()?;
        if error != 0 {
            return Err(format!("a fetch was refused with error {error}"));
        }
        self.id = fields.i32()?;
        if self.id == 0 {
            return Err("the broker gives no fetch session".to_owned());
        }
        self.epoch += 1;
        for _ in 0..fields.count()? {
            fields.compact()?;
            for _ in 0..fields.count()? {
                self.partition(&mut fields, &mut take)?;
            }
            fields.tags()?;
        }
        Ok(())
    }

    fn partition(&mut self, fields: &mut Fields<'_>, take: &mut impl FnMut(Delivered)) -> Result<(), String> {
        let (index, error) = (fields.i32()?, fields.i16()?);
        if error != 0 {
            return Err(format!("a fetch from partition {index} was refused with error {error}"));
        }
        fields.skip(8 + 8 + 8)?;
        for _ in 0..fields.count()? {
            fields.skip(8 + 8)?;
            fields.tags()?;
        }
        fields.skip(4)?;
        let records = fields.compact()?;
        fields.tags()?;
        let position = self
            .positions
            .get_mut(index as usize)
            .ok_or("a partition nobody asked for")?;
        let before = *position;
        walk(index, records, position, take)?;
        if *position != before {
            self.changed.push(index);
        }
        Ok(())
    }
}

/// Goes from batch to batch; one that is cut off at the end is fetched again.
fn walk(
    partition: i32,
    mut records: &[u8],
    position: &mut i64,
    take: &mut impl FnMut(Delivered),
) -> Result<(), String> {
    while let Some(header) = records.first_chunk::<27>() {
        let base_offset = i64::from_be_bytes(*header.first_chunk().expect("a header is longer than its first field"));
        let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let last_delta = i32::from_be_bytes([header[23], header[24], header[25], header[26]]);
        let Some((_, rest)) = records.split_at_checked(12 + length) else {
            break;
        };
        let next = base_offset + i64::from(last_delta) + 1;
        // A fetch answers with the whole batch that holds the position, which is where this consumer always stands.
        if base_offset != *position {
            return Err(format!(
                "partition {partition} went on at {base_offset} instead of {position}"
            ));
        }
        *position = next;
        take(Delivered {
            partition,
            base_offset,
            bytes: 12 + length as u64,
        });
        records = rest;
    }
    Ok(())
}

fn compact_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length as u32 + 1;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kafka_protocol::messages::FetchRequest;
    use ottla_wire::RequestHeader;

    use super::*;
    use crate::load::{Payload, batch};

    #[test]
    fn the_request_is_one_that_the_protocol_knows() {
        let mut session = Session {
            id: 9,
            epoch: 4,
            positions: vec![0, 70, 800],
            changed: vec![1, 2],
        };
        let mut out = Vec::new();
        session.write("some-topic", &mut out);
        let mut body = Bytes::copy_from_slice(&out[4..]);
        let header = RequestHeader::decode(&mut body).unwrap();
        let request: FetchRequest = ottla_wire::decode(header.api, header.version, body).unwrap();
        assert_eq!((request.session_id, request.session_epoch), (9, 4));
        let partitions = &request.topics[0].partitions;
        let told: Vec<_> = partitions.iter().map(|one| (one.partition, one.fetch_offset)).collect();
        assert_eq!(told, [(1, 70), (2, 800)]);
        assert_eq!(partitions[0].partition_max_bytes, PARTITION_BYTES_MAX);
        assert!(session.changed.is_empty());
    }

    #[test]
    fn a_batch_that_is_cut_off_does_not_move_the_position() {
        let one = batch(Payload::plain(10, 50));
        let mut two = one.to_vec();
        two.extend_from_slice(&one[..one.len() / 2]);
        let (mut position, mut taken) = (0, Vec::new());
        walk(3, &two, &mut position, &mut |batch| taken.push(batch.base_offset)).unwrap();
        assert_eq!((position, taken), (10, vec![0]));
        assert!(walk(3, &one, &mut position, &mut |_| ()).is_err());
    }
}
