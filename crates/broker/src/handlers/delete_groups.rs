//! DeleteGroups (key 42), versions 0 to 2. A group named twice is answered once, as on Kafka.

use kafka_protocol::messages::delete_groups_request::DeleteGroupsRequest;
use kafka_protocol::messages::delete_groups_response::{DeletableGroupResult, DeleteGroupsResponse};
use ottla_group::{Command, Reply};
use ottla_model::ErrorCode;

use crate::coordinators::Unanswered;
use crate::handlers::{Cx, group_id};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: DeleteGroupsRequest) -> Handled<DeleteGroupsResponse> {
    let broker = std::sync::Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        let mut results: Vec<DeletableGroupResult> = Vec::with_capacity(request.groups_names.len());
        for id in request.groups_names {
            if results.iter().any(|result| result.group_id == id) {
                continue;
            }
            let outcome = match broker.groups.of(&id) {
                Ok(driver) => match driver.ask(Command::DeleteGroup(group_id(&id))).await {
                    Ok(Reply::DeleteGroup(outcome)) => outcome,
                    Ok(other) => unreachable!("a DeleteGroup is answered as one, not with {other:?}"),
                    Err(unanswered) => Err(Unanswered::code(unanswered)),
                },
                Err(code) => Err(code),
            };
            let code = outcome.err().unwrap_or(ErrorCode::None);
            results.push(
                DeletableGroupResult::default()
                    .with_group_id(id)
                    .with_error_code(code.number()),
            );
        }
        DeleteGroupsResponse::default().with_results(results)
    }))
}
