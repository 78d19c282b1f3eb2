//! The topics that belong to coordinators: their names, sizes and configs.

use std::collections::BTreeMap;

use crate::config::BrokerConfig;

/// A topic in which a coordinator keeps its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InternalTopic {
    /// `__consumer_offsets`.
    ConsumerOffsets,
    /// `__transaction_state`.
    TransactionState,
    /// `__share_group_state`.
    ShareGroupState,
}

/// The log of this very state machine; it is no topic clients can see or make.
pub(crate) const CLUSTER_METADATA: &str = "__cluster_metadata";

impl InternalTopic {
    /// All of them.
    pub const ALL: [InternalTopic; 3] = [
        InternalTopic::ConsumerOffsets,
        InternalTopic::TransactionState,
        InternalTopic::ShareGroupState,
    ];

    /// The internal topic of this name.
    pub fn of(name: &str) -> Option<InternalTopic> {
        InternalTopic::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            InternalTopic::ConsumerOffsets => "__consumer_offsets",
            InternalTopic::TransactionState => "__transaction_state",
            InternalTopic::ShareGroupState => "__share_group_state",
        }
    }

    pub(crate) fn partitions(self, config: &BrokerConfig) -> i32 {
        match self {
            InternalTopic::ConsumerOffsets => config.topics.offsets_topic_num_partitions,
            InternalTopic::TransactionState => config.topics.transaction_state_log_num_partitions,
            InternalTopic::ShareGroupState => config.topics.share_state_topic_num_partitions,
        }
    }

    /// The configs it is created with, as Kafka's coordinators set them.
    pub(crate) fn configs(self, config: &BrokerConfig) -> BTreeMap<String, String> {
        let (policy, compression, segment_bytes) = match self {
            InternalTopic::ConsumerOffsets => ("compact", "producer", config.topics.offsets_topic_segment_bytes),
            InternalTopic::TransactionState => (
                "compact",
                "uncompressed",
                config.topics.transaction_state_log_segment_bytes,
            ),
            InternalTopic::ShareGroupState => ("delete", "producer", config.topics.share_state_topic_segment_bytes),
        };
        let mut configs = BTreeMap::from([
            ("cleanup.policy".to_owned(), policy.to_owned()),
            ("compression.type".to_owned(), compression.to_owned()),
            ("segment.bytes".to_owned(), segment_bytes.to_string()),
        ]);
        if self == InternalTopic::ShareGroupState {
            configs.insert("retention.ms".to_owned(), "-1".to_owned());
        }
        configs
    }
}
