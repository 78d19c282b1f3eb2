//! The metadata of a consumer: topics, user data, owned partitions.

use bytes::{BufMut, Bytes};
use ottla_group::subscription::{CONSUMER, Subscribed, subscribed_topics};

/// Reads the topics.
pub fn run(data: &[u8]) {
    let topics = subscribed_topics(data);
    let bytes = Bytes::copy_from_slice(data);
    let all = Subscribed::of(Some(CONSUMER), [&bytes].into_iter());
    for topic in topics.iter().flatten() {
        assert!(all.contains(topic), "a topic that is named is subscribed");
    }
}

/// Subscriptions of several versions.
pub fn seeds() -> Vec<Vec<u8>> {
    let subscription = |version: i16, topics: &[&str]| {
        let mut bytes = Vec::new();
        bytes.put_i16(version);
        bytes.put_i32(topics.len() as i32);
        for topic in topics {
            bytes.put_i16(topic.len() as i16);
            bytes.put_slice(topic.as_bytes());
        }
        bytes.put_i32(3);
        bytes.put_slice(b"abc");
        if version >= 1 {
            bytes.put_i32(1);
            bytes.put_i16(6);
            bytes.put_slice(b"orders");
            bytes.put_i32(2);
            bytes.put_i32(0);
            bytes.put_i32(1);
        }
        if version >= 2 {
            bytes.put_i32(5);
        }
        if version >= 3 {
            bytes.put_i16(-1);
        }
        bytes
    };
    let mut seeds = (0..4)
        .map(|version| subscription(version, &["orders", "a.b_c-d"]))
        .collect::<Vec<_>>();
    seeds.push(subscription(0, &[]));
    seeds.push(Vec::new());
    seeds
}
