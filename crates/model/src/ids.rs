//! Identities that outlive names.

use std::fmt;

use uuid::Uuid;

use crate::PartitionIndex;

/// The identity of a topic (KIP-516). A topic deleted and created again under its old name has a new one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub Uuid);

impl TopicId {
    /// "No topic id": what older versions of a message carry.
    pub const ZERO: TopicId = TopicId(Uuid::nil());

    /// The cluster's own metadata topic, which has the same id in every cluster (Kafka's `METADATA_TOPIC_ID`).
    pub const METADATA: TopicId = TopicId(Uuid::from_u128(1));

    /// The id of these 16 bytes, as they stand in messages and records.
    pub const fn from_bytes(bytes: [u8; 16]) -> TopicId {
        TopicId(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes, as they stand in messages and records.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }

    /// Whether this is [`TopicId::ZERO`].
    pub fn is_zero(self) -> bool {
        self == TopicId::ZERO
    }

    /// Kafka's text form: the 16 bytes in URL-safe base64 without padding, as in `partition.metadata`.
    pub fn to_base64(self) -> String {
        let mut text = String::with_capacity(22);
        for chunk in self.0.as_bytes().chunks(3) {
            let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
            for position in 0..=chunk.len() {
                let sextet = (word >> (18 - 6 * position)) & 0x3f;
                text.push(char::from(BASE64[sextet as usize]));
            }
        }
        text
    }

    /// Reads what [`TopicId::to_base64`] writes; `None` if the text is not 22 characters of that alphabet.
    pub fn from_base64(text: &str) -> Option<TopicId> {
        if text.len() != 22 {
            return None;
        }
        let mut bits = 0u128;
        for (position, byte) in text.bytes().enumerate() {
            let sextet = BASE64.iter().position(|letter| *letter == byte)? as u128;
            // 22 sextets are 132 bits: the last one carries only its upper two.
            bits = if position < 21 {
                bits << 6 | sextet
            } else {
                bits << 2 | sextet >> 4
            };
        }
        Some(TopicId(Uuid::from_u128(bits)))
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_base64())
    }
}

/// One partition, for as long as its topic lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic.
    pub topic: TopicId,
    /// The number within the topic.
    pub index: PartitionIndex,
}

impl PartitionId {
    /// The only partition of the cluster's metadata topic.
    pub const METADATA: PartitionId = PartitionId {
        topic: TopicId::METADATA,
        index: PartitionIndex(0),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_kafkas_own() {
        // Kafka's Uuid.toString of METADATA_TOPIC_ID and of a random id taken from a partition.metadata file.
        assert_eq!(TopicId::METADATA.to_base64(), "AAAAAAAAAAAAAAAAAAAAAQ");
        let id = TopicId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        assert_eq!(id.to_base64(), "ASNFZ4mrze8BI0VniavN7w");
        assert_eq!(TopicId::from_base64(&id.to_base64()), Some(id));
        assert_eq!(TopicId::from_base64("too short"), None);
        assert_eq!(TopicId::from_base64("ASNFZ4mrze8BI0Vniav*7w"), None);
    }
}
