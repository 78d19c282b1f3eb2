//! IncrementalAlterConfigs (key 44), versions 0 and 1, and AlterConfigs (key 33), versions 0 to 2, its elder.

use kafka_protocol::messages::alter_configs_request::AlterConfigsRequest;
use kafka_protocol::messages::alter_configs_response::{
    AlterConfigsResourceResponse as ReplacedResource, AlterConfigsResponse,
};
use kafka_protocol::messages::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use kafka_protocol::messages::incremental_alter_configs_response::{
    AlterConfigsResourceResponse as ChangedResource, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;
use ottla_cluster::{
    ConfigChange, ConfigOperation, ConfigReplacement, Refusal, Reply, Request, Resource, ResourceAnswer,
    ResourceChange, ResourceKind,
};
use ottla_model::ErrorCode;

use crate::Broker;
use crate::handlers::{Cx, text};
use crate::reply::Handled;

/// What became of one resource, in the request's own terms.
struct Outcome {
    kind: i8,
    name: String,
    code: ErrorCode,
    message: Option<StrBytes>,
}

/// IncrementalAlterConfigs.
pub(crate) fn change(cx: &Cx<'_>, request: IncrementalAlterConfigsRequest) -> Handled<IncrementalAlterConfigsResponse> {
    let (mut changes, mut unknown) = (Vec::new(), Vec::new());
    for resource in &request.resources {
        let Some(kind) = ResourceKind::from_number(resource.resource_type) else {
            unknown.push(Outcome::unknown_kind(resource.resource_type, &resource.resource_name));
            continue;
        };
        let configs = resource.configs.iter().map(|config| ConfigChange {
            name: config.name.to_string(),
            operation: ConfigOperation::from_number(config.config_operation),
            value: config.value.as_ref().map(|value| value.to_string()),
        });
        let resource = Resource::new(kind, resource.resource_name.as_str());
        changes.push(ResourceChange {
            resource,
            changes: configs.collect(),
        });
    }
    let broker = std::sync::Arc::clone(cx.broker);
    let resources = changes.iter().map(|change| change.resource.clone()).collect();
    let asked = Request::AlterConfigs {
        changes,
        validate_only: request.validate_only,
    };
    Handled::Parked(Box::pin(async move {
        let outcomes = ask(&broker, asked, resources).await.into_iter().chain(unknown);
        let responses = outcomes.map(|outcome| {
            ChangedResource::default()
                .with_error_code(outcome.code.number())
                .with_error_message(outcome.message)
                .with_resource_type(outcome.kind)
                .with_resource_name(text(outcome.name))
        });
        IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
    }))
}

/// AlterConfigs: what is not named is removed.
pub(crate) fn replace(cx: &Cx<'_>, request: AlterConfigsRequest) -> Handled<AlterConfigsResponse> {
    let (mut replacements, mut unknown) = (Vec::new(), Vec::new());
    for resource in &request.resources {
        let Some(kind) = ResourceKind::from_number(resource.resource_type) else {
            unknown.push(Outcome::unknown_kind(resource.resource_type, &resource.resource_name));
            continue;
        };
        let configs = resource.configs.iter();
        replacements.push(ConfigReplacement {
            resource: Resource::new(kind, resource.resource_name.as_str()),
            configs: configs
                .map(|config| {
                    (
                        config.name.to_string(),
                        config.value.as_ref().map(|value| value.to_string()),
                    )
                })
                .collect(),
        });
    }
    let broker = std::sync::Arc::clone(cx.broker);
    let resources = replacements
        .iter()
        .map(|replacement| replacement.resource.clone())
        .collect();
    let asked = Request::ReplaceConfigs {
        replacements,
        validate_only: request.validate_only,
    };
    Handled::Parked(Box::pin(async move {
        let outcomes = ask(&broker, asked, resources).await.into_iter().chain(unknown);
        let responses = outcomes.map(|outcome| {
            ReplacedResource::default()
                .with_error_code(outcome.code.number())
                .with_error_message(outcome.message)
                .with_resource_type(outcome.kind)
                .with_resource_name(text(outcome.name))
        });
        AlterConfigsResponse::default().with_responses(responses.collect())
    }))
}

async fn ask(broker: &Broker, request: Request, resources: Vec<Resource>) -> Vec<Outcome> {
    match broker.metadata.ask(request).await {
        Ok(Reply::AlterConfigs(answers)) => answers.into_iter().map(Outcome::of).collect(),
        Ok(other) => unreachable!("altered configs are answered as such, not with {other:?}"),
        Err(code) => {
            let refusal = Refusal::new(code, "the change was not stored");
            resources
                .into_iter()
                .map(|resource| {
                    Outcome::of(ResourceAnswer {
                        resource,
                        result: Err(refusal.clone()),
                    })
                })
                .collect()
        }
    }
}

impl Outcome {
    fn of(answer: ResourceAnswer) -> Outcome {
        let (code, message) = match answer.result {
            Ok(()) => (ErrorCode::None, None),
            Err(refusal) => (refusal.code, Some(text(refusal.message))),
        };
        Outcome {
            kind: answer.resource.kind.number(),
            name: answer.resource.name,
            code,
            message,
        }
    }

    fn unknown_kind(kind: i8, name: &str) -> Outcome {
        let message = format!("Unexpected resource type {kind}");
        Outcome {
            kind,
            name: name.to_string(),
            code: ErrorCode::InvalidRequest,
            message: Some(text(message)),
        }
    }
}
