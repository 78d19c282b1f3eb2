//! The broker's configuration, from its layers.

use ottla_model::Millis;

use crate::config::{
    Allowed, BROKER_CONFIGS, BrokerConfig, BrokerConfigLoader, ConfigSource, Endpoint, Loaded, Profile, TOPIC_CONFIGS,
    TopicConfig, broker_definition,
};

fn load(text: &str, sets: &[&str]) -> Result<Loaded, Vec<String>> {
    let loader = BrokerConfigLoader::new(Profile::Production).properties("server.properties", text);
    let loader = sets.iter().fold(loader, |loader, set| loader.set(set));
    loader
        .load()
        .map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

fn warnings(text: &str) -> Vec<String> {
    load(text, &[])
        .unwrap()
        .warnings
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_tables_are_sorted_and_their_defaults_keep_to_them() {
    assert!(BROKER_CONFIGS.is_sorted_by_key(|definition| definition.name));
    assert!(TOPIC_CONFIGS.is_sorted_by_key(|definition| definition.name));
    for definition in BROKER_CONFIGS.iter().chain(TOPIC_CONFIGS) {
        assert!(!definition.documentation.is_empty(), "{}", definition.name);
        if let Some(default) = definition.default {
            let value = definition.parse(default).unwrap();
            assert_eq!(value.to_string(), default, "{}", definition.name);
        }
    }
}

#[test]
fn a_topics_default_is_that_of_the_broker() {
    let broker = BrokerConfig::defaults(Profile::Production);
    let config = TopicConfig::resolve(&Default::default(), &broker);
    assert_eq!(config.retention_ms, Some(Millis(604_800_000)));
    assert_eq!(config.segment_ms, Millis(604_800_000));
    assert_eq!(config.retention_bytes, None);
    for topic in TOPIC_CONFIGS {
        for synonym in topic.synonyms {
            let broker = broker_definition(synonym.name).unwrap_or_else(|| panic!("{}", synonym.name));
            if synonym.scale == 1 && topic.synonyms.len() == 1 {
                assert_eq!(broker.default, topic.default, "{}", topic.name);
                assert_eq!(broker.kind, topic.kind, "{}", topic.name);
            }
        }
        assert!(
            topic
                .synonyms
                .first()
                .is_none_or(|first| broker_definition(first.name).unwrap().dynamic)
        );
    }
}

#[test]
fn the_profiles_differ_in_what_a_laptop_needs() {
    let dev = BrokerConfig::defaults(Profile::Dev);
    let production = BrokerConfig::defaults(Profile::Production);
    assert_eq!(dev.groups.initial_rebalance_delay_ms, Millis(0));
    assert_eq!(production.groups.initial_rebalance_delay_ms, Millis(3000));
    assert_eq!(
        dev.get("offsets.topic.replication.factor"),
        Some(("1".to_owned(), ConfigSource::Default))
    );
    assert_eq!(
        production.get("offsets.topic.replication.factor"),
        Some(("3".to_owned(), ConfigSource::Default))
    );
    assert_eq!(production.log.dirs, ["/tmp/kafka-logs"]);
    let host = |config: &BrokerConfig| config.network.listeners[0].host.clone();
    assert_eq!(
        host(&dev).as_deref(),
        Some("127.0.0.1"),
        "nobody else reaches a laptop's broker"
    );
    assert_eq!(host(&production), None, "all addresses, as on Kafka");
}

#[test]
fn later_sources_go_before_earlier_ones() {
    let loaded = load("num.partitions=2\nnum.partitions=3\nlog.dirs = /a, /b\n", &[]).unwrap();
    assert_eq!(loaded.config.topics.num_partitions, 3);
    assert_eq!(loaded.config.log.dirs, ["/a", "/b"]);
    let loaded = load("num.partitions=2", &["num.partitions=4"]).unwrap();
    assert_eq!(
        loaded.config.get("num.partitions"),
        Some(("4".to_owned(), ConfigSource::StaticBroker))
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_wrong_value_is_told_with_its_place_and_every_one_of_them() {
    assert_eq!(
        load(
            "# comment\nnum.partitions=0\n\nlog.cleanup.policy=drop",
            &["fetch.max.bytes=many", "x"]
        )
        .unwrap_err(),
        [
            "--set: 'x' is not of the form name=value",
            "server.properties:2: Invalid value 0 for configuration num.partitions: Value must be at least 1",
            "server.properties:4: Invalid value drop for configuration log.cleanup.policy: \
             String must be one of: compact, delete",
            "--set: Invalid value many for configuration fetch.max.bytes: Not a number of type INT",
        ]
    );
}

#[test]
fn values_that_contradict_each_other_are_told() {
    assert_eq!(
        load("group.min.session.timeout.ms=2000000", &[]).unwrap_err(),
        [
            "server.properties:1: group.min.session.timeout.ms (2000000) must not be greater than \
          group.max.session.timeout.ms (1800000)"
        ]
    );
    assert_eq!(
        load("node.id=1\nbroker.id=2", &[]).unwrap_err(),
        ["server.properties:2: broker.id (2) must be the same as node.id (1)"]
    );
}

#[test]
fn a_property_without_effect_is_told() {
    assert_eq!(
        warnings("zookeeper.connect=x\nnum.network.threads=3\nnum.partition=1\nfoo.bar.baz.qux=1\n"),
        [
            "server.properties:1: zookeeper.connect is a property of Kafka that Ottla does not use; it has no effect",
            "server.properties:2: num.network.threads is a property of Kafka that Ottla does not use; it has no effect",
            "server.properties:3: unknown property num.partition; it has no effect. Did you mean num.partitions?",
            "server.properties:4: unknown property foo.bar.baz.qux; it has no effect",
        ]
    );
}

#[test]
fn kafkas_own_example_file_is_taken() {
    let loaded = load(
        "process.roles=broker,controller\nnode.id=5\ncontroller.quorum.bootstrap.servers=localhost:9093\n\
         listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n\
         advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093\n\
         controller.listener.names=CONTROLLER\nnum.io.threads=8\nlog.dirs=/tmp/kraft-combined-logs\n\
         offsets.topic.replication.factor=1\nlog.retention.hours=168\nlog.segment.bytes=1073741824\n",
        &[],
    )
    .unwrap();
    assert_eq!(loaded.config.node_id, 5);
    let plaintext = |host: Option<&str>| Endpoint {
        listener: "PLAINTEXT".to_owned(),
        host: host.map(str::to_owned),
        port: 9092,
    };
    assert_eq!(loaded.config.network.listeners, [plaintext(None)]);
    assert_eq!(
        loaded.config.network.advertised_listeners,
        [plaintext(Some("localhost"))]
    );
    assert!(
        loaded
            .warnings
            .iter()
            .all(|warning| warning.to_string().contains("is a property of Kafka"))
    );
}

#[test]
fn the_node_id_may_have_its_older_name() {
    assert_eq!(load("broker.id=7", &[]).unwrap().config.node_id, 7);
    assert_eq!(load("", &[]).unwrap().config.node_id, 1);
}

#[test]
fn addresses_are_kafkas() {
    let parsed = Endpoint::parse_list("PLAINTEXT://[::1]:9092, ssl://host:0").unwrap();
    assert_eq!(parsed[0].host.as_deref(), Some("::1"));
    assert_eq!(parsed[1].to_string(), "SSL://host:0");
    assert_eq!(parsed[0].to_string(), "PLAINTEXT://[::1]:9092");
    for wrong in [
        "",
        "host:9092",
        "A://host",
        "A://host:70000",
        "A://h:1,A://h:2",
        "://h:1",
        "A://a:b:1",
    ] {
        assert!(Endpoint::parse_list(wrong).is_err(), "{wrong}");
        assert!(load("", &[&format!("listeners={wrong}")]).is_err(), "{wrong}");
    }
}

#[test]
fn every_listed_value_is_allowed() {
    for definition in BROKER_CONFIGS.iter().chain(TOPIC_CONFIGS) {
        if let Allowed::OneOf(texts) | Allowed::ListOf(texts) = definition.allowed {
            assert!(texts.iter().all(|text| definition.parse(text).is_ok()));
        }
    }
}

#[test]
fn the_migration_policy_is_read_in_any_letters() {
    let loaded = load("group.consumer.migration.policy=Upgrade", &[]).unwrap();
    assert_eq!(loaded.config.groups.consumer_migration_policy, "upgrade");
    assert_eq!(
        load("group.consumer.migration.policy=never", &[]).unwrap_err(),
        [
            "server.properties:1: Invalid value never for configuration group.consumer.migration.policy: \
          String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL"
        ]
    );
}

#[test]
fn a_broker_has_a_directory_and_a_listener() {
    assert_eq!(load("log.dirs=", &[]).unwrap().config.log.dirs, ["/tmp/kafka-logs"]);
    assert_eq!(
        load("log.dirs=,", &[]).unwrap_err(),
        ["server.properties:1: log.dirs leaves nothing to use"]
    );
    assert_eq!(
        load("listeners=CONTROLLER://:9093", &[]).unwrap_err(),
        ["server.properties:1: listeners leaves nothing to use"]
    );
}
