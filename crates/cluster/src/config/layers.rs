//! Where a broker property's value comes from: four layers, the strongest first.

use std::collections::BTreeMap;

use super::definition::{Definition, Value};
use super::{broker_definition, topic_definition};

/// Where a value was set, numbered as in DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ConfigSource {
    /// On the topic.
    DynamicTopic = 1,
    /// On this broker, while it ran.
    DynamicBroker = 2,
    /// On every broker of the cluster, while they ran.
    DynamicDefaultBroker = 3,
    /// In the broker's file or on its command line.
    StaticBroker = 4,
    /// Nowhere.
    Default = 5,
}

impl ConfigSource {
    /// The number in DescribeConfigs.
    pub const fn number(self) -> i8 {
        self as i8
    }
}

/// What holds where nothing is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Profile {
    /// For a laptop and for tests: one broker, groups that form at once.
    #[default]
    Dev,
    /// Kafka's defaults.
    Production,
}

impl Profile {
    /// The default of a broker property.
    pub fn default_of(self, definition: &Definition) -> Option<&'static str> {
        let differing = match self {
            Profile::Dev => DEV_DEFAULTS,
            Profile::Production => &[],
        };
        let found = differing.iter().find(|(name, _)| *name == definition.name);
        found.map(|(_, value)| *value).or(definition.default)
    }
}

const DEV_DEFAULTS: &[(&str, &str)] = &[
    ("group.initial.rebalance.delay.ms", "0"),
    // Whoever reaches the port may do everything.
    ("listeners", "PLAINTEXT://127.0.0.1:9092"),
    ("log.dir", "ottla-data"),
    ("offsets.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("transaction.state.log.replication.factor", "1"),
];

/// What was set on a broker, in text, by layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layers {
    pub(super) profile: Profile,
    /// From the file and the command line; holds properties unknown here too.
    pub(super) fixed: BTreeMap<String, String>,
    pub(super) everywhere: BTreeMap<String, String>,
    pub(super) here: BTreeMap<String, String>,
}

impl Layers {
    /// Each layer in which `name` is set, the strongest first; the default is not among them.
    pub(super) fn set<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (ConfigSource, &'a str)> {
        let layers = [
            (ConfigSource::DynamicBroker, &self.here),
            (ConfigSource::DynamicDefaultBroker, &self.everywhere),
            (ConfigSource::StaticBroker, &self.fixed),
        ];
        layers
            .into_iter()
            .filter_map(move |(source, layer)| Some((source, layer.get(name)?.as_str())))
    }

    /// The value of a property; `None` is Kafka's null. A value in the log that cannot be read is passed over.
    pub(super) fn value(&self, definition: &Definition) -> Option<Value> {
        let set = self
            .set(definition.name)
            .find_map(|(_, text)| definition.parse(text).ok());
        set.or_else(|| self.default_value(definition))
    }

    fn default_value(&self, definition: &Definition) -> Option<Value> {
        let text = self.profile.default_of(definition)?;
        Some(
            definition
                .parse(text)
                .expect("the defaults of the table keep to the table"),
        )
    }

    /// What the broker's properties say about a topic's: the strongest synonym that is set, or else the first that has
    /// a default.
    pub(super) fn topic_value(&self, topic: &Definition) -> Value {
        let synonyms = || {
            topic.synonyms.iter().map(|synonym| {
                let definition = broker_definition(synonym.name).expect("a synonym is a property of a broker");
                (definition, synonym.scale)
            })
        };
        let parsed = |text: &str, definition: &Definition, scale: i64| {
            let value = scaled(definition.parse(text).ok()?, scale);
            topic.parse(&value.to_string()).ok()
        };
        synonyms()
            .find_map(|(definition, scale)| {
                self.set(definition.name)
                    .find_map(|(_, text)| parsed(text, definition, scale))
            })
            .or_else(|| {
                synonyms()
                    .find_map(|(definition, scale)| parsed(self.profile.default_of(definition)?, definition, scale))
            })
            .unwrap_or_else(|| topic_default(topic))
    }
}

fn scaled(value: Value, scale: i64) -> Value {
    match value {
        // "For ever" is -1 in every unit.
        Value::Number(number) if scale != 1 && number < 0 => Value::Number(-1),
        Value::Number(number) => Value::Number(number.saturating_mul(scale)),
        other => other,
    }
}

fn topic_default(topic: &Definition) -> Value {
    debug_assert!(topic_definition(topic.name).is_some());
    let text = topic.default.expect("every property of a topic has a default");
    topic.parse(text).expect("the defaults of the table keep to the table")
}
