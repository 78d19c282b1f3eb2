//! IncrementalAlterConfigs, and AlterConfigs before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ottla_coordinator::Output;
use ottla_model::{ErrorCode, TopicName};

use crate::cluster::duplicates;
use crate::config::{
    BrokerConfig, ConfigType, Definition, broker_definition, check_node_id, check_topic_configs, topic_definition,
};
use crate::create_topics::invalid_name;
use crate::{Cluster, Effect, Record, Refusal, Resource, ResourceKind, State};

/// Changes to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceChange {
    /// The resource.
    pub resource: Resource,
    /// Its changes; all are made or none.
    pub changes: Vec<ConfigChange>,
}

/// A change to one property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigChange {
    /// The property.
    pub name: String,
    /// What to do to it.
    pub operation: ConfigOperation,
    /// With what; needed unless it is removed.
    pub value: Option<String>,
}

/// What to do to a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigOperation {
    /// Give it the value.
    Set,
    /// Remove it, so that the default holds again.
    Delete,
    /// Add items to a list.
    Append,
    /// Take items out of a list.
    Subtract,
    /// A number the protocol does not define.
    Unknown(i8),
}

impl ConfigOperation {
    /// The operation with this number on the wire.
    pub const fn from_number(number: i8) -> ConfigOperation {
        match number {
            0 => ConfigOperation::Set,
            1 => ConfigOperation::Delete,
            2 => ConfigOperation::Append,
            3 => ConfigOperation::Subtract,
            other => ConfigOperation::Unknown(other),
        }
    }
}

/// All configs of one resource, as the older AlterConfigs has them: what is not named is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigReplacement {
    /// The resource.
    pub resource: Resource,
    /// Its configs.
    pub configs: Vec<(String, Option<String>)>,
}

/// The answer about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceAnswer {
    /// The resource.
    pub resource: Resource,
    /// What became of it.
    pub result: Result<(), Refusal>,
}

pub(crate) fn alter(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    changes: Vec<ResourceChange>,
) -> Vec<ResourceAnswer> {
    let resources: Vec<Resource> = changes.iter().map(|change| change.resource.clone()).collect();
    let twice = duplicates(resources.iter());
    let judged = changes.into_iter().map(|change| {
        check_once(&change.resource, &twice)?;
        let names = change.changes.iter().map(|change| change.name.as_str());
        let needs_value = change
            .changes
            .iter()
            .filter(|change| change.operation != ConfigOperation::Delete);
        let nulls = needs_value
            .filter(|change| change.value.is_none())
            .map(|change| change.name.as_str());
        check_names(names, nulls)?;
        let mut configs = state.configs(&change.resource).clone();
        for change_of_one in &change.changes {
            change_one(&mut configs, change.resource.kind, change_of_one)?;
        }
        Ok(configs)
    });
    carry_out(state, settings, output, &resources, judged)
}

pub(crate) fn replace(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    replacements: Vec<ConfigReplacement>,
) -> Vec<ResourceAnswer> {
    let resources: Vec<Resource> = replacements
        .iter()
        .map(|replacement| replacement.resource.clone())
        .collect();
    let twice = duplicates(resources.iter());
    let judged = replacements.into_iter().map(|replacement| {
        check_once(&replacement.resource, &twice)?;
        let configs = &replacement.configs;
        let nulls = configs
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name.as_str());
        check_names(configs.iter().map(|(name, _)| name.as_str()), nulls)?;
        Ok(replacement
            .configs
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect())
    });
    carry_out(state, settings, output, &resources, judged)
}

/// Takes what each resource is to hold, or why it cannot, and writes down what differs from what it holds.
fn carry_out(
    state: &State,
    settings: &Arc<BrokerConfig>,
    output: &mut Output<Cluster>,
    resources: &[Resource],
    judged: impl Iterator<Item = Result<BTreeMap<String, String>, Refusal>>,
) -> Vec<ResourceAnswer> {
    let mut answers = Vec::new();
    for (resource, configs) in resources.iter().zip(judged) {
        let result = configs.and_then(|configs| {
            check_resource(state, settings, resource, &configs)?;
            write_difference(state, output, resource, &configs);
            Ok(())
        });
        answers.push(ResourceAnswer {
            resource: resource.clone(),
            result,
        });
    }
    answers
}

fn check_once(resource: &Resource, twice: &BTreeSet<&Resource>) -> Result<(), Refusal> {
    match twice.contains(resource) {
        false => Ok(()),
        true => Err(Refusal::invalid_request("Each resource must appear at most once.")),
    }
}

fn check_names<'a>(names: impl Iterator<Item = &'a str>, nulls: impl Iterator<Item = &'a str>) -> Result<(), Refusal> {
    if !duplicates(names).is_empty() {
        return Err(Refusal::invalid_request("Error due to duplicate config keys"));
    }
    let nulls: Vec<&str> = nulls.collect();
    if !nulls.is_empty() {
        return Err(Refusal::invalid_request(format!(
            "Null value not supported for : {}",
            nulls.join(", ")
        )));
    }
    Ok(())
}

fn change_one(
    configs: &mut BTreeMap<String, String>,
    kind: ResourceKind,
    change: &ConfigChange,
) -> Result<(), Refusal> {
    let value = change.value.clone().unwrap_or_default();
    let value = match change.operation {
        ConfigOperation::Set => value,
        ConfigOperation::Delete => {
            configs.remove(&change.name);
            return Ok(());
        }
        ConfigOperation::Append => {
            let mut items = list_of(configs, kind, change)?;
            for item in value.split(',') {
                if !items.iter().any(|known| known == item) {
                    items.push(item.to_owned());
                }
            }
            items.join(",")
        }
        ConfigOperation::Subtract => {
            let mut items = list_of(configs, kind, change)?;
            items.retain(|known| !value.split(',').any(|item| item == known));
            items.join(",")
        }
        ConfigOperation::Unknown(number) => {
            let message = format!("Unknown operation type {number} for the config {}.", change.name);
            return Err(Refusal::new(ErrorCode::UnknownServerError, message));
        }
    };
    configs.insert(change.name.clone(), value);
    Ok(())
}

/// The items a list has before it is changed: those set on the resource, or else those of the default.
fn list_of(
    configs: &BTreeMap<String, String>,
    kind: ResourceKind,
    change: &ConfigChange,
) -> Result<Vec<String>, Refusal> {
    let definition = match kind {
        ResourceKind::Topic => topic_definition(&change.name),
        _ => broker_definition(&change.name),
    };
    let Some(definition) = definition.filter(|definition| definition.kind == ConfigType::List) else {
        let operation = if change.operation == ConfigOperation::Append {
            "APPEND"
        } else {
            "SUBTRACT"
        };
        return Err(Refusal::invalid_config(format!(
            "Can't {operation} to key {} because its type is not LIST.",
            change.name
        )));
    };
    let text = configs
        .get(&change.name)
        .map(String::as_str)
        .or(definition.default)
        .unwrap_or_default();
    Ok(text
        .split(',')
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Judges what a resource is to hold, all of it, and whether there is such a resource.
fn check_resource(
    state: &State,
    settings: &Arc<BrokerConfig>,
    resource: &Resource,
    configs: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    let name = resource.name.as_str();
    match resource.kind {
        ResourceKind::Topic if name.is_empty() => {
            Err(Refusal::invalid_request("Default topic resources are not allowed."))
        }
        ResourceKind::Topic => {
            TopicName::check(name).map_err(|fault| invalid_name(name, fault))?;
            check_topic_configs(configs, &state.broker_config(settings))?;
            if state.topic(name).is_none() {
                let message = format!("The topic '{name}' does not exist.");
                return Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message));
            }
            Ok(())
        }
        ResourceKind::Broker => {
            if !name.is_empty() {
                check_node_id(name, settings.node_id)?;
            }
            check_broker_configs(configs)
        }
        kind => Err(Refusal::invalid_request(format!(
            "Configs of the resource type {kind:?} cannot be changed here."
        ))),
    }
}

/// Judges the dynamic configs of a broker: only some can change while it runs.
fn check_broker_configs(configs: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let fixed: Vec<&str> = configs
        .keys()
        .map(String::as_str)
        .filter(|name| !broker_definition(name).is_some_and(|definition| definition.dynamic))
        .collect();
    if !fixed.is_empty() {
        let fixed = fixed.join(", ");
        return Err(Refusal::invalid_request(format!(
            "Cannot update these configs dynamically: Set({fixed})"
        )));
    }
    for (name, text) in configs {
        let definition: &Definition = broker_definition(name).expect("the names were looked up before");
        definition
            .parse(text)
            .map_err(|fault| Refusal::invalid_request(fault.to_string()))?;
    }
    Ok(())
}

fn write_difference(
    state: &State,
    output: &mut Output<Cluster>,
    resource: &Resource,
    configs: &BTreeMap<String, String>,
) {
    let before = state.configs(resource);
    let set = configs.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let set = set.map(|(name, value)| (name, Some(value.clone())));
    let removed = before
        .keys()
        .filter(|name| !configs.contains_key(*name))
        .map(|name| (name, None));
    let mut differs = false;
    for (name, value) in set.chain(removed) {
        differs = true;
        output.record(Record::Config {
            resource_kind: resource.kind.number(),
            resource_name: resource.name.clone(),
            name: name.clone(),
            value,
        });
    }
    if differs {
        output.effect(Effect::ConfigsChanged(resource.clone()));
    }
}
