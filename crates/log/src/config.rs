//! The settings of one partition's log: the topic's, with the broker's defaults resolved.

use ottla_model::Millis;

/// What append and retention need to know. Swappable while the partition runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionConfig {
    /// `max.message.bytes`: the largest batch a client may send, in bytes, header included.
    pub max_message_bytes: usize,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record's timestamp may lie behind the broker's clock.
    pub timestamp_before_max: Millis,
    /// `message.timestamp.after.max.ms`: how far it may lie ahead.
    pub timestamp_after_max: Millis,
    /// `producer.id.expiration.ms`: how long an idempotent producer that sends nothing is remembered.
    pub producer_expiry: Millis,
    /// `cleanup.policy` holds `compact`: every record needs a key.
    pub compacted: bool,
    /// `cleanup.policy` holds `delete`, with its limits.
    pub retention: Retention,
}

/// Whose timestamps the records carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's: when the batch was appended.
    LogAppendTime,
}

/// What old records are deleted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// `cleanup.policy` without `delete`: only what DeleteRecords asks for goes.
    Keep,
    /// `cleanup.policy` with `delete`.
    Delete {
        /// `retention.ms`; `None` is Kafka's -1, no limit.
        time: Option<Millis>,
        /// `retention.bytes`; `None` is Kafka's -1, no limit.
        bytes: Option<u64>,
    },
}

impl Default for PartitionConfig {
    /// Kafka's defaults.
    fn default() -> PartitionConfig {
        PartitionConfig {
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max: Millis(i64::MAX),
            timestamp_after_max: Millis(3_600_000),
            producer_expiry: Millis(86_400_000),
            compacted: false,
            retention: Retention::Delete {
                time: Some(Millis(604_800_000)),
                bytes: None,
            },
        }
    }
}
