//! CreatePartitions (key 37), versions 0 to 3.

use kafka_protocol::messages::create_partitions_request::CreatePartitionsRequest;
use kafka_protocol::messages::create_partitions_response::{CreatePartitionsResponse, CreatePartitionsTopicResult};
use ottla_cluster::{MorePartitions, PartitionsAnswer, Refusal, Reply, Request};
use ottla_model::ErrorCode;

use crate::handlers::{Cx, name_of, text, topic_name};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: CreatePartitionsRequest) -> Handled<CreatePartitionsResponse> {
    let broker = std::sync::Arc::clone(cx.broker);
    let validate_only = request.validate_only;
    let topics: Vec<MorePartitions> = request
        .topics
        .iter()
        .map(|topic| MorePartitions {
            name: topic_name(&topic.name),
            count: topic.count,
            assignments: topic.assignments.as_ref().map(|assignments| {
                let brokers = assignments
                    .iter()
                    .map(|one| one.broker_ids.iter().map(|broker| broker.0).collect());
                brokers.collect()
            }),
        })
        .collect();
    Handled::Parked(Box::pin(async move {
        let names: Vec<_> = topics.iter().map(|topic| topic.name.clone()).collect();
        let answers = match broker
            .metadata
            .ask(Request::CreatePartitions { topics, validate_only })
            .await
        {
            Ok(Reply::CreatePartitions(answers)) => answers,
            Ok(other) => unreachable!("CreatePartitions is answered as such, not with {other:?}"),
            Err(code) => names
                .into_iter()
                .map(|name| PartitionsAnswer {
                    name,
                    result: Err(Refusal::new(code, "the change was not stored")),
                })
                .collect(),
        };
        CreatePartitionsResponse::default().with_results(answers.into_iter().map(result).collect())
    }))
}

fn result(answer: PartitionsAnswer) -> CreatePartitionsTopicResult {
    let (code, message) = match answer.result {
        Ok(()) => (ErrorCode::None, None),
        Err(refusal) => (refusal.code, Some(text(refusal.message))),
    };
    CreatePartitionsTopicResult::default()
        .with_name(name_of(&answer.name))
        .with_error_code(code.number())
        .with_error_message(message)
}
