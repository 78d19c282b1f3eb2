//! Configurations of topics, brokers and groups.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use ottla_wire::Api;

use super::Admin;
use crate::client::text;
use crate::connection::Connection;
use crate::error::Result;

/// Something that can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A topic.
    Topic(String),
    /// A broker, by id; `None` is the default of all brokers.
    Broker(Option<i32>),
    /// A group (KIP-848).
    Group(String),
}

/// One configuration of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Kafka's name for it.
    pub name: String,
    /// Its value; `None` if it is a secret.
    pub value: Option<String>,
    /// Whether it is nobody's choice.
    pub is_default: bool,
    /// Where the value comes from, by Kafka's numbers (1 topic, 2 and 3 dynamic, 4 static, 5 default).
    pub source: i8,
    /// Whether it cannot be changed while the broker runs.
    pub is_read_only: bool,
}

/// A change to one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// Set it.
    Set(String, String),
    /// Back to the default.
    Delete(String),
    /// Add to a list.
    Append(String, String),
    /// Take out of a list.
    Subtract(String, String),
}

impl Resource {
    fn kind(&self) -> i8 {
        match self {
            Resource::Topic(_) => 2,
            Resource::Broker(_) => 4,
            Resource::Group(_) => 32,
        }
    }

    fn name(&self) -> String {
        match self {
            Resource::Topic(name) | Resource::Group(name) => name.clone(),
            Resource::Broker(id) => id.map_or_else(String::new, |id| id.to_string()),
        }
    }

    fn subject(&self) -> String {
        match self {
            Resource::Topic(name) => format!("topic {name}"),
            Resource::Group(name) => format!("group {name}"),
            Resource::Broker(Some(id)) => format!("broker {id}"),
            Resource::Broker(None) => "all brokers".to_owned(),
        }
    }
}

impl Admin {
    /// The configuration of a resource: all of it, or the `names` asked for.
    pub async fn describe_configs(&self, resource: &Resource, names: Option<&[&str]>) -> Result<Vec<ConfigEntry>> {
        let asked = DescribeConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(text(&resource.name()))
            .with_configuration_keys(names.map(|names| names.iter().map(|name| text(name)).collect()));
        let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = self.connection_for(resource).await?;
                let response = connection.ask(request).await?;
                let missing = || connection.missing(Api::DescribeConfigs, resource.subject());
                let result = response.results.first().ok_or_else(missing)?;
                if result.error_code != 0 {
                    let message = result.error_message.as_deref();
                    let (code, subject) = (result.error_code, resource.subject());
                    return Err(connection.refusal(Api::DescribeConfigs, code, subject, message));
                }
                let entry =
                    |entry: &kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult| {
                        ConfigEntry {
                            name: entry.name.to_string(),
                            value: entry.value.as_ref().map(|value| value.to_string()),
                            is_default: entry.config_source == DEFAULT_SOURCE,
                            source: entry.config_source,
                            is_read_only: entry.read_only,
                        }
                    };
                Ok(result.configs.iter().map(entry).collect())
            })
            .await
    }

    /// Changes the configuration of a resource (KIP-339), or with `validate_only` says whether it would.
    pub async fn alter_configs(
        &self,
        resource: &Resource,
        changes: &[ConfigChange],
        validate_only: bool,
    ) -> Result<()> {
        let altered = AlterConfigsResource::default()
            .with_resource_type(resource.kind())
            .with_resource_name(text(&resource.name()))
            .with_configs(changes.iter().map(alterable).collect());
        let request = IncrementalAlterConfigsRequest::default()
            .with_resources(vec![altered])
            .with_validate_only(validate_only);
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = self.connection_for(resource).await?;
                let response = connection.ask(request).await?;
                let missing = || connection.missing(Api::IncrementalAlterConfigs, resource.subject());
                let result = response.responses.first().ok_or_else(missing)?;
                let message = result.error_message.as_deref();
                match result.error_code {
                    0 => Ok(()),
                    code => Err(connection.refusal(Api::IncrementalAlterConfigs, code, resource.subject(), message)),
                }
            })
            .await
    }

    /// A broker answers for its own configuration only; everything else any of them knows.
    async fn connection_for(&self, resource: &Resource) -> Result<Connection> {
        match resource {
            Resource::Broker(Some(id)) => self.client.broker(*id).await,
            _ => self.client.any().await,
        }
    }
}

fn alterable(change: &ConfigChange) -> AlterableConfig {
    let (operation, name, value) = match change {
        ConfigChange::Set(name, value) => (0, name, Some(value)),
        ConfigChange::Delete(name) => (1, name, None),
        ConfigChange::Append(name, value) => (2, name, Some(value)),
        ConfigChange::Subtract(name, value) => (3, name, Some(value)),
    };
    AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(operation)
        .with_value(value.map(|value| text(value)))
}

const DEFAULT_SOURCE: i8 = 5;
