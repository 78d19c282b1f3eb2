//! Metadata, DescribeTopicPartitions, DescribeCluster and DescribeLogDirs: what there is.

use anyhow::Result;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    DescribeClusterRequest, DescribeLogDirsRequest, DescribeTopicPartitionsRequest, MetadataRequest, TopicName,
};
use uuid::Uuid;

use crate::cases::{Case, in_versions};
use crate::requests::text;
use crate::script::Script;

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("metadata/topics", 0..=13, topics);
    cases.extend(in_versions("metadata/all", 0..=13, all));
    cases.extend(in_versions("metadata/bad_names", 0..=13, bad_names));
    cases.extend(in_versions("metadata/ids", 10..=13, ids));
    cases.extend(in_versions("metadata/operations", 8..=13, operations));
    cases.extend(in_versions("describe_topic_partitions/topics", 0..=0, topic_partitions));
    cases.extend(in_versions("describe_cluster/all", 0..=2, cluster));
    cases.extend(in_versions("describe_log_dirs/topics", 1..=4, log_dirs));
    cases
}

fn named(names: &[&TopicName]) -> MetadataRequest {
    let topics = names
        .iter()
        .map(|name| MetadataRequestTopic::default().with_name(Some((*name).clone())));
    MetadataRequest::default().with_topics(Some(topics.collect()))
}

/// A version that cannot refuse auto-creation always asks for it.
fn without_creation(version: i16, request: MetadataRequest) -> MetadataRequest {
    request.with_allow_auto_topic_creation(version < 4)
}

fn topics(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 2)?.name;
    let shared = s.broker.shared.name.clone();
    s.ask("one", version, &without_creation(version, named(&[&topic])))?;
    s.ask("two", version, &without_creation(version, named(&[&topic, &shared])))?;
    s.ask("twice", version, &without_creation(version, named(&[&topic, &topic])))?;
    let unknown = TopicName(s.name("unknown"));
    if version >= 4 {
        s.ask(
            "unknown",
            version,
            &without_creation(version, named(&[&unknown, &topic])),
        )?;
    }
    s.ask(
        "made when asked for",
        version,
        &named(&[&unknown]).with_allow_auto_topic_creation(true),
    )?;
    let has_leaders = |answer: &kafka_protocol::messages::MetadataResponse| {
        answer
            .topics
            .iter()
            .all(|topic| topic.error_code == 0 && topic.partitions.iter().all(|p| p.error_code == 0))
    };
    s.ask_until(
        "made",
        version,
        &without_creation(version, named(&[&unknown])),
        has_leaders,
    )?;
    s.ask(
        "internal",
        version,
        &without_creation(version, named(&[&TopicName(text("__consumer_offsets"))])),
    )?;
    Ok(())
}

fn all(s: &mut Script<'_>, version: i16) -> Result<()> {
    s.own_only();
    s.topic("topic", 1)?;
    s.ask(
        "an empty list",
        version,
        &MetadataRequest::default()
            .with_topics(Some(vec![]))
            .with_allow_auto_topic_creation(true),
    )?;
    if version >= 1 {
        s.ask(
            "null",
            version,
            &MetadataRequest::default()
                .with_topics(None)
                .with_allow_auto_topic_creation(true),
        )?;
    }
    Ok(())
}

fn bad_names(s: &mut Script<'_>, version: i16) -> Result<()> {
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "ü", &long] {
        let label = if name.len() > 9 { "too long" } else { name };
        let request = named(&[&TopicName(text(name))]).with_allow_auto_topic_creation(true);
        s.ask(format!("name {label:?}"), version, &request)?;
    }
    let colliding = s.topic("a.b", 1)?;
    let underscored = TopicName(text(&colliding.name.replace("a.b", "a_b")));
    s.ask(
        "colliding",
        version,
        &named(&[&underscored]).with_allow_auto_topic_creation(true),
    )?;
    Ok(())
}

fn ids(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?;
    let by_id = |ids: &[Uuid], name: Option<TopicName>| {
        let topics = ids.iter().map(|id| {
            MetadataRequestTopic::default()
                .with_topic_id(*id)
                .with_name(name.clone())
        });
        MetadataRequest::default()
            .with_topics(Some(topics.collect()))
            .with_allow_auto_topic_creation(false)
    };
    let unknown = Uuid::from_u128(0x1234);
    s.ask("id", version, &by_id(&[topic.id], None))?;
    s.ask("unknown id", version, &by_id(&[unknown], None))?;
    s.ask("both", version, &by_id(&[topic.id, unknown], None))?;
    s.ask("id twice", version, &by_id(&[topic.id, topic.id], None))?;
    s.ask("id and name", version, &by_id(&[topic.id], Some(topic.name.clone())))?;
    s.ask("no id and no name", version, &by_id(&[Uuid::nil()], None))?;
    s.ask(
        "id and creation",
        version,
        &by_id(&[topic.id], None).with_allow_auto_topic_creation(true),
    )?;
    Ok(())
}

fn operations(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.name.clone();
    let request = without_creation(version, named(&[&topic])).with_include_topic_authorized_operations(true);
    s.ask("of topics", version, &request)?;
    if version <= 10 {
        s.ask(
            "of the cluster",
            version,
            &request.with_include_cluster_authorized_operations(true),
        )?;
    }
    Ok(())
}

fn topic_partitions(s: &mut Script<'_>, version: i16) -> Result<()> {
    let (a, b) = (s.topic("a", 3)?.name, s.topic("b", 2)?.name);
    let unknown = TopicName(s.name("unknown"));
    let bad = TopicName(text("a b"));
    let request = |names: &[&TopicName], limit: i32, cursor: Option<(&TopicName, i32)>| {
        let topics = names
            .iter()
            .map(|name| TopicRequest::default().with_name((*name).clone()));
        let cursor = cursor.map(|(name, index)| {
            Cursor::default()
                .with_topic_name(name.clone())
                .with_partition_index(index)
        });
        DescribeTopicPartitionsRequest::default()
            .with_topics(topics.collect())
            .with_response_partition_limit(limit)
            .with_cursor(cursor)
    };
    for (label, request) in [
        ("both", request(&[&a, &b], 2000, None)),
        ("in the other order", request(&[&b, &a], 2000, None)),
        ("twice", request(&[&a, &a], 2000, None)),
        ("unknown", request(&[&unknown, &a], 2000, None)),
        ("bad name", request(&[&bad], 2000, None)),
        ("room for four", request(&[&a, &b], 4, None)),
        ("room for three", request(&[&a, &b], 3, None)),
        ("room for one", request(&[&a, &b], 1, None)),
        ("room for none", request(&[&a, &b], 0, None)),
        ("less than no room", request(&[&a, &b], -1, None)),
        ("from the second of a", request(&[&a, &b], 2000, Some((&a, 1)))),
        ("from b", request(&[&a, &b], 2000, Some((&b, 0)))),
        ("from an unknown topic", request(&[&a, &b], 2000, Some((&unknown, 0)))),
        ("from behind the end", request(&[&a, &b], 2000, Some((&b, 9)))),
        ("from before the start", request(&[&a, &b], 2000, Some((&a, -1)))),
    ] {
        s.ask(label, version, &request)?;
    }
    Ok(())
}

fn cluster(s: &mut Script<'_>, version: i16) -> Result<()> {
    s.ask("plain", version, &DescribeClusterRequest::default())?;
    s.ask(
        "operations",
        version,
        &DescribeClusterRequest::default().with_include_cluster_authorized_operations(true),
    )?;
    for endpoint in [0, 1, 2, 3].into_iter().filter(|_| version >= 1) {
        s.ask(
            format!("endpoint type {endpoint}"),
            version,
            &DescribeClusterRequest::default().with_endpoint_type(endpoint),
        )?;
    }
    if version >= 2 {
        s.ask(
            "fenced ones too",
            version,
            &DescribeClusterRequest::default().with_include_fenced_brokers(true),
        )?;
    }
    Ok(())
}

fn log_dirs(s: &mut Script<'_>, version: i16) -> Result<()> {
    s.own_only();
    let (topic, shared) = (s.topic("topic", 2)?.name, s.broker.shared.name.clone());
    let unknown = TopicName(s.name("unknown"));
    let request = |topics: Vec<(&TopicName, Vec<i32>)>| {
        let topics = topics.into_iter().map(|(name, partitions)| {
            DescribableLogDirTopic::default()
                .with_topic(name.clone())
                .with_partitions(partitions)
        });
        DescribeLogDirsRequest::default().with_topics(Some(topics.collect()))
    };
    s.ask("nothing", version, &request(vec![]))?;
    s.ask(
        "some",
        version,
        &request(vec![(&topic, vec![0, 1]), (&shared, vec![0])]),
    )?;
    s.ask(
        "unknown",
        version,
        &request(vec![(&topic, vec![0, 7]), (&unknown, vec![0])]),
    )?;
    s.ask("no partitions", version, &request(vec![(&topic, vec![])]))?;
    s.ask(
        "twice",
        version,
        &request(vec![(&topic, vec![0, 0]), (&topic, vec![0])]),
    )?;
    Ok(())
}
