//! What DescribeConfigs tells.

use super::*;
use crate::config::{BROKER_CONFIGS, ConfigEntry, ConfigSource, ConfigType, TOPIC_CONFIGS, describe};

impl Scene {
    fn describe(&self, resource: Resource, keys: &[&str]) -> Result<Vec<ConfigEntry>, Refusal> {
        let keys: Vec<String> = keys.iter().map(|key| key.to_string()).collect();
        describe(self.state(), &self.settings, &resource, Some(&keys))
    }

    /// One property: its value, its source and its synonyms as `source:name=value`.
    fn describe_one(&self, resource: Resource, key: &str) -> (Option<String>, ConfigSource, Vec<String>) {
        let entry = self.describe(resource, &[key]).unwrap().into_iter().next().unwrap();
        let synonyms = entry.synonyms.iter().map(|synonym| {
            format!(
                "{}:{}={}",
                synonym.source.number(),
                synonym.name,
                synonym.value.clone().unwrap_or_default()
            )
        });
        (entry.value.clone(), entry.source, synonyms.collect())
    }
}

#[test]
fn every_property_of_a_topic_is_described_by_name() {
    let mut scene = Scene::new();
    let created = scene.create("t", 1).unwrap();
    let entries = describe(scene.state(), &scene.settings, &Resource::topic("t"), None).unwrap();
    assert_eq!(entries.len(), TOPIC_CONFIGS.len());
    assert_eq!(
        entries,
        scene.describe(Resource::topic("t"), &[]).unwrap(),
        "no keys are all keys"
    );
    assert_eq!(entries, created.configs);
    assert!(
        entries
            .iter()
            .all(|entry| entry.is_default() && !entry.read_only && !entry.sensitive)
    );
    for (entry, definition) in entries.iter().zip(TOPIC_CONFIGS) {
        assert_eq!(
            (entry.name, entry.value.as_deref()),
            (definition.name, definition.default)
        );
    }
}

#[test]
fn a_topics_value_is_described_with_where_it_comes_from() {
    let mut scene = Scene::with(&["log.segment.bytes=2000000"]);
    scene.create_configured("t", &[("retention.ms", " 5000 ")]).unwrap();
    let t = || Resource::topic("t");
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        scene.describe_one(t(), "retention.ms"),
        (
            text("5000"),
            ConfigSource::DynamicTopic,
            vec!["1:retention.ms=5000".to_owned()]
        )
    );
    assert_eq!(
        scene.describe_one(t(), "segment.ms"),
        (text("604800000"), ConfigSource::Default, vec![])
    );
    assert_eq!(
        scene.describe_one(t(), "max.message.bytes"),
        (
            text("1048588"),
            ConfigSource::Default,
            vec!["5:message.max.bytes=1048588".to_owned()]
        )
    );
    scene.set(Resource::brokers(), "log.segment.bytes", "3000000").unwrap();
    scene.set(Resource::broker(1), "log.segment.bytes", "4000000").unwrap();
    let synonyms = [
        "2:log.segment.bytes=4000000",
        "3:log.segment.bytes=3000000",
        "4:log.segment.bytes=2000000",
        "5:log.segment.bytes=1073741824",
    ];
    assert_eq!(
        scene.describe_one(t(), "segment.bytes"),
        (
            text("4000000"),
            ConfigSource::DynamicBroker,
            synonyms.map(str::to_owned).to_vec()
        )
    );
}

#[test]
fn a_weaker_synonym_that_is_set_is_shown() {
    let mut scene = Scene::with(&["log.retention.hours=1"]);
    scene.create("t", 1).unwrap();
    let (value, source, synonyms) = scene.describe_one(Resource::topic("t"), "retention.ms");
    assert_eq!(
        (value.as_deref(), source),
        (Some("3600000"), ConfigSource::StaticBroker)
    );
    assert_eq!(synonyms, ["4:log.retention.hours=1", "5:log.retention.hours=168"]);
}

#[test]
fn unknown_keys_are_left_out_and_unknown_topics_refused() {
    let mut scene = Scene::new();
    scene.create("t", 1).unwrap();
    assert_eq!(scene.describe(Resource::topic("t"), &["nonsense"]).unwrap(), []);
    let code = |result: Result<Vec<ConfigEntry>, Refusal>| result.unwrap_err().code;
    assert_eq!(
        code(scene.describe(Resource::topic("u"), &[])),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        code(scene.describe(Resource::topic("a b"), &[])),
        ErrorCode::InvalidTopicException
    );
    assert_eq!(
        code(scene.describe(Resource::broker(9), &[])),
        ErrorCode::InvalidRequest
    );
}

#[test]
fn a_broker_is_described() {
    let mut scene = Scene::with(&["num.partitions=4"]);
    let entries = scene.describe(Resource::broker(1), &[]).unwrap();
    assert_eq!(entries.len(), BROKER_CONFIGS.len());
    let of = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
    assert_eq!(of("num.partitions").value.as_deref(), Some("4"));
    assert_eq!(of("num.partitions").source, ConfigSource::StaticBroker);
    assert!(of("num.partitions").read_only);
    assert_eq!(of("num.partitions").kind, ConfigType::Int);
    assert!(!of("message.max.bytes").read_only);
    assert_eq!(of("log.retention.ms").value, None);
    assert_eq!(of("log.retention.hours").value.as_deref(), Some("168"));
    assert_eq!(
        of("log.cleaner.io.max.bytes.per.second").value.as_deref(),
        Some("1.7976931348623157E308")
    );

    assert_eq!(scene.describe(Resource::brokers(), &[]).unwrap(), []);
    scene.set(Resource::brokers(), "message.max.bytes", "9").unwrap();
    let entries = scene.describe(Resource::brokers(), &[]).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].name, entries[0].source),
        ("message.max.bytes", ConfigSource::DynamicDefaultBroker)
    );
}
