//! Answers read in place: only what a load must know of them, without making messages of them.

use std::fmt;

use super::frame::Producer;

/// Walks over the fields of a flexible message.
pub struct Fields<'a> {
    bytes: &'a [u8],
}

impl<'a> Fields<'a> {
    /// From the start of a frame, behind the header of its answer: correlation id and tags.
    pub fn of_answer(frame: &'a [u8]) -> Result<Fields<'a>, String> {
        let mut fields = Fields { bytes: frame };
        fields.skip(4)?;
        fields.tags()?;
        Ok(fields)
    }

    /// A 16-bit number.
    pub fn i16(&mut self) -> Result<i16, String> {
        self.array().map(i16::from_be_bytes)
    }

    /// A 32-bit number.
    pub fn i32(&mut self) -> Result<i32, String> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 64-bit number.
    pub fn i64(&mut self) -> Result<i64, String> {
        self.array().map(i64::from_be_bytes)
    }

    /// The length of a compact array; none for null.
    pub fn count(&mut self) -> Result<usize, String> {
        Ok((self.varint()? as usize).saturating_sub(1))
    }

    /// Compact bytes or text; empty for null.
    pub fn compact(&mut self) -> Result<&'a [u8], String> {
        let length = self.count()?;
        self.skip(length)
    }

    /// Tagged fields, which a load never wants to know.
    pub fn tags(&mut self) -> Result<(), String> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()? as usize;
            self.skip(length)?;
        }
        Ok(())
    }

    /// Leaves out some bytes, and gives them.
    pub fn skip(&mut self, length: usize) -> Result<&'a [u8], String> {
        let (head, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or("an answer ends within itself")?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or("an answer ends within itself")?;
        self.bytes = rest;
        Ok(*head)
    }

    fn varint(&mut self) -> Result<u32, String> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let [byte] = self.array::<1>()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number in an answer is too long".to_owned())
    }
}

/// Checks that an answer to Produce (version 9 to 12) accepted every batch.
pub fn check_produced(frame: &[u8]) -> Result<(), String> {
    match refused_batch(frame)? {
        None => Ok(()),
        Some(refusal) => Err(format!("a batch for {refusal}")),
    }
}

/// Checks that an answer to OffsetCommit (version 8) accepted every offset.
pub fn check_committed(frame: &[u8]) -> Result<(), String> {
    match refused_offset(frame)? {
        None => Ok(()),
        Some(refusal) => Err(format!("the offset of {refusal}")),
    }
}

/// The first partition of which something was refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    topic: String,
    index: i32,
    /// The error code.
    pub error: i16,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} was refused with error {}", self.topic, self.index, self.error)
    }
}

/// The first batch that an answer to Produce (version 9 to 12) refused.
pub fn refused_batch(frame: &[u8]) -> Result<Option<Refusal>, String> {
    first_refused(Fields::of_answer(frame)?, |fields, index| {
        fields.skip(8 + 8 + 8)?;
        if fields.count()? > 0 {
            return Err(format!("partition {index} names bad records"));
        }
        fields.compact().map(drop)
    })
}

/// The first offset that an answer to OffsetCommit (version 8) or TxnOffsetCommit (version 3 to 5) refused.
pub fn refused_offset(frame: &[u8]) -> Result<Option<Refusal>, String> {
    let mut fields = Fields::of_answer(frame)?;
    fields.skip(4)?;
    first_refused(fields, |_, _| Ok(()))
}

/// What an answer to EndTxn (version 5) says: who the producer is from now on, or an error code.
pub fn ended(frame: &[u8]) -> Result<Result<Producer, i16>, String> {
    let mut fields = Fields::of_answer(frame)?;
    fields.skip(4)?;
    let error = fields.i16()?;
    let producer = Producer {
        id: fields.i64()?,
        epoch: fields.i16()?,
    };
    Ok(if error == 0 { Ok(producer) } else { Err(error) })
}

/// Walks over topics and their partitions, each of which begins with its index and error code; `rest` skips what follows.
fn first_refused<'a>(
    mut fields: Fields<'a>,
    rest: impl Fn(&mut Fields<'a>, i32) -> Result<(), String>,
) -> Result<Option<Refusal>, String> {
    for _ in 0..fields.count()? {
        let topic = fields.compact()?;
        for _ in 0..fields.count()? {
            let (index, error) = (fields.i32()?, fields.i16()?);
            if error != 0 {
                let topic = String::from_utf8_lossy(topic).into_owned();
                return Ok(Some(Refusal { topic, index, error }));
            }
            rest(&mut fields, index)?;
            fields.tags()?;
        }
        fields.tags()?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use kafka_protocol::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
    use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
    use kafka_protocol::messages::{OffsetCommitResponse, ProduceResponse};
    use ottla_wire::Api;

    use super::*;
    use crate::wire;

    fn answer(error: i16) -> BytesMut {
        let partition = |index: i32, error: i16| {
            PartitionProduceResponse::default()
                .with_index(index)
                .with_error_code(error)
        };
        let topic = TopicProduceResponse::default()
            .with_name(wire::topic_name("topic"))
            .with_partition_responses(vec![partition(1, 0), partition(2, error)]);
        let response = ProduceResponse::default().with_responses(vec![topic]);
        ottla_wire::encode(Api::Produce, 11, 5, &response).unwrap()
    }

    #[test]
    fn a_refusal_names_its_partition() {
        assert_eq!(check_produced(&answer(0)[4..]), Ok(()));
        let refused = check_produced(&answer(3)[4..]).unwrap_err();
        assert_eq!(refused, "a batch for topic-2 was refused with error 3");
    }

    #[test]
    fn a_refused_offset_names_its_partition() {
        let answer = |error: i16| {
            let partition = |index: i32, error: i16| {
                OffsetCommitResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(error)
            };
            let topic = OffsetCommitResponseTopic::default()
                .with_name(wire::topic_name("topic"))
                .with_partitions(vec![partition(4, 0), partition(5, error)]);
            let response = OffsetCommitResponse::default().with_topics(vec![topic]);
            ottla_wire::encode(Api::OffsetCommit, 8, 5, &response).unwrap()
        };
        assert_eq!(check_committed(&answer(0)[4..]), Ok(()));
        let refused = check_committed(&answer(22)[4..]).unwrap_err();
        assert_eq!(refused, "the offset of topic-5 was refused with error 22");
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error() {
        let whole = answer(0);
        assert!(check_produced(&whole[4..20]).is_err());
    }
}
