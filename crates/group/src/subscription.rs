//! What a consumer says it subscribes to, inside the bytes that are otherwise its own business.
//!
//! Only the topic names are read (they lead every version of `ConsumerProtocolSubscription`), and only to know which
//! committed offsets are still in use. The bytes come from clients: nothing is allocated for a length they claim beyond
//! the bytes they sent.

use std::collections::BTreeSet;

use bytes::Bytes;
use ottla_model::TopicName;

/// What a group is known to subscribe to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Subscribed {
    /// The group is not of type "consumer", so its metadata means nothing here.
    #[default]
    Unknown,
    /// A member's metadata cannot be read. Kafka then takes every topic as subscribed, so no offset is deleted.
    Unreadable,
    /// These topics.
    Topics(BTreeSet<TopicName>),
}

impl Subscribed {
    /// What the members of a group of type `protocol_type` subscribe to, by their metadata.
    pub fn of<'a>(protocol_type: Option<&str>, metadata: impl Iterator<Item = &'a Bytes>) -> Subscribed {
        if protocol_type != Some(CONSUMER) {
            return Subscribed::Unknown;
        }
        let mut topics = BTreeSet::new();
        for bytes in metadata {
            match subscribed_topics(bytes) {
                Some(names) => topics.extend(names),
                None => return Subscribed::Unreadable,
            }
        }
        Subscribed::Topics(topics)
    }

    /// Whether offsets of `topic` are in use.
    pub fn contains(&self, topic: &TopicName) -> bool {
        match self {
            Subscribed::Unknown => false,
            Subscribed::Unreadable => true,
            Subscribed::Topics(topics) => topics.contains(topic),
        }
    }
}

/// The protocol type of consumers; other types (Connect's "connect", for one) put other things into their metadata.
pub const CONSUMER: &str = "consumer";

/// The topics named in one member's metadata; `None` if it cannot be read.
pub fn subscribed_topics(metadata: &[u8]) -> Option<Vec<TopicName>> {
    let (version, rest) = metadata.split_first_chunk::<2>()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    // Each name takes at least its two length bytes, so a larger claim is a lie.
    if count > rest.len() / 2 {
        return None;
    }
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let length = usize::try_from(i16::from_be_bytes(*length)).ok()?;
        let (name, after) = after.split_at_checked(length)?;
        topics.push(TopicName::new(std::str::from_utf8(name).ok()?));
        rest = after;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(metadata: &[u8]) -> Option<Vec<String>> {
        subscribed_topics(metadata).map(|topics| topics.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_version_begins_with_the_topics() {
        let v0 = b"\0\0\0\0\0\x02\0\x01a\0\x02bb\xff\xff\xff\xff";
        assert_eq!(names(v0), Some(vec!["a".into(), "bb".into()]));
        let v3 = b"\0\x03\0\0\0\x01\0\x01a\xff\xff\xff\xff\0\0\0\0\0\0\0\x05\0\x02r1";
        assert_eq!(names(v3), Some(vec!["a".into()]));
        assert_eq!(
            names(b"\0\x63\0\0\0\0"),
            Some(vec![]),
            "a version from the future is read by what is known of it"
        );
    }

    #[test]
    fn absurd_lengths_are_refused_before_memory_is_spent() {
        assert_eq!(names(b"\0\0\x7f\xff\xff\xff\0\x01a"), None);
        assert_eq!(names(b"\0\0\0\0\0\x01\x7f\xffa"), None);
        assert_eq!(names(b"\0\0\xff\xff\xff\xff"), None);
        assert_eq!(names(b"\0\0\0\0\0\x01\xff\xff"), None);
        assert_eq!(names(b"\xff\xff\0\0\0\0"), None);
        assert_eq!(names(b""), None);
    }

    #[test]
    fn unreadable_metadata_counts_as_subscribed_to_everything() {
        let bad = Bytes::from_static(b"?");
        assert!(Subscribed::of(Some(CONSUMER), [&bad].into_iter()).contains(&"t".into()));
        assert!(!Subscribed::of(Some("connect"), [&bad].into_iter()).contains(&"t".into()));
        assert!(!Subscribed::of(Some(CONSUMER), [].into_iter()).contains(&"t".into()));
    }
}
