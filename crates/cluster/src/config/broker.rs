//! A broker's settings, typed.

use std::collections::BTreeMap;

use ottla_model::Millis;

use super::broker_definition;
use super::definition::Value;
use super::layers::{ConfigSource, Layers, Profile};
use super::listener::Endpoint;

/// Everything a broker is told. Built by [`BrokerConfigLoader`](super::BrokerConfigLoader).
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// The number of the broker in its cluster.
    pub node_id: i32,
    /// Its rack or zone.
    pub rack: Option<String>,
    /// Addresses and what connections may do.
    pub network: NetworkSettings,
    /// What new topics get, and the limits on them.
    pub topics: TopicSettings,
    /// The data directory and its upkeep.
    pub log: LogSettings,
    /// Compaction.
    pub cleaner: CleanerSettings,
    /// Groups and their offsets.
    pub groups: GroupSettings,
    /// Transactions and producer ids.
    pub transactions: TransactionSettings,
    /// What Kafka has no word for.
    pub ottla: OttlaSettings,
    pub(super) layers: Layers,
}

/// Addresses and what connections may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct NetworkSettings {
    /// Where to listen; listeners of a Kafka controller are left out.
    pub listeners: Vec<Endpoint>,
    /// What to tell clients; empty: the address by which each of them came.
    pub advertised_listeners: Vec<Endpoint>,
    pub connections_max_idle_ms: Option<Millis>,
    pub max_connections: u32,
    pub max_connections_per_ip: u32,
    pub queued_max_requests: u32,
    /// `None` is -1: without limit.
    pub queued_max_request_bytes: Option<u64>,
    pub request_timeout_ms: Millis,
    /// `None` is -1: the system's own size.
    pub socket_receive_buffer_bytes: Option<u32>,
    /// `None` is -1: the system's own size.
    pub socket_send_buffer_bytes: Option<u32>,
    pub socket_request_max_bytes: u32,
    pub fetch_max_bytes: u32,
    pub max_incremental_fetch_session_cache_slots: u32,
    pub max_request_partition_size_limit: u32,
}

/// What new topics get, and the limits on them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct TopicSettings {
    pub auto_create_topics_enable: bool,
    pub delete_topic_enable: bool,
    pub num_partitions: i32,
    pub partitions_per_topic_max: i32,
    pub partitions_max: i64,
    pub offsets_topic_num_partitions: i32,
    pub offsets_topic_segment_bytes: i32,
    pub transaction_state_log_num_partitions: i32,
    pub transaction_state_log_segment_bytes: i32,
    pub share_state_topic_num_partitions: i32,
    pub share_state_topic_segment_bytes: i32,
}

/// The data directory and its upkeep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct LogSettings {
    /// `log.dirs`, or else `log.dir`; never empty.
    pub dirs: Vec<String>,
    pub retention_check_interval_ms: Millis,
    pub message_max_bytes: u32,
}

/// Compaction.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct CleanerSettings {
    pub enable: bool,
    pub threads: u32,
    pub backoff_ms: Millis,
    pub dedupe_buffer_size: u64,
    pub io_max_bytes_per_second: f64,
}

/// Groups and their offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct GroupSettings {
    pub initial_rebalance_delay_ms: Millis,
    pub min_session_timeout_ms: Millis,
    pub max_session_timeout_ms: Millis,
    pub max_size: u32,
    pub consumer_assignors: Vec<String>,
    pub consumer_assignment_interval_ms: Millis,
    pub consumer_min_assignment_interval_ms: Millis,
    pub consumer_max_assignment_interval_ms: Millis,
    /// In small letters: `disabled`, `downgrade`, `upgrade` or `bidirectional`.
    pub consumer_migration_policy: String,
    pub consumer_heartbeat_interval_ms: Millis,
    pub consumer_min_heartbeat_interval_ms: Millis,
    pub consumer_max_heartbeat_interval_ms: Millis,
    pub consumer_session_timeout_ms: Millis,
    pub consumer_min_session_timeout_ms: Millis,
    pub consumer_max_session_timeout_ms: Millis,
    pub consumer_max_size: u32,
    pub offset_metadata_max_bytes: i32,
    pub offsets_commit_timeout_ms: Millis,
    pub offsets_retention_ms: Millis,
    pub offsets_retention_check_interval_ms: Millis,
}

/// Transactions and producer ids.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct TransactionSettings {
    pub max_timeout_ms: Millis,
    pub abort_check_interval_ms: Millis,
    pub expired_check_interval_ms: Millis,
    pub partition_verification_enable: bool,
    pub transactional_id_expiration_ms: Millis,
    pub producer_id_expiration_ms: Millis,
}

/// What Kafka has no word for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct OttlaSettings {
    pub connection_requests_max: u32,
    pub journal_bytes_max: u64,
    pub journal_file_bytes: u64,
    pub producer_snapshot_bytes: u64,
    pub segment_direct_bytes_min: u64,
    pub tail_cache_bytes: u64,
}

/// The node id of a broker that was not given one.
const NODE_ID_DEFAULT: i32 = 1;

impl BrokerConfig {
    /// A profile's defaults alone.
    pub fn defaults(profile: Profile) -> BrokerConfig {
        BrokerConfig::build(Layers {
            profile,
            ..Layers::default()
        })
    }

    /// The same with dynamic settings on top: for every broker, and for this one.
    pub fn with_dynamic(&self, everywhere: &BTreeMap<String, String>, here: &BTreeMap<String, String>) -> BrokerConfig {
        let (everywhere, here) = (everywhere.clone(), here.clone());
        BrokerConfig::build(Layers {
            everywhere,
            here,
            ..self.layers.clone()
        })
    }

    /// The profile it was started with.
    pub fn profile(&self) -> Profile {
        self.layers.profile
    }

    /// The value of a property as Kafka would show it, and where it was set; `None` for a property that is null or
    /// unknown.
    pub fn get(&self, name: &str) -> Option<(String, ConfigSource)> {
        let definition = broker_definition(name)?;
        let value = self.layers.value(definition)?;
        let source = self
            .layers
            .set(name)
            .next()
            .map_or(ConfigSource::Default, |(source, _)| source);
        Some((value.to_string(), source))
    }

    pub(super) fn build(layers: Layers) -> BrokerConfig {
        let typed = Typed(&layers);
        BrokerConfig {
            node_id: node_id(&typed),
            rack: typed.text("broker.rack"),
            network: network(&typed),
            topics: topics(&typed),
            log: LogSettings {
                dirs: log_dirs(&typed),
                retention_check_interval_ms: typed.millis("log.retention.check.interval.ms"),
                message_max_bytes: typed.unsigned("message.max.bytes"),
            },
            cleaner: CleanerSettings {
                enable: typed.boolean("log.cleaner.enable"),
                threads: typed.unsigned("log.cleaner.threads"),
                backoff_ms: typed.millis("log.cleaner.backoff.ms"),
                dedupe_buffer_size: typed.bytes("log.cleaner.dedupe.buffer.size"),
                io_max_bytes_per_second: typed.double("log.cleaner.io.max.bytes.per.second"),
            },
            groups: groups(&typed),
            transactions: TransactionSettings {
                max_timeout_ms: typed.millis("transaction.max.timeout.ms"),
                abort_check_interval_ms: typed.millis("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
                expired_check_interval_ms: typed.millis("transaction.remove.expired.transaction.cleanup.interval.ms"),
                partition_verification_enable: typed.boolean("transaction.partition.verification.enable"),
                transactional_id_expiration_ms: typed.millis("transactional.id.expiration.ms"),
                producer_id_expiration_ms: typed.millis("producer.id.expiration.ms"),
            },
            ottla: OttlaSettings {
                connection_requests_max: typed.unsigned("ottla.connection.requests.max"),
                journal_bytes_max: typed.bytes("ottla.journal.bytes.max"),
                journal_file_bytes: typed.bytes("ottla.journal.file.bytes"),
                producer_snapshot_bytes: typed.bytes("ottla.producer.snapshot.bytes"),
                segment_direct_bytes_min: typed.bytes("ottla.segment.direct.bytes.min"),
                tail_cache_bytes: typed.bytes("ottla.tail.cache.bytes"),
            },
            layers,
        }
    }
}

fn node_id(typed: &Typed<'_>) -> i32 {
    match (typed.number("node.id"), typed.number("broker.id")) {
        (Some(id), _) => id as i32,
        (None, Some(id)) if id >= 0 => id as i32,
        _ => NODE_ID_DEFAULT,
    }
}

fn log_dirs(typed: &Typed<'_>) -> Vec<String> {
    let dirs = |name| typed.text(name).filter(|text| !text.is_empty());
    let text = dirs("log.dirs").or_else(|| dirs("log.dir")).unwrap_or_default();
    text.split(',')
        .filter(|dir| !dir.is_empty())
        .map(str::to_owned)
        .collect()
}

fn network(typed: &Typed<'_>) -> NetworkSettings {
    // A Kafka node that is broker and controller in one listens for its quorum too; Ottla has none.
    let controllers = typed
        .0
        .fixed
        .get("controller.listener.names")
        .map_or("CONTROLLER", String::as_str);
    let is_controller = |endpoint: &Endpoint| {
        controllers
            .split(',')
            .any(|name| name.trim().eq_ignore_ascii_case(&endpoint.listener))
    };
    let endpoints = |name| {
        let text = typed.text(name).unwrap_or_default();
        let mut endpoints = Endpoint::parse_list(&text).unwrap_or_default();
        endpoints.retain(|endpoint| !is_controller(endpoint));
        endpoints
    };
    NetworkSettings {
        listeners: endpoints("listeners"),
        advertised_listeners: endpoints("advertised.listeners"),
        connections_max_idle_ms: typed
            .number("connections.max.idle.ms")
            .filter(|span| *span >= 0)
            .map(Millis),
        max_connections: typed.unsigned("max.connections"),
        max_connections_per_ip: typed.unsigned("max.connections.per.ip"),
        queued_max_requests: typed.unsigned("queued.max.requests"),
        queued_max_request_bytes: typed
            .number("queued.max.request.bytes")
            .and_then(|bytes| bytes.try_into().ok()),
        request_timeout_ms: typed.millis("request.timeout.ms"),
        socket_receive_buffer_bytes: typed
            .number("socket.receive.buffer.bytes")
            .and_then(|bytes| bytes.try_into().ok()),
        socket_send_buffer_bytes: typed
            .number("socket.send.buffer.bytes")
            .and_then(|bytes| bytes.try_into().ok()),
        socket_request_max_bytes: typed.unsigned("socket.request.max.bytes"),
        fetch_max_bytes: typed.unsigned("fetch.max.bytes"),
        max_incremental_fetch_session_cache_slots: typed.unsigned("max.incremental.fetch.session.cache.slots"),
        max_request_partition_size_limit: typed.unsigned("max.request.partition.size.limit"),
    }
}

fn topics(typed: &Typed<'_>) -> TopicSettings {
    TopicSettings {
        auto_create_topics_enable: typed.boolean("auto.create.topics.enable"),
        delete_topic_enable: typed.boolean("delete.topic.enable"),
        num_partitions: typed.int("num.partitions"),
        partitions_per_topic_max: typed.int("ottla.partitions.per.topic.max"),
        partitions_max: i64::from(typed.int("ottla.partitions.max")),
        offsets_topic_num_partitions: typed.int("offsets.topic.num.partitions"),
        offsets_topic_segment_bytes: typed.int("offsets.topic.segment.bytes"),
        transaction_state_log_num_partitions: typed.int("transaction.state.log.num.partitions"),
        transaction_state_log_segment_bytes: typed.int("transaction.state.log.segment.bytes"),
        share_state_topic_num_partitions: typed.int("share.coordinator.state.topic.num.partitions"),
        share_state_topic_segment_bytes: typed.int("share.coordinator.state.topic.segment.bytes"),
    }
}

fn groups(typed: &Typed<'_>) -> GroupSettings {
    GroupSettings {
        initial_rebalance_delay_ms: typed.millis("group.initial.rebalance.delay.ms"),
        min_session_timeout_ms: typed.millis("group.min.session.timeout.ms"),
        max_session_timeout_ms: typed.millis("group.max.session.timeout.ms"),
        max_size: typed.unsigned("group.max.size"),
        consumer_assignors: typed.list("group.consumer.assignors"),
        consumer_assignment_interval_ms: typed.millis("group.consumer.assignment.interval.ms"),
        consumer_min_assignment_interval_ms: typed.millis("group.consumer.min.assignment.interval.ms"),
        consumer_max_assignment_interval_ms: typed.millis("group.consumer.max.assignment.interval.ms"),
        consumer_migration_policy: typed
            .text("group.consumer.migration.policy")
            .unwrap_or_default()
            .to_ascii_lowercase(),
        consumer_heartbeat_interval_ms: typed.millis("group.consumer.heartbeat.interval.ms"),
        consumer_min_heartbeat_interval_ms: typed.millis("group.consumer.min.heartbeat.interval.ms"),
        consumer_max_heartbeat_interval_ms: typed.millis("group.consumer.max.heartbeat.interval.ms"),
        consumer_session_timeout_ms: typed.millis("group.consumer.session.timeout.ms"),
        consumer_min_session_timeout_ms: typed.millis("group.consumer.min.session.timeout.ms"),
        consumer_max_session_timeout_ms: typed.millis("group.consumer.max.session.timeout.ms"),
        consumer_max_size: typed.unsigned("group.consumer.max.size"),
        offset_metadata_max_bytes: typed.int("offset.metadata.max.bytes"),
        offsets_commit_timeout_ms: typed.millis("offsets.commit.timeout.ms"),
        offsets_retention_ms: Millis(i64::from(typed.int("offsets.retention.minutes")) * 60_000),
        offsets_retention_check_interval_ms: typed.millis("offsets.retention.check.interval.ms"),
    }
}

/// Reads properties off the layers. The names and types are those of the table, or a test of this crate fails: every
/// configuration reads every one of them.
struct Typed<'a>(&'a Layers);

impl Typed<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        self.0
            .value(broker_definition(name).expect("the table holds the property"))
    }

    fn number(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Number(number) => Some(number),
            other => unreachable!("{name} is a number, not {other}"),
        }
    }

    fn some_number(&self, name: &str) -> i64 {
        self.number(name).expect("the property has a default")
    }

    fn int(&self, name: &str) -> i32 {
        self.some_number(name) as i32
    }

    fn unsigned(&self, name: &str) -> u32 {
        self.some_number(name) as u32
    }

    fn bytes(&self, name: &str) -> u64 {
        self.some_number(name) as u64
    }

    fn millis(&self, name: &str) -> Millis {
        Millis(self.some_number(name))
    }

    fn double(&self, name: &str) -> f64 {
        match self.value(name) {
            Some(Value::Double(number)) => number,
            other => unreachable!("{name} is a double, not {other:?}"),
        }
    }

    fn boolean(&self, name: &str) -> bool {
        self.value(name) == Some(Value::Boolean(true))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| value.to_string())
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(items)) => items,
            other => unreachable!("{name} is a list, not {other:?}"),
        }
    }
}
