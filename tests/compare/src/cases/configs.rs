//! DescribeConfigs, IncrementalAlterConfigs and AlterConfigs.

use anyhow::Result;
use kafka_protocol::messages::alter_configs_request as legacy;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request as incremental;
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use crate::cases::{Case, in_versions};
use crate::requests::text;
use crate::script::Script;

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("describe_configs/topic", 1..=4, topic);
    cases.extend(in_versions("describe_configs/unknown", 1..=4, unknown));
    cases.extend(in_versions("describe_configs/broker", 1..=4, broker));
    cases.extend(in_versions("incremental_alter_configs/topic", 0..=1, incremental));
    cases.extend(in_versions("incremental_alter_configs/bad", 0..=1, incremental_bad));
    cases.extend(in_versions("alter_configs/topic", 0..=2, alter));
    cases
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn resource(kind: i8, name: &StrBytes, keys: Option<&[&str]>) -> DescribeConfigsRequest {
    let keys = keys.map(|keys| keys.iter().map(|key| text(key)).collect());
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.clone())
        .with_configuration_keys(keys);
    DescribeConfigsRequest::default().with_resources(vec![resource])
}

fn topic(s: &mut Script<'_>, version: i16) -> Result<()> {
    let name = s
        .topic_with("topic", 1, &[("retention.ms", "1000"), ("cleanup.policy", "compact")])?
        .name
        .0;
    s.ask("all", version, &resource(TOPIC, &name, None))?;
    s.ask(
        "all, with synonyms",
        version,
        &resource(TOPIC, &name, None).with_include_synonyms(true),
    )?;
    if version >= 3 {
        let documented = resource(TOPIC, &name, Some(&["retention.ms"])).with_include_documentation(true);
        s.ask("with documentation", version, &documented)?;
    }
    let lists: [&[&str]; 4] = [
        &[],
        &["retention.ms"],
        &["no.such.config"],
        &["retention.ms", "retention.ms", ""],
    ];
    for keys in lists {
        s.ask(format!("keys {keys:?}"), version, &resource(TOPIC, &name, Some(keys)))?;
    }
    let twice = resource(TOPIC, &name, Some(&["retention.ms"])).resources;
    let twice = DescribeConfigsRequest::default().with_resources([twice.clone(), twice].concat());
    s.ask("twice", version, &twice)?;
    Ok(())
}

fn unknown(s: &mut Script<'_>, version: i16) -> Result<()> {
    let unknown = s.name("unknown");
    for (label, kind, name) in [
        ("topic", TOPIC, unknown.clone()),
        ("bad topic name", TOPIC, text("a b")),
        ("empty topic name", TOPIC, text("")),
        ("type 0", 0, unknown.clone()),
        ("type 3", 3, unknown.clone()),
        ("type 100", 100, unknown.clone()),
        ("type -1", -1, unknown.clone()),
        ("broker", BROKER, text("77")),
        ("broker by a word", BROKER, text("first")),
    ] {
        s.ask(label, version, &resource(kind, &name, Some(&["retention.ms"])))?;
    }
    s.ask("nothing", version, &DescribeConfigsRequest::default())?;
    Ok(())
}

/// The keys that clients and tools are known to ask for.
fn broker(s: &mut Script<'_>, version: i16) -> Result<()> {
    let node = text(&s.broker.node_id.to_string());
    let keys = [
        "auto.create.topics.enable",
        "default.replication.factor",
        "num.partitions",
        "log.retention.ms",
        "log.retention.hours",
        "log.cleanup.policy",
        "log.segment.bytes",
        "message.max.bytes",
        "min.insync.replicas",
        "offsets.retention.minutes",
        "no.such.config",
    ];
    for key in keys {
        s.ask(
            format!("key {key}"),
            version,
            &resource(BROKER, &node, Some(&[key])).with_include_synonyms(true),
        )?;
    }
    s.ask("cluster default", version, &resource(BROKER, &text(""), None))?;
    Ok(())
}

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn change(kind: i8, name: &StrBytes, changes: &[Change<'_>]) -> incremental::AlterConfigsResource {
    let configs = changes.iter().map(|(key, operation, value)| {
        incremental::AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    incremental::AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(name.clone())
        .with_configs(configs.collect())
}

const SHOWN: [&str; 4] = [
    "retention.ms",
    "cleanup.policy",
    "max.message.bytes",
    "compression.type",
];

/// After a change that was taken, what the topic says: the change may take a moment to be seen.
fn show(s: &mut Script<'_>, label: &str, topic: &TopicName) -> Result<()> {
    s.sleep(100);
    s.ask(format!("{label}, after"), 4, &resource(TOPIC, &topic.0, Some(&SHOWN)))?;
    Ok(())
}

fn incremental(s: &mut Script<'_>, version: i16) -> Result<()> {
    const SET: i8 = 0;
    const DELETE: i8 = 1;
    const APPEND: i8 = 2;
    const SUBTRACT: i8 = 3;
    let topic = s.topic("topic", 1)?.name;
    let all: [&[Change<'_>]; 18] = [
        &[],
        &[("retention.ms", SET, Some("1000"))],
        &[("retention.ms", SET, Some("soon"))],
        &[("retention.ms", SET, None)],
        &[("retention.ms", APPEND, Some("5"))],
        &[("retention.ms", DELETE, None)],
        &[("retention.ms", DELETE, Some("5"))],
        &[("no.such.config", SET, Some("1"))],
        &[("no.such.config", DELETE, None)],
        &[("cleanup.policy", APPEND, Some("compact"))],
        &[("cleanup.policy", APPEND, Some("compact"))],
        &[("cleanup.policy", SUBTRACT, Some("delete"))],
        &[("cleanup.policy", SUBTRACT, Some("nonsense"))],
        &[("cleanup.policy", SUBTRACT, Some("compact"))],
        &[("cleanup.policy", SET, Some("nonsense"))],
        &[("retention.ms", SET, Some("1")), ("retention.ms", SET, Some("2"))],
        &[
            ("max.message.bytes", SET, Some("5000")),
            ("compression.type", SET, Some("nonsense")),
        ],
        &[("retention.ms", 9, Some("1"))],
    ];
    for (index, changes) in all.into_iter().enumerate() {
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![change(TOPIC, &topic.0, changes)]);
        let label = format!("{index:02} {changes:?}");
        s.ask(
            format!("{label}, validate"),
            version,
            &request.clone().with_validate_only(true),
        )?;
        s.ask(label.clone(), version, &request)?;
        show(s, &label, &topic)?;
    }
    Ok(())
}

fn incremental_bad(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic("topic", 1)?.name;
    let unknown = s.name("unknown");
    let one: &[Change<'_>] = &[("retention.ms", 0, Some("1000"))];
    for (label, resources) in [
        ("nothing", vec![]),
        ("unknown topic", vec![change(TOPIC, &unknown, one)]),
        ("bad topic name", vec![change(TOPIC, &text("a b"), one)]),
        ("empty topic name", vec![change(TOPIC, &text(""), one)]),
        ("type 0", vec![change(0, &topic.0, one)]),
        ("type 100", vec![change(100, &topic.0, one)]),
        ("broker by a word", vec![change(BROKER, &text("first"), one)]),
        (
            "a topic twice",
            vec![change(TOPIC, &topic.0, one), change(TOPIC, &topic.0, one)],
        ),
        (
            "good and bad",
            vec![change(TOPIC, &topic.0, one), change(TOPIC, &unknown, one)],
        ),
    ] {
        s.ask(
            label,
            version,
            &IncrementalAlterConfigsRequest::default().with_resources(resources),
        )?;
    }
    show(s, "all", &topic)
}

fn alter(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.topic_with("topic", 1, &[("max.message.bytes", "5000")])?.name;
    let unknown = s.name("unknown");
    let set = |name: &StrBytes, configs: &[(&str, Option<&str>)]| {
        let configs = configs.iter().map(|(key, value)| {
            legacy::AlterableConfig::default()
                .with_name(text(key))
                .with_value(value.map(text))
        });
        legacy::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(name.clone())
            .with_configs(configs.collect())
    };
    for (label, resources) in [
        ("nothing", vec![]),
        ("one", vec![set(&topic.0, &[("retention.ms", Some("1000"))])]),
        ("bad value", vec![set(&topic.0, &[("retention.ms", Some("soon"))])]),
        ("no value", vec![set(&topic.0, &[("retention.ms", None)])]),
        ("unknown key", vec![set(&topic.0, &[("no.such.config", Some("1"))])]),
        (
            "a key twice",
            vec![set(
                &topic.0,
                &[("retention.ms", Some("1")), ("retention.ms", Some("2"))],
            )],
        ),
        ("unknown topic", vec![set(&unknown, &[("retention.ms", Some("1000"))])]),
        (
            "bad topic name",
            vec![set(&text("a b"), &[("retention.ms", Some("1000"))])],
        ),
        ("none of a topic", vec![set(&topic.0, &[])]),
        ("a topic twice", vec![set(&topic.0, &[]), set(&topic.0, &[])]),
    ] {
        let request = AlterConfigsRequest::default().with_resources(resources);
        let validation = request.clone().with_validate_only(true);
        if label == "a topic twice" {
            // Kafka never answers.
            s.ask_briefly(format!("{label}, validate"), version, &validation)?;
            s.ask_briefly(label, version, &request)?;
        } else {
            s.ask(format!("{label}, validate"), version, &validation)?;
            s.ask(label, version, &request)?;
        }
        show(s, label, &topic)?;
    }
    Ok(())
}
