//! What holds for one topic, typed.

use std::collections::BTreeMap;

use ottla_model::Millis;

use super::broker::BrokerConfig;
use super::definition::{Definition, Value};
use super::layers::Layers;
use super::topic_definition;
use crate::Refusal;

/// What happens to old records. Neither keeps everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanupPolicy {
    /// Drop whole segments by age and size.
    pub delete: bool,
    /// Keep the newest record of each key.
    pub compact: bool,
}

/// Whose clock a record's timestamp is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// How a topic's batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of the compressions")]
pub enum CompressionType {
    /// As each producer chose.
    Producer,
    Uncompressed,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// What holds for one topic: its own configs, then the broker's settings, then the defaults.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "each field is the property of that name, described in the table"
)]
pub struct TopicConfig {
    pub cleanup_policy: CleanupPolicy,
    pub compression_type: CompressionType,
    pub compression_gzip_level: i32,
    pub compression_lz4_level: i32,
    pub compression_zstd_level: i32,
    pub delete_retention_ms: Millis,
    pub file_delete_delay_ms: Millis,
    pub index_interval_bytes: u32,
    pub max_compaction_lag_ms: Millis,
    pub max_message_bytes: u32,
    pub message_timestamp_after_max_ms: Millis,
    pub message_timestamp_before_max_ms: Millis,
    pub message_timestamp_type: TimestampType,
    pub min_cleanable_dirty_ratio: f64,
    pub min_compaction_lag_ms: Millis,
    pub min_insync_replicas: i32,
    pub preallocate: bool,
    /// `None` is -1: without limit.
    pub retention_bytes: Option<u64>,
    /// `None` is -1: for ever.
    pub retention_ms: Option<Millis>,
    pub segment_bytes: u32,
    pub segment_index_bytes: u32,
    pub segment_jitter_ms: Millis,
    pub segment_ms: Millis,
}

impl TopicConfig {
    /// What holds for a topic with these configs of its own on a broker with these settings. A config that the log
    /// holds and this version cannot read is passed over.
    pub fn resolve(own: &BTreeMap<String, String>, broker: &BrokerConfig) -> TopicConfig {
        let values = Effective {
            own,
            layers: &broker.layers,
        };
        let policy = values.list("cleanup.policy");
        TopicConfig {
            cleanup_policy: CleanupPolicy {
                delete: policy.iter().any(|item| item == "delete"),
                compact: policy.iter().any(|item| item == "compact"),
            },
            compression_type: compression_type(&values.text("compression.type")),
            compression_gzip_level: values.number("compression.gzip.level") as i32,
            compression_lz4_level: values.number("compression.lz4.level") as i32,
            compression_zstd_level: values.number("compression.zstd.level") as i32,
            delete_retention_ms: values.millis("delete.retention.ms"),
            file_delete_delay_ms: values.millis("file.delete.delay.ms"),
            index_interval_bytes: values.number("index.interval.bytes") as u32,
            max_compaction_lag_ms: values.millis("max.compaction.lag.ms"),
            max_message_bytes: values.number("max.message.bytes") as u32,
            message_timestamp_after_max_ms: values.millis("message.timestamp.after.max.ms"),
            message_timestamp_before_max_ms: values.millis("message.timestamp.before.max.ms"),
            message_timestamp_type: match values.text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            min_cleanable_dirty_ratio: values.double("min.cleanable.dirty.ratio"),
            min_compaction_lag_ms: values.millis("min.compaction.lag.ms"),
            min_insync_replicas: values.number("min.insync.replicas") as i32,
            preallocate: values.boolean("preallocate"),
            retention_bytes: u64::try_from(values.number("retention.bytes")).ok(),
            retention_ms: Some(values.millis("retention.ms")).filter(|span| span.0 >= 0),
            segment_bytes: values.number("segment.bytes") as u32,
            segment_index_bytes: values.number("segment.index.bytes") as u32,
            segment_jitter_ms: values.millis("segment.jitter.ms"),
            segment_ms: values.millis("segment.ms"),
        }
    }
}

/// Judges the configs a topic is to have, all of them, as Kafka does: names, then values, then their combination.
pub(crate) fn check_topic_configs(own: &BTreeMap<String, String>, broker: &BrokerConfig) -> Result<(), Refusal> {
    if let Some(name) = own.keys().find(|name| topic_definition(name).is_none()) {
        return Err(Refusal::invalid_config(format!("Unknown topic config name: {name}")));
    }
    for (name, text) in own {
        let definition = topic_definition(name).expect("the names were looked up before");
        definition
            .parse(text)
            .map_err(|fault| Refusal::invalid_config(fault.to_string()))?;
    }
    let values = Effective {
        own,
        layers: &broker.layers,
    };
    let (least, most) = (
        values.number("min.compaction.lag.ms"),
        values.number("max.compaction.lag.ms"),
    );
    if least > most {
        return Err(Refusal::invalid_config(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        )));
    }
    if values.boolean("remote.storage.enable") {
        return Err(Refusal::invalid_config(
            "Tiered Storage functionality is disabled in the broker. \
             Topic cannot be configured with remote log storage.",
        ));
    }
    Ok(())
}

/// The value of a topic's property: its own if it has one, else what the broker's say.
pub(super) fn effective(definition: &Definition, own: &BTreeMap<String, String>, layers: &Layers) -> Value {
    let own = own.get(definition.name).and_then(|text| definition.parse(text).ok());
    own.unwrap_or_else(|| layers.topic_value(definition))
}

struct Effective<'a> {
    own: &'a BTreeMap<String, String>,
    layers: &'a Layers,
}

impl Effective<'_> {
    fn value(&self, name: &str) -> Value {
        let definition = topic_definition(name).expect("the table holds the property");
        effective(definition, self.own, self.layers)
    }

    fn number(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Number(number) => number,
            other => unreachable!("{name} is a number, not {other}"),
        }
    }

    fn millis(&self, name: &str) -> Millis {
        Millis(self.number(name))
    }

    fn double(&self, name: &str) -> f64 {
        match self.value(name) {
            Value::Double(number) => number,
            other => unreachable!("{name} is a double, not {other}"),
        }
    }

    fn boolean(&self, name: &str) -> bool {
        self.value(name) == Value::Boolean(true)
    }

    fn text(&self, name: &str) -> String {
        self.value(name).to_string()
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.value(name) {
            Value::List(items) => items,
            other => unreachable!("{name} is a list, not {other}"),
        }
    }
}

fn compression_type(text: &str) -> CompressionType {
    match text {
        "uncompressed" => CompressionType::Uncompressed,
        "gzip" => CompressionType::Gzip,
        "snappy" => CompressionType::Snappy,
        "lz4" => CompressionType::Lz4,
        "zstd" => CompressionType::Zstd,
        _ => CompressionType::Producer,
    }
}
