//! THE table of topic and broker properties, and what follows from it: parsing, refusing, resolving, describing.
//!
//! Kafka's names, types, defaults and limits. A property is defined once, in [`TOPIC_CONFIGS`] or [`BROKER_CONFIGS`];
//! the typed values ([`TopicConfig`], [`BrokerConfig`]) and the answers of DescribeConfigs are read off the tables.

mod broker;
mod broker_table;
mod definition;
mod describe;
mod known;
mod layers;
mod listener;
mod load;
mod properties;
mod topic;
mod topic_table;

pub use broker::{
    BrokerConfig, CleanerSettings, GroupSettings, LogSettings, NetworkSettings, OttlaSettings, TopicSettings,
    TransactionSettings,
};
pub use broker_table::BROKER_CONFIGS;
pub use definition::{Allowed, ConfigFault, ConfigType, Definition, Synonym, Value};
pub use describe::{ConfigEntry, ConfigSynonym, describe};
pub use layers::{ConfigSource, Profile};
pub use listener::{Endpoint, ListenerFault};
pub use load::{BrokerConfigFault, BrokerConfigLoader, BrokerConfigWarning, Loaded, Place};
pub use properties::{Property, PropertyFault, parse_properties};
pub use topic::{CleanupPolicy, CompressionType, TimestampType, TopicConfig};
pub use topic_table::TOPIC_CONFIGS;

pub(crate) use describe::{check_node_id, topic_entries};
pub(crate) use topic::check_topic_configs;

/// The definition of a topic's property.
pub fn topic_definition(name: &str) -> Option<&'static Definition> {
    TOPIC_CONFIGS.iter().find(|definition| definition.name == name)
}

/// The definition of a broker's property.
pub fn broker_definition(name: &str) -> Option<&'static Definition> {
    BROKER_CONFIGS.iter().find(|definition| definition.name == name)
}
