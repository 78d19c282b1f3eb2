//! SyncGroup (key 14), versions 0 to 5.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::messages::sync_group_request::SyncGroupRequest;
use kafka_protocol::messages::sync_group_response::SyncGroupResponse;
use ottla_group::{Command, InstanceId, Reply, SyncGroup};
use ottla_model::{ErrorCode, Generation, MemberId};

use crate::handlers::{Cx, ask, group_id, text};
use crate::reply::Handled;

/// The first version that must say protocol type and name.
const PROTOCOL_SINCE: i16 = 5;

pub(crate) fn handle(cx: &Cx<'_>, request: SyncGroupRequest) -> Handled<SyncGroupResponse> {
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(refuse(code)),
    };
    let assignments = request.assignments.iter().map(|assignment| {
        (
            MemberId::new(assignment.member_id.as_str()),
            Bytes::copy_from_slice(&assignment.assignment),
        )
    });
    let command = Command::SyncGroup(SyncGroup {
        group: group_id(&request.group_id),
        member: MemberId::new(request.member_id.as_str()),
        instance: request
            .group_instance_id
            .as_ref()
            .map(|id| InstanceId::new(id.as_str())),
        generation: Generation(request.generation_id),
        protocol_type: request.protocol_type.as_ref().map(|text| Arc::from(text.as_str())),
        protocol: request.protocol_name.as_ref().map(|text| Arc::from(text.as_str())),
        protocol_mandatory: cx.version >= PROTOCOL_SINCE,
        assignments: assignments.collect(),
    });
    ask(&driver, command, |reply| match reply {
        Ok(Reply::SyncGroup(Ok(synced))) => SyncGroupResponse::default()
            .with_protocol_type(Some(text(&*synced.protocol_type)))
            .with_protocol_name(Some(text(&*synced.protocol)))
            .with_assignment(synced.assignment),
        Ok(Reply::SyncGroup(Err(code))) | Err(code) => refuse(code),
        Ok(other) => unreachable!("a SyncGroup is answered as one, not with {other:?}"),
    })
}

fn refuse(code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(code.number())
}
