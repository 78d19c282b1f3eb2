//! CreateTopics, DeleteTopics and CreatePartitions.

use anyhow::Result;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, TopicName,
};
use uuid::Uuid;

use crate::cases::{Case, in_versions};
use crate::requests::text;
use crate::script::Script;

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("create_topics/shapes", 2..=7, shapes);
    cases.extend(in_versions("create_topics/names", 2..=7, names));
    cases.extend(in_versions("create_topics/configs", 2..=7, configs));
    cases.extend(in_versions("create_topics/assignments", 2..=7, assignments));
    cases.extend(in_versions("create_topics/many", 2..=7, many));
    cases.extend(in_versions("delete_topics/names", 1..=6, delete));
    cases.extend(in_versions("delete_topics/ids", 6..=6, delete_ids));
    cases.extend(in_versions("create_partitions/counts", 0..=3, partitions));
    cases
}

fn creation(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default()
        .with_topics(topics)
        .with_timeout_ms(10_000)
}

fn creatable(name: &TopicName, partitions: i32, replication: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(partitions)
        .with_replication_factor(replication)
}

fn shapes(s: &mut Script<'_>, version: i16) -> Result<()> {
    let all = [
        (1, 1),
        (3, 1),
        (-1, -1),
        (-1, 1),
        (1, -1),
        (0, 1),
        (-2, 1),
        (1, 0),
        (1, 2),
        (1, -2),
        (0, 0),
    ];
    for (index, (partitions, replication)) in all.into_iter().enumerate() {
        let name = TopicName(s.name(&format!("topic-{index}")));
        let label = format!("{partitions} partitions, {replication} replicas");
        let request = creation(vec![creatable(&name, partitions, replication)]);
        s.ask(
            format!("{label}, validate"),
            version,
            &request.clone().with_validate_only(true),
        )?;
        s.ask(label.clone(), version, &request)?;
        s.ask(format!("{label}, again"), version, &request)?;
        s.ask(
            format!("{label}, again, validate"),
            version,
            &request.with_validate_only(true),
        )?;
    }
    let name = TopicName(s.name("no-time"));
    s.ask(
        "no time",
        version,
        &creation(vec![creatable(&name, 1, 1)]).with_timeout_ms(1),
    )?;
    Ok(())
}

fn names(s: &mut Script<'_>, version: i16) -> Result<()> {
    let long = "x".repeat(250);
    for name in [
        "",
        ".",
        "..",
        "a b",
        "a/b",
        "ü",
        "a:b",
        &long,
        "__consumer_offsets",
        "__cluster_metadata",
    ] {
        let label = if name.len() > 30 { "too long" } else { name };
        let request = creation(vec![creatable(&TopicName(text(name)), 1, 1)]);
        s.ask(
            format!("name {label:?}"),
            version,
            &request.with_validate_only(name.starts_with("__cl")),
        )?;
    }
    let dotted = s.topic("a.b", 1)?.name;
    let underscored = TopicName(text(&dotted.replace("a.b", "a_b")));
    s.ask("colliding", version, &creation(vec![creatable(&underscored, 1, 1)]))?;
    let (c, d) = (TopicName(s.name("c.x")), TopicName(s.name("c_x")));
    s.ask(
        "colliding in one request",
        version,
        &creation(vec![creatable(&c, 1, 1), creatable(&d, 1, 1)]),
    )?;
    Ok(())
}

fn configs(s: &mut Script<'_>, version: i16) -> Result<()> {
    let all: [&[(&str, Option<&str>)]; 20] = [
        &[("retention.ms", Some("1000"))],
        &[("retention.ms", Some("-1"))],
        &[("retention.ms", Some("-2"))],
        &[("retention.ms", Some("soon"))],
        &[("retention.ms", Some(""))],
        &[("retention.ms", None)],
        &[("no.such.config", Some("1"))],
        &[("", Some("1"))],
        &[("cleanup.policy", Some("compact"))],
        &[("cleanup.policy", Some("compact,delete"))],
        &[("cleanup.policy", Some("delete, compact"))],
        &[("cleanup.policy", Some(""))],
        &[("cleanup.policy", Some("nonsense"))],
        &[("compression.type", Some("zstd"))],
        &[("compression.type", Some("nonsense"))],
        &[("min.insync.replicas", Some("2"))],
        &[("min.insync.replicas", Some("0"))],
        &[("max.message.bytes", Some("2147483648"))],
        &[("segment.bytes", Some("10"))],
        &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
    ];
    for (index, configs) in all.into_iter().enumerate() {
        let configs_of = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(text(name))
                .with_value(value.map(text))
        });
        let name = TopicName(s.name(&format!("topic-{index:02}")));
        let topic = creatable(&name, 1, 1).with_configs(configs_of.collect());
        s.ask(
            format!("{configs:?}, validate"),
            version,
            &creation(vec![topic.clone()]).with_validate_only(true),
        )?;
        s.ask(format!("{configs:?}"), version, &creation(vec![topic]))?;
    }
    Ok(())
}

/// Brokers by partition.
type Assignments<'a> = &'a [(i32, &'a [i32])];

fn assignments(s: &mut Script<'_>, version: i16) -> Result<()> {
    let node = s.broker.node_id;
    let all: [(&str, i32, i16, Assignments<'_>); 11] = [
        ("one", -1, -1, &[(0, &[node])]),
        ("two", -1, -1, &[(0, &[node]), (1, &[node])]),
        ("not from zero", -1, -1, &[(1, &[node])]),
        ("with a hole", -1, -1, &[(0, &[node]), (2, &[node])]),
        ("negative", -1, -1, &[(-1, &[node])]),
        ("twice", -1, -1, &[(0, &[node]), (0, &[node])]),
        ("unknown broker", -1, -1, &[(0, &[node + 50])]),
        ("a broker twice", -1, -1, &[(0, &[node, node])]),
        ("no broker", -1, -1, &[(0, &[])]),
        ("and partitions", 1, -1, &[(0, &[node])]),
        ("and replicas", -1, 1, &[(0, &[node])]),
    ];
    for (label, partitions, replication, assignments) in all {
        let assignments = assignments.iter().map(|(index, brokers)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(*index)
                .with_broker_ids(brokers.iter().map(|id| BrokerId(*id)).collect())
        });
        let name = TopicName(s.name(&label.replace(' ', "-")));
        let topic = creatable(&name, partitions, replication).with_assignments(assignments.collect());
        s.ask(label, version, &creation(vec![topic]))?;
    }
    Ok(())
}

fn many(s: &mut Script<'_>, version: i16) -> Result<()> {
    s.ask("none", version, &creation(vec![]))?;
    let [a, b] = ["a", "b"].map(|stem| TopicName(s.name(stem)));
    let bad = TopicName(text("a b"));
    s.ask(
        "one twice",
        version,
        &creation(vec![creatable(&a, 1, 1), creatable(&a, 1, 1), creatable(&b, 1, 1)]),
    )?;
    s.ask(
        "good and bad",
        version,
        &creation(vec![creatable(&a, 1, 1), creatable(&bad, 1, 1), creatable(&b, 1, 9)]),
    )?;
    Ok(())
}

fn deletion(version: i16, names: &[&TopicName]) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(10_000);
    if version < 6 {
        return request.with_topic_names(names.iter().map(|name| (*name).clone()).collect());
    }
    request.with_topics(
        names
            .iter()
            .map(|name| DeleteTopicState::default().with_name(Some((*name).clone())))
            .collect(),
    )
}

fn delete(s: &mut Script<'_>, version: i16) -> Result<()> {
    let (a, b, unknown) = (
        s.topic("a", 1)?.name,
        s.topic("b", 1)?.name,
        TopicName(s.name("unknown")),
    );
    let bad = TopicName(text("a b"));
    let empty = TopicName::default();
    s.ask("none", version, &deletion(version, &[]))?;
    s.ask("unknown", version, &deletion(version, &[&unknown]))?;
    s.ask("bad names", version, &deletion(version, &[&bad, &empty]))?;
    s.ask("one twice", version, &deletion(version, &[&a, &a]))?;
    s.ask("one, and an unknown one", version, &deletion(version, &[&a, &unknown]))?;
    s.ask("again", version, &deletion(version, &[&a]))?;
    s.ask("no time", version, &deletion(version, &[&b]).with_timeout_ms(0))?;
    Ok(())
}

fn delete_ids(s: &mut Script<'_>, version: i16) -> Result<()> {
    let (a, b) = (s.topic("a", 1)?, s.topic("b", 1)?);
    let state =
        |name: Option<&TopicName>, id: Uuid| DeleteTopicState::default().with_name(name.cloned()).with_topic_id(id);
    let request = |topics| {
        DeleteTopicsRequest::default()
            .with_timeout_ms(10_000)
            .with_topics(topics)
    };
    let unknown = Uuid::from_u128(0x1234);
    for (label, topics) in [
        ("unknown id", vec![state(None, unknown)]),
        ("neither id nor name", vec![state(None, Uuid::nil())]),
        ("id and name", vec![state(Some(&a.name), a.id)]),
        ("id and name of another", vec![state(Some(&b.name), a.id)]),
        ("id twice", vec![state(None, a.id), state(None, a.id)]),
        (
            "id, then its name",
            vec![state(None, a.id), state(Some(&a.name), Uuid::nil())],
        ),
        ("id, and an unknown one", vec![state(None, b.id), state(None, unknown)]),
        ("again", vec![state(None, b.id)]),
    ] {
        s.ask(label, version, &request(topics))?;
    }
    Ok(())
}

fn partitions(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 2)?.name;
    let (unknown, node) = (TopicName(s.name("unknown")), s.broker.node_id);
    let to = |name: &TopicName, count: i32, assignments: Option<&[&[i32]]>| {
        let assignments = assignments.map(|assignments| {
            let assignment = |brokers: &&[i32]| {
                let brokers = brokers.iter().map(|id| BrokerId(*id)).collect();
                CreatePartitionsAssignment::default().with_broker_ids(brokers)
            };
            assignments.iter().map(assignment).collect()
        });
        CreatePartitionsTopic::default()
            .with_name(name.clone())
            .with_count(count)
            .with_assignments(assignments)
    };
    for (label, topics) in [
        ("none", vec![]),
        ("unknown", vec![to(&unknown, 3, None)]),
        ("fewer", vec![to(&topic, 1, None)]),
        ("as many", vec![to(&topic, 2, None)]),
        ("zero", vec![to(&topic, 0, None)]),
        ("negative", vec![to(&topic, -1, None)]),
        ("a topic twice", vec![to(&topic, 3, None), to(&topic, 4, None)]),
        ("no assignments", vec![to(&topic, 3, Some(&[]))]),
        ("too few assignments", vec![to(&topic, 4, Some(&[&[node]]))]),
        ("unknown broker", vec![to(&topic, 3, Some(&[&[node + 50]]))]),
        ("too many replicas", vec![to(&topic, 3, Some(&[&[node, node]]))]),
        ("no replicas", vec![to(&topic, 3, Some(&[&[]]))]),
        ("more", vec![to(&topic, 3, None), to(&unknown, 5, None)]),
        ("more, assigned", vec![to(&topic, 4, Some(&[&[node]]))]),
    ] {
        let request = CreatePartitionsRequest::default()
            .with_topics(topics)
            .with_timeout_ms(10_000);
        s.ask(
            format!("{label}, validate"),
            version,
            &request.clone().with_validate_only(true),
        )?;
        s.ask(label, version, &request)?;
    }
    Ok(())
}
