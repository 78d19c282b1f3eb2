//! LeaveGroup (key 13), versions 0 to 5; a batch from version 3 on (KIP-345).

use kafka_protocol::messages::leave_group_request::LeaveGroupRequest;
use kafka_protocol::messages::leave_group_response::{LeaveGroupResponse, MemberResponse};
use ottla_group::{Command, InstanceId, LeaveGroup, Leaver, Reply};
use ottla_model::ErrorCode;

use crate::handlers::{Cx, ask, group_id, member_id};
use crate::reply::Handled;

/// The first version that names several members.
const BATCH_SINCE: i16 = 3;

pub(crate) fn handle(cx: &Cx<'_>, request: LeaveGroupRequest) -> Handled<LeaveGroupResponse> {
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(LeaveGroupResponse::default().with_error_code(code.number())),
    };
    let batch = cx.version >= BATCH_SINCE;
    let leavers = if batch {
        let leavers = request.members.iter().map(|member| Leaver {
            member: member_id(&member.member_id),
            instance: member.group_instance_id.as_ref().map(|id| InstanceId::new(id.as_str())),
            reason: member.reason.as_ref().map(|reason| reason.to_string()),
        });
        leavers.collect()
    } else {
        vec![Leaver {
            member: member_id(&request.member_id),
            instance: None,
            reason: None,
        }]
    };
    let command = Command::LeaveGroup(LeaveGroup {
        group: group_id(&request.group_id),
        members: leavers,
    });
    ask(&driver, command, move |reply| match reply {
        Ok(Reply::LeaveGroup(Ok(outcomes))) if batch => answer_batch(&request, &outcomes),
        Ok(Reply::LeaveGroup(Ok(outcomes))) => {
            let code = outcomes
                .first()
                .map_or(ErrorCode::None, |outcome| outcome.err().unwrap_or(ErrorCode::None));
            LeaveGroupResponse::default().with_error_code(code.number())
        }
        Ok(Reply::LeaveGroup(Err(code))) | Err(code) => LeaveGroupResponse::default().with_error_code(code.number()),
        Ok(other) => unreachable!("a LeaveGroup is answered as one, not with {other:?}"),
    })
}

fn answer_batch(request: &LeaveGroupRequest, outcomes: &[Result<(), ErrorCode>]) -> LeaveGroupResponse {
    let members = request.members.iter().zip(outcomes).map(|(member, outcome)| {
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(outcome.err().unwrap_or(ErrorCode::None).number())
    });
    LeaveGroupResponse::default().with_members(members.collect())
}
