//! What members of a consumer group tell each other through the coordinator, which does not read it (KIP-429's
//! "embedded protocol"): what each subscribes to, and what the leader gave it.
//!
//! These bytes come from other clients, so reading them is bounded by what is there.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) mod range;

/// What a member subscribes to (version 0 of Kafka's ConsumerProtocolSubscription; later fields are not needed by the
/// range assignor).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) topics: Vec<String>,
}

/// What the leader gave a member (ConsumerProtocolAssignment).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) topics: BTreeMap<String, Vec<i32>>,
}

impl Subscription {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i16(0);
        bytes.put_i32(self.topics.len() as i32);
        self.topics.iter().for_each(|topic| put_text(&mut bytes, topic));
        bytes.put_i32(-1);
        bytes.freeze()
    }

    /// `None` if the bytes are not a subscription. Fields of later versions are skipped.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Subscription> {
        bytes.try_get_i16().ok()?;
        let mut topics = Vec::new();
        for _ in 0..get_count(&mut bytes)? {
            topics.push(get_text(&mut bytes)?);
        }
        Some(Subscription { topics })
    }
}

impl Assignment {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        bytes.put_i16(0);
        bytes.put_i32(self.topics.len() as i32);
        for (topic, partitions) in &self.topics {
            put_text(&mut bytes, topic);
            bytes.put_i32(partitions.len() as i32);
            partitions.iter().for_each(|index| bytes.put_i32(*index));
        }
        bytes.put_i32(-1);
        bytes.freeze()
    }

    /// `None` if the bytes are not an assignment. No bytes at all are an empty one.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Assignment> {
        if bytes.is_empty() {
            return Some(Assignment::default());
        }
        bytes.try_get_i16().ok()?;
        let mut topics = BTreeMap::new();
        for _ in 0..get_count(&mut bytes)? {
            let topic = get_text(&mut bytes)?;
            let mut partitions = Vec::new();
            for _ in 0..get_count(&mut bytes)? {
                partitions.push(bytes.try_get_i32().ok()?);
            }
            topics.insert(topic, partitions);
        }
        Some(Assignment { topics })
    }
}

fn put_text(bytes: &mut BytesMut, text: &str) {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    bytes.put_i16(length);
    bytes.put_slice(&text.as_bytes()[..length as usize]);
}

fn get_text(bytes: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// A count is believed only as far as there are bytes.
fn get_count(bytes: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
    (count <= bytes.len()).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_round_trip_and_no_cut_one_is_read() {
        let subscription = Subscription {
            topics: vec!["a".into(), "orders".into()],
        };
        let bytes = subscription.encode();
        assert_eq!(Subscription::decode(&bytes), Some(subscription));
        let assignment = Assignment {
            topics: BTreeMap::from([("a".to_owned(), vec![0, 1]), ("b".to_owned(), vec![])]),
        };
        let bytes = assignment.encode();
        assert_eq!(Assignment::decode(&bytes), Some(assignment));
        for end in 1..bytes.len() - 4 {
            assert_eq!(Assignment::decode(&bytes[..end]), None);
        }
        assert_eq!(Assignment::decode(&[]), Some(Assignment::default()));
    }

    #[test]
    fn a_count_beyond_the_bytes_is_not_believed() {
        assert_eq!(Subscription::decode(&[0, 0, 0x7f, 0xff, 0xff, 0xff]), None);
    }
}
