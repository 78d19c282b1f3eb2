//! The broker's properties that groups obey, with Kafka's defaults.

use ottla_model::Millis;

/// What a running broker was told about groups. Each field is one of Kafka's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// `group.min.session.timeout.ms`
    pub session_timeout_min: Millis,
    /// `group.max.session.timeout.ms`
    pub session_timeout_max: Millis,
    /// `group.max.size`
    pub members_max: usize,
    /// `group.initial.rebalance.delay.ms`
    pub initial_rebalance_delay: Millis,
    /// `offset.metadata.max.bytes`: in spite of its name, Kafka counts UTF-16 units.
    pub offset_metadata_max: usize,
    /// `offsets.retention.minutes`
    pub offsets_retention: Millis,
    /// `offsets.retention.check.interval.ms`
    pub offsets_retention_check_interval: Millis,
}

impl Default for GroupConfig {
    fn default() -> GroupConfig {
        GroupConfig {
            session_timeout_min: Millis(6_000),
            session_timeout_max: Millis(1_800_000),
            members_max: i32::MAX as usize,
            initial_rebalance_delay: Millis(3_000),
            offset_metadata_max: 4_096,
            offsets_retention: Millis(7 * 24 * 60 * 60 * 1_000),
            offsets_retention_check_interval: Millis(10 * 60 * 1_000),
        }
    }
}
