//! DescribeConfigs (key 32), versions 1 to 4: every property of a topic or of this broker, with where its value is from.

use kafka_protocol::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use ottla_cluster::config::{ConfigEntry, describe};
use ottla_cluster::{Refusal, Resource, ResourceKind};

use crate::handlers::{Cx, text};
use crate::reply::Handled;

/// The first version that tells types and documentation (KIP-569).
const TYPES_SINCE: i16 = 3;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeConfigsRequest) -> Handled<DescribeConfigsResponse> {
    let detail = Detail {
        version: cx.version,
        synonyms: request.include_synonyms,
        documentation: request.include_documentation,
    };
    let results = request.resources.iter().map(|asked| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(asked.resource_type)
            .with_resource_name(asked.resource_name.clone());
        match entries(cx, asked) {
            Ok(entries) => result.with_configs(entries.into_iter().map(|entry| detail.of(entry)).collect()),
            Err(refusal) => result
                .with_error_code(refusal.code.number())
                .with_error_message(Some(text(refusal.message))),
        }
    });
    Handled::Now(DescribeConfigsResponse::default().with_results(results.collect()))
}

fn entries(cx: &Cx<'_>, asked: &DescribeConfigsResource) -> Result<Vec<ConfigEntry>, Refusal> {
    let kind = ResourceKind::from_number(asked.resource_type)
        .ok_or_else(|| Refusal::invalid_request(format!("Unsupported resource type: {}", asked.resource_type)))?;
    let resource = Resource::new(kind, asked.resource_name.as_str());
    let keys: Option<Vec<String>> = asked
        .configuration_keys
        .as_ref()
        .map(|keys| keys.iter().map(|key| key.to_string()).collect());
    cx.broker
        .metadata
        .with_state(|state| describe(state, &cx.broker.config, &resource, keys.as_deref()))
}

/// How much an answer tells of each property.
struct Detail {
    version: i16,
    synonyms: bool,
    documentation: bool,
}

impl Detail {
    fn of(&self, entry: ConfigEntry) -> DescribeConfigsResourceResult {
        let synonyms = entry.synonyms.iter().filter(|_| self.synonyms).map(|synonym| {
            DescribeConfigsSynonym::default()
                .with_name(text(synonym.name))
                .with_value(synonym.value.clone().map(text))
                .with_source(synonym.source.number())
        });
        let result = DescribeConfigsResourceResult::default()
            .with_synonyms(synonyms.collect())
            .with_name(text(entry.name))
            .with_value(entry.value.map(text))
            .with_read_only(entry.read_only)
            .with_config_source(entry.source.number())
            .with_is_sensitive(entry.sensitive);
        if self.version < TYPES_SINCE {
            return result;
        }
        let documentation = self.documentation.then(|| text(entry.documentation));
        result
            .with_config_type(entry.kind.number())
            .with_documentation(documentation)
    }
}
