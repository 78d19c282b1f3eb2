//! ListGroups (key 16), versions 0 to 5: the groups of every coordinator shard of this broker.

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::list_groups_request::ListGroupsRequest;
use kafka_protocol::messages::list_groups_response::{ListGroupsResponse, ListedGroup};
use ottla_group::{Command, ListGroups, Reply};

use crate::coordinators::Unanswered;
use crate::handlers::{Cx, text};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: ListGroupsRequest) -> Handled<ListGroupsResponse> {
    let filter = ListGroups {
        states: request.states_filter.iter().map(|state| state.to_string()).collect(),
        types: request.types_filter.iter().map(|kind| kind.to_string()).collect(),
    };
    let broker = std::sync::Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        let mut groups = Vec::new();
        for driver in broker.groups.all() {
            match driver
                .ask(Command::ListGroups(filter.clone()))
                .await
                .map_err(Unanswered::code)
            {
                Ok(Reply::ListGroups(Ok(listed))) => groups.extend(listed.into_iter().map(list)),
                Ok(Reply::ListGroups(Err(code))) | Err(code) => {
                    return ListGroupsResponse::default().with_error_code(code.number());
                }
                Ok(other) => unreachable!("a ListGroups is answered as one, not with {other:?}"),
            }
        }
        ListGroupsResponse::default().with_groups(groups)
    }))
}

fn list(group: ottla_group::ListedGroup) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(GroupId(text(group.group.as_str())))
        .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
        .with_group_state(text(group.state.name()))
        .with_group_type(text(ottla_group::ListedGroup::TYPE))
}
