//! Answers read in place: only what a load must know of them, without making messages of them.

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
    let mut fields = Fields::of_answer(frame)?;
    for _ in 0..fields.count()? {
        let topic = fields.compact()?;
        for _ in 0..fields.count()? {
            let (index, error) = (fields.i32()?, fields.i16()?);
            if error != 0 {
                let topic = String::from_utf8_lossy(topic);
                return Err(format!("a batch for {topic}-{index} was refused with error {error}"));
            }
            fields.skip(8 + 8 + 8)?;
            if fields.count()? > 0 {
                return Err(format!("partition {index} names bad records"));
            }
            fields.compact()?;
            fields.tags()?;
        }
        fields.tags()?;
    }
    Ok(())
}

/// Checks that an answer to OffsetCommit (version 8) accepted every offset.
pub fn check_committed(frame: &[u8]) -> Result<(), String> {
    let mut fields = Fields::of_answer(frame)?;
    fields.skip(4)?;
    for _ in 0..fields.count()? {
        fields.compact()?;
        for _ in 0..fields.count()? {
            let (index, error) = (fields.i32()?, fields.i16()?);
            if error != 0 {
                return Err(format!(
                    "the offset of partition {index} was refused with error {error}"
                ));
            }
            fields.tags()?;
        }
        fields.tags()?;
    }
    Ok(())
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
        assert_eq!(refused, "the offset of partition 5 was refused with error 22");
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error() {
        let whole = answer(0);
        assert!(check_produced(&whole[4..20]).is_err());
    }
}
