//! JoinGroup (key 11), versions 0 to 9.

use std::sync::Arc;

use kafka_protocol::messages::join_group_request::JoinGroupRequest;
use kafka_protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use kafka_protocol::protocol::StrBytes;
use ottla_group::{Client, Command, InstanceId, JoinGroup, JoinRefused, Joined, Protocol, Reply};
use ottla_model::{ErrorCode, Millis};

use crate::handlers::{Cx, ask, group_id, member_id, text};
use crate::reply::Handled;

/// The first version with a rebalance timeout of its own.
const REBALANCE_TIMEOUT_SINCE: i16 = 1;
/// The first version in which a newcomer is given its id before it may join (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;
/// The first version in which the protocol name may be null.
const NULLABLE_PROTOCOL_SINCE: i16 = 7;
/// The first version that can tell a leader to leave the assignment as it is (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

pub(crate) fn handle(cx: &Cx<'_>, request: JoinGroupRequest) -> Handled<JoinGroupResponse> {
    let echo = StrBytes::from_string(request.member_id.to_string());
    let version = cx.version;
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(refuse(version, echo, code)),
    };
    ask(&driver, command(cx, request), move |reply| match reply {
        Ok(Reply::JoinGroup(Ok(joined))) => answer(version, joined),
        Ok(Reply::JoinGroup(Err(JoinRefused::MemberIdRequired(id)))) => {
            refuse(version, text(id.as_str()), ErrorCode::MemberIdRequired)
        }
        Ok(Reply::JoinGroup(Err(JoinRefused::Error(code)))) | Err(code) => refuse(version, echo, code),
        Ok(other) => unreachable!("a JoinGroup is answered as one, not with {other:?}"),
    })
}

fn command(cx: &Cx<'_>, request: JoinGroupRequest) -> Command {
    let session_timeout = Millis(request.session_timeout_ms.into());
    let rebalance_timeout = if cx.version >= REBALANCE_TIMEOUT_SINCE {
        Millis(request.rebalance_timeout_ms.into())
    } else {
        session_timeout
    };
    let protocols = request.protocols.iter().map(|protocol| Protocol {
        name: Arc::from(protocol.name.as_str()),
        metadata: bytes::Bytes::copy_from_slice(&protocol.metadata),
    });
    Command::JoinGroup(JoinGroup {
        group: group_id(&request.group_id),
        member: member_id(&request.member_id),
        instance: request
            .group_instance_id
            .as_ref()
            .map(|id| InstanceId::new(id.as_str())),
        client: Client::new(cx.client_id, cx.peer.host()),
        fresh_uuid: uuid::Uuid::new_v4().to_string(),
        session_timeout,
        rebalance_timeout,
        protocol_type: Arc::from(request.protocol_type.as_str()),
        protocols: protocols.collect(),
        reason: request.reason.as_ref().map(|reason| reason.to_string()),
        member_id_required: cx.version >= MEMBER_ID_REQUIRED_SINCE,
        skip_assignment_understood: cx.version >= SKIP_ASSIGNMENT_SINCE,
    })
}

fn answer(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.member.as_str()))
            .with_group_instance_id(member.instance.map(|id| text(id.as_str())))
            .with_metadata(member.metadata)
    });
    let skip_assignment = version >= SKIP_ASSIGNMENT_SINCE && joined.skip_assignment;
    JoinGroupResponse::default()
        .with_generation_id(joined.generation.0)
        .with_protocol_type(Some(text(&*joined.protocol_type)))
        .with_protocol_name(Some(text(&*joined.protocol)))
        .with_leader(text(joined.leader.as_str()))
        .with_skip_assignment(skip_assignment)
        .with_member_id(text(joined.member.as_str()))
        .with_members(members.collect())
}

fn refuse(version: i16, member_id: StrBytes, code: ErrorCode) -> JoinGroupResponse {
    let protocol = (version < NULLABLE_PROTOCOL_SINCE).then(StrBytes::default);
    JoinGroupResponse::default()
        .with_error_code(code.number())
        .with_generation_id(-1)
        .with_protocol_name(protocol)
        .with_member_id(member_id)
}
