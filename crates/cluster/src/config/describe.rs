//! DescribeConfigs, in the words of the domain.

use std::collections::BTreeMap;
use std::sync::Arc;

use ottla_model::{ErrorCode, TopicName};

use super::definition::{ConfigType, Definition};
use super::layers::{ConfigSource, Layers};
use super::topic::effective;
use super::{BROKER_CONFIGS, BrokerConfig, TOPIC_CONFIGS, broker_definition};
use crate::create_topics::invalid_name;
use crate::{Refusal, Resource, ResourceKind, State};

/// One property of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: &'static str,
    /// Its value; `None` if it is null or must not be shown.
    pub value: Option<String>,
    /// Where the value was set.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether its value must not be shown.
    pub sensitive: bool,
    /// Its type.
    pub kind: ConfigType,
    /// Every place that has a say, the strongest first. A handler leaves them out unless they were asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for. A handler leaves it out unless it was asked for.
    pub documentation: &'static str,
}

impl ConfigEntry {
    /// Whether nobody set it (what the oldest version of the answer says instead of the source).
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// One place that has a say in a property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The property there.
    pub name: &'static str,
    /// Its value there, as it was written.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// The properties of a resource by name: all of them if `keys` is `None` or empty, else those named. `settings` are the
/// broker's own, without dynamic ones.
pub fn describe(
    state: &State,
    settings: &Arc<BrokerConfig>,
    resource: &Resource,
    keys: Option<&[String]>,
) -> Result<Vec<ConfigEntry>, Refusal> {
    let config = state.broker_config(settings);
    let mut entries = match resource.kind {
        ResourceKind::Topic => {
            let name = resource.name.as_str();
            TopicName::check(name).map_err(|fault| invalid_name(name, fault))?;
            if state.topic(name).is_none() {
                return Err(Refusal::unknown_topic());
            }
            topic_entries(state.topic_configs(name), &config)
        }
        ResourceKind::Broker if resource.name.is_empty() => {
            let set = state.configs(resource);
            let definitions = BROKER_CONFIGS
                .iter()
                .filter(|definition| set.contains_key(definition.name));
            definitions
                .map(|definition| default_broker_entry(definition, &config.layers))
                .collect()
        }
        ResourceKind::Broker => {
            check_node_id(&resource.name, settings.node_id)?;
            BROKER_CONFIGS
                .iter()
                .map(|definition| broker_entry(definition, &config.layers))
                .collect()
        }
        kind => {
            return Err(Refusal::new(
                ErrorCode::InvalidRequest,
                format!("Resources of the type {kind:?} have no configs here"),
            ));
        }
    };
    if let Some(keys) = keys.filter(|keys| !keys.is_empty()) {
        entries.retain(|entry| keys.iter().any(|key| key == entry.name));
    }
    Ok(entries)
}

/// Whether a broker resource names this broker.
pub(crate) fn check_node_id(name: &str, node_id: i32) -> Result<(), Refusal> {
    match name.parse::<i32>() {
        Ok(id) if id == node_id => Ok(()),
        Ok(_) => Err(Refusal::invalid_request(format!(
            "Unexpected broker id, expected {node_id}, but received {name}"
        ))),
        Err(_) => Err(Refusal::invalid_request(format!(
            "Node id must be an integer, but it is: {name}"
        ))),
    }
}

/// Every property of a topic that has these configs of its own.
pub(crate) fn topic_entries(own: &BTreeMap<String, String>, config: &BrokerConfig) -> Vec<ConfigEntry> {
    TOPIC_CONFIGS
        .iter()
        .map(|definition| topic_entry(definition, own, &config.layers))
        .collect()
}

fn topic_entry(definition: &'static Definition, own: &BTreeMap<String, String>, layers: &Layers) -> ConfigEntry {
    let value = effective(definition, own, layers).to_string();
    let mut synonyms = Vec::new();
    if own.contains_key(definition.name) {
        let (name, value) = (definition.name, Some(value.clone()));
        synonyms.push(ConfigSynonym {
            name,
            value,
            source: ConfigSource::DynamicTopic,
        });
    }
    if let Some(first) = definition.synonyms.first() {
        let names: Vec<_> = definition.synonyms.iter().map(|synonym| synonym.name).collect();
        synonyms.extend(broker_synonyms(first.name, &names, layers));
    }
    entry(definition, Some(value), synonyms, false)
}

fn broker_entry(definition: &'static Definition, layers: &Layers) -> ConfigEntry {
    let value = layers.value(definition).map(|value| value.to_string());
    let synonyms = broker_synonyms(definition.name, &family(definition.name), layers);
    let synonyms = synonyms
        .into_iter()
        .skip_while(|synonym| synonym.name != definition.name)
        .collect();
    entry(definition, value, synonyms, !definition.dynamic)
}

/// What is set for every broker, with that layer as its only source.
fn default_broker_entry(definition: &'static Definition, layers: &Layers) -> ConfigEntry {
    let source = ConfigSource::DynamicDefaultBroker;
    let value = layers
        .everywhere
        .get(definition.name)
        .filter(|_| !definition.sensitive())
        .cloned();
    let synonyms = vec![ConfigSynonym {
        name: definition.name,
        value: value.clone(),
        source,
    }];
    entry(definition, value, synonyms, !definition.dynamic)
}

fn entry(
    definition: &'static Definition,
    value: Option<String>,
    synonyms: Vec<ConfigSynonym>,
    read_only: bool,
) -> ConfigEntry {
    ConfigEntry {
        name: definition.name,
        value: value.filter(|_| !definition.sensitive()),
        source: synonyms.first().map_or(ConfigSource::Default, |synonym| synonym.source),
        read_only,
        sensitive: definition.sensitive(),
        kind: definition.kind,
        synonyms,
        documentation: definition.documentation,
    }
}

/// The properties that say the same as this one in another unit, the strongest first.
fn family(name: &'static str) -> Vec<&'static str> {
    let families = TOPIC_CONFIGS.iter().map(|topic| topic.synonyms);
    let found = families
        .filter(|synonyms| synonyms.len() > 1)
        .find(|synonyms| synonyms.iter().any(|s| s.name == name));
    found.map_or_else(
        || vec![name],
        |synonyms| synonyms.iter().map(|synonym| synonym.name).collect(),
    )
}

/// Every place where one of `names` has a value. As in Kafka, a property that nobody set and that has no default of its
/// own (`log.retention.ms`) shows none, although a weaker synonym has one.
fn broker_synonyms(name: &str, names: &[&'static str], layers: &Layers) -> Vec<ConfigSynonym> {
    let mut places: Vec<ConfigSynonym> = Vec::new();
    for name in names {
        for (source, text) in layers.set(name) {
            places.push(ConfigSynonym {
                name,
                value: shown(name, text),
                source,
            });
        }
    }
    places.sort_by_key(|place| place.source);
    for name in names {
        let default = broker_definition(name).and_then(|definition| layers.profile.default_of(definition));
        if let Some(text) = default {
            places.push(ConfigSynonym {
                name,
                value: shown(name, text),
                source: ConfigSource::Default,
            });
        }
    }
    let unset = places
        .iter()
        .take_while(|place| place.source == ConfigSource::Default && place.name != name)
        .count();
    places.split_off(unset)
}

fn shown(name: &str, text: &str) -> Option<String> {
    let hidden = broker_definition(name).is_some_and(Definition::sensitive);
    (!hidden).then(|| text.to_owned())
}
