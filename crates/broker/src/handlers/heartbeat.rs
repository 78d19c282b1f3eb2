//! Heartbeat (key 12), versions 0 to 4.

use kafka_protocol::messages::heartbeat_request::HeartbeatRequest;
use kafka_protocol::messages::heartbeat_response::HeartbeatResponse;
use ottla_group::{Command, Heartbeat, InstanceId, Reply};
use ottla_model::{Generation, MemberId};

use crate::handlers::{Cx, ask, group_id};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: HeartbeatRequest) -> Handled<HeartbeatResponse> {
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(HeartbeatResponse::default().with_error_code(code.number())),
    };
    let command = Command::Heartbeat(Heartbeat {
        group: group_id(&request.group_id),
        member: MemberId::new(request.member_id.as_str()),
        instance: request
            .group_instance_id
            .as_ref()
            .map(|id| InstanceId::new(id.as_str())),
        generation: Generation(request.generation_id),
    });
    ask(&driver, command, |reply| match reply {
        Ok(Reply::Heartbeat(Ok(()))) => HeartbeatResponse::default(),
        Ok(Reply::Heartbeat(Err(code))) | Err(code) => HeartbeatResponse::default().with_error_code(code.number()),
        Ok(other) => unreachable!("a Heartbeat is answered as one, not with {other:?}"),
    })
}
