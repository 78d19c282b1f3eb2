//! Configs of topics and brokers are changed.

use super::*;
use crate::config::CompressionType;
use ConfigOperation::{Append, Delete, Set, Subtract, Unknown};

fn topic() -> Resource {
    Resource::topic("t")
}

fn with_topic() -> Scene {
    let mut scene = Scene::new();
    scene.create("t", 1).unwrap();
    scene
}

#[test]
fn a_topic_is_created_with_its_configs() {
    let mut scene = Scene::new();
    scene
        .create_configured("t", &[("retention.ms", "5000"), ("compression.type", "zstd")])
        .unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, Some(Millis(5000)));
    assert_eq!(scene.topic_config("t").compression_type, CompressionType::Zstd);
}

#[test]
fn a_wrong_config_is_refused_in_kafkas_words() {
    for (name, value, message) in [
        ("nonsense", "1", "Unknown topic config name: nonsense"),
        (
            "retention.ms",
            "-5",
            "Invalid value -5 for configuration retention.ms: Value must be at least -1",
        ),
        (
            "retention.ms",
            "x",
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        (
            "segment.bytes",
            "9999999999",
            "Invalid value 9999999999 for configuration segment.bytes: Not a number of type INT",
        ),
        (
            "segment.bytes",
            "14",
            "Invalid value 14 for configuration segment.bytes: Value must be at least 1048576",
        ),
        (
            "preallocate",
            "yes",
            "Invalid value yes for configuration preallocate: Expected value to be either true or false",
        ),
        (
            "cleanup.policy",
            "compact,drop",
            "Invalid value drop for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            "compression.type",
            "brotli",
            "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "compression.gzip.level",
            "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
        ),
        (
            "min.cleanable.dirty.ratio",
            "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
        ),
        (
            "remote.storage.enable",
            "true",
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
        ),
    ] {
        let mut scene = with_topic();
        refused(
            scene.create_configured("u", &[(name, value)]),
            ErrorCode::InvalidConfig,
            message,
        );
        refused(scene.set(topic(), name, value), ErrorCode::InvalidConfig, message);
        assert!(scene.state().topic_configs("t").is_empty());
    }
}

#[test]
fn configs_are_judged_together() {
    let mut scene = Scene::new();
    let configs = [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")];
    refused(
        scene.create_configured("t", &configs),
        ErrorCode::InvalidConfig,
        "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
    );
}

#[test]
fn a_null_config_is_refused() {
    let mut scene = with_topic();
    let new = scene.new_topic("u");
    let configs = vec![("retention.ms".to_owned(), None)];
    refused(
        scene.create_one(NewTopic { configs, ..new }),
        ErrorCode::InvalidConfig,
        "Null value not supported for topic configs: retention.ms",
    );
    refused(
        scene.alter(topic(), Set, "retention.ms", None),
        ErrorCode::InvalidRequest,
        "Null value not supported for : retention.ms",
    );
}

#[test]
fn an_empty_cleanup_policy_keeps_everything() {
    let mut scene = with_topic();
    scene.set(topic(), "cleanup.policy", "").unwrap();
    let policy = scene.topic_config("t").cleanup_policy;
    assert!(!policy.delete && !policy.compact);
}

#[test]
fn lists_grow_and_shrink() {
    let mut scene = with_topic();
    scene.alter(topic(), Append, "cleanup.policy", Some("compact")).unwrap();
    assert_eq!(
        scene.state().topic_configs("t")["cleanup.policy"],
        "delete,compact",
        "the default comes first"
    );
    scene
        .alter(topic(), Append, "cleanup.policy", Some("compact,delete"))
        .unwrap();
    assert_eq!(scene.state().topic_configs("t")["cleanup.policy"], "delete,compact");
    scene
        .alter(topic(), Subtract, "cleanup.policy", Some("delete"))
        .unwrap();
    assert_eq!(scene.state().topic_configs("t")["cleanup.policy"], "compact");
    refused(
        scene.alter(topic(), Append, "retention.ms", Some("1")),
        ErrorCode::InvalidConfig,
        "Can't APPEND to key retention.ms because its type is not LIST.",
    );
}

#[test]
fn a_config_is_removed_and_the_default_holds_again() {
    let mut scene = with_topic();
    scene.set(topic(), "retention.ms", "1").unwrap();
    scene.alter(topic(), Delete, "retention.ms", None).unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, Some(Millis(604_800_000)));
    let written = scene.log.len();
    scene.alter(topic(), Delete, "never.heard.of", None).unwrap();
    assert_eq!(scene.log.len(), written);
}

#[test]
fn what_is_already_so_is_not_written_again() {
    let mut scene = with_topic();
    scene.set(topic(), "retention.ms", "1").unwrap();
    let written = scene.log.len();
    scene.set(topic(), "retention.ms", "1").unwrap();
    assert_eq!(scene.log.len(), written);
}

#[test]
fn all_changes_to_a_resource_are_made_or_none() {
    let mut scene = with_topic();
    let change = |name: &str, value: &str| ConfigChange {
        name: name.to_owned(),
        operation: Set,
        value: Some(value.to_owned()),
    };
    let changes = vec![change("retention.ms", "1"), change("segment.ms", "0")];
    let results = scene.alter_all(vec![ResourceChange {
        resource: topic(),
        changes,
    }]);
    assert_eq!(results[0].as_ref().unwrap_err().code, ErrorCode::InvalidConfig);
    assert!(scene.state().topic_configs("t").is_empty());
    let changes = vec![change("retention.ms", "1"), change("retention.ms", "2")];
    let results = scene.alter_all(vec![ResourceChange {
        resource: topic(),
        changes,
    }]);
    refused(
        results[0].clone(),
        ErrorCode::InvalidRequest,
        "Error due to duplicate config keys",
    );
}

#[test]
fn a_resource_twice_is_refused_twice() {
    let mut scene = with_topic();
    let change = || ResourceChange {
        resource: topic(),
        changes: Vec::new(),
    };
    for result in scene.alter_all(vec![change(), change()]) {
        refused(
            result,
            ErrorCode::InvalidRequest,
            "Each resource must appear at most once.",
        );
    }
}

#[test]
fn an_unknown_topic_or_operation_is_refused() {
    let mut scene = with_topic();
    refused(
        scene.set(Resource::topic("none"), "retention.ms", "1"),
        ErrorCode::UnknownTopicOrPartition,
        "The topic 'none' does not exist.",
    );
    let result = scene.set(Resource::topic(""), "retention.ms", "1");
    refused(
        result,
        ErrorCode::InvalidRequest,
        "Default topic resources are not allowed.",
    );
    let result = scene.alter(topic(), Unknown(9), "retention.ms", Some("1"));
    assert_eq!(result.unwrap_err().code, ErrorCode::UnknownServerError);
    let group = Resource::new(ResourceKind::Group, "g");
    assert_eq!(
        scene.set(group, "consumer.session.timeout.ms", "1").unwrap_err().code,
        ErrorCode::InvalidRequest
    );
}

#[test]
fn the_older_request_removes_what_it_does_not_name() {
    let mut scene = with_topic();
    scene.set(topic(), "retention.ms", "1").unwrap();
    scene.set(topic(), "segment.ms", "1").unwrap();
    let configs = vec![("segment.ms".to_owned(), Some("2".to_owned()))];
    let replacements = vec![ConfigReplacement {
        resource: topic(),
        configs,
    }];
    scene.ask(Request::ReplaceConfigs {
        replacements,
        validate_only: false,
    });
    let left: Vec<_> = scene.state().topic_configs("t").iter().collect();
    assert_eq!(left, [(&"segment.ms".to_owned(), &"2".to_owned())]);
    assert_eq!(scene.replayed(), *scene.state());
}

#[test]
fn a_topic_inherits_from_the_broker_and_the_stronger_synonym_wins() {
    let mut scene = Scene::with(&["log.retention.hours=1"]);
    scene.create("t", 1).unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, Some(Millis(3_600_000)));
    let mut scene = Scene::with(&[
        "log.retention.hours=1",
        "log.retention.minutes=2",
        "message.max.bytes=77",
    ]);
    scene.create("t", 1).unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, Some(Millis(120_000)));
    assert_eq!(scene.topic_config("t").max_message_bytes, 77);
    scene.set(Resource::brokers(), "log.retention.ms", "9").unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, Some(Millis(9)));
    scene.set(Resource::broker(1), "log.retention.ms", "8").unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, Some(Millis(8)));
    scene.set(topic(), "retention.ms", "-1").unwrap();
    assert_eq!(scene.topic_config("t").retention_ms, None);
    assert_eq!(
        Scene::with(&["log.retention.hours=-1"]).topic_config("t").retention_ms,
        None
    );
}

#[test]
fn only_some_broker_configs_change_while_it_runs() {
    let mut scene = Scene::new();
    let code = ErrorCode::InvalidRequest;
    refused(
        scene.set(Resource::broker(1), "node.id", "2"),
        code,
        "Cannot update these configs dynamically: Set(node.id)",
    );
    refused(
        scene.set(Resource::broker(2), "message.max.bytes", "2"),
        code,
        "Unexpected broker id, expected 1, but received 2",
    );
    refused(
        scene.set(Resource::new(ResourceKind::Broker, "x"), "message.max.bytes", "2"),
        code,
        "Node id must be an integer, but it is: x",
    );
    refused(
        scene.set(Resource::brokers(), "message.max.bytes", "-2"),
        code,
        "Invalid value -2 for configuration message.max.bytes: Value must be at least 0",
    );
    scene.set(Resource::brokers(), "max.connections", "9").unwrap();
    assert_eq!(scene.state().broker_config(&scene.settings).network.max_connections, 9);
}
