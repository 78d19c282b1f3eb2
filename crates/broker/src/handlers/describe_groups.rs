//! DescribeGroups (key 15), versions 0 to 6: classic groups and their members.

use kafka_protocol::messages::GroupId;
use kafka_protocol::messages::describe_groups_request::DescribeGroupsRequest;
use kafka_protocol::messages::describe_groups_response::{
    DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use ottla_group::{Command, DescribedMember, GroupDescription, Reply};
use ottla_model::ErrorCode;

use crate::coordinators::Unanswered;
use crate::handlers::{Cx, authorized, group_id, text};
use crate::reply::Handled;

/// The first version in which a group that does not exist is an error (KIP-1043); before, it is a Dead group.
const NOT_FOUND_SINCE: i16 = 6;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeGroupsRequest) -> Handled<DescribeGroupsResponse> {
    let version = cx.version;
    let operations = request.include_authorized_operations;
    let broker = std::sync::Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        let mut groups = Vec::with_capacity(request.groups.len());
        for id in request.groups {
            let described = match broker.groups.of(&id) {
                Ok(driver) => match driver.ask(Command::DescribeGroup(group_id(&id))).await {
                    Ok(Reply::DescribeGroup(described)) => described,
                    Ok(other) => unreachable!("a DescribeGroup is answered as one, not with {other:?}"),
                    Err(unanswered) => Err(Unanswered::code(unanswered)),
                },
                Err(code) => Err(code),
            };
            let group = match described {
                Ok(group) => describe(id, group),
                Err(code) => refuse(version, id, code),
            };
            // From version 6 on there is nothing to be authorized for where there is no group.
            let exists = group.error_code != ErrorCode::GroupIdNotFound.number();
            groups.push(group.with_authorized_operations(authorized::group(operations && exists)));
        }
        DescribeGroupsResponse::default().with_groups(groups)
    }))
}

fn describe(id: GroupId, group: GroupDescription) -> DescribedGroup {
    DescribedGroup::default()
        .with_group_id(id)
        .with_group_state(text(group.state.name()))
        .with_protocol_type(text(group.protocol_type.as_deref().unwrap_or_default()))
        .with_protocol_data(text(group.protocol.as_deref().unwrap_or_default()))
        .with_members(group.members.into_iter().map(member).collect())
}

fn member(member: DescribedMember) -> DescribedGroupMember {
    DescribedGroupMember::default()
        .with_member_id(text(member.member.as_str()))
        .with_group_instance_id(member.instance.map(|id| text(id.as_str())))
        .with_client_id(text(&*member.client.id))
        .with_client_host(text(&*member.client.host))
        .with_member_metadata(member.metadata)
        .with_member_assignment(member.assignment)
}

fn refuse(version: i16, id: GroupId, code: ErrorCode) -> DescribedGroup {
    let message = format!("Group {} not found.", id.as_str());
    let answer = DescribedGroup::default().with_group_id(id);
    match code {
        ErrorCode::GroupIdNotFound if version < NOT_FOUND_SINCE => answer.with_group_state(text("Dead")),
        ErrorCode::GroupIdNotFound => answer
            .with_group_state(text("Dead"))
            .with_error_code(code.number())
            .with_error_message(Some(text(message))),
        code => answer.with_error_code(code.number()),
    }
}
