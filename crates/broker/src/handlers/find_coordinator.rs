//! FindCoordinator (key 10), versions 0 to 6: who looks after a group or a transactional id. On one node that is always
//! this broker.

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_protocol::messages::find_coordinator_response::{Coordinator, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_model::ErrorCode;

use crate::handlers::{Cx, text};
use crate::reply::Handled;

/// The first version that asks for many at once (KIP-699).
const MANY_SINCE: i16 = 4;
/// The first version that knows share coordinators (KIP-932).
const SHARE_SINCE: i16 = 6;

pub(crate) fn handle(cx: &Cx<'_>, request: FindCoordinatorRequest) -> Handled<FindCoordinatorResponse> {
    let refused = refused(cx.version, request.key_type);
    if cx.version < MANY_SINCE {
        let found = coordinator(cx, request.key, refused);
        let answer = FindCoordinatorResponse::default()
            .with_error_code(found.error_code)
            .with_error_message(found.error_message)
            .with_node_id(found.node_id)
            .with_host(found.host)
            .with_port(found.port);
        return Handled::Now(answer);
    }
    let coordinators = request
        .coordinator_keys
        .into_iter()
        .map(|key| coordinator(cx, key, refused))
        .collect();
    Handled::Now(FindCoordinatorResponse::default().with_coordinators(coordinators))
}

/// Which kinds of coordinator there are: 0 groups, 1 transactions, 2 share groups.
fn refused(version: i16, key_type: i8) -> Option<ErrorCode> {
    match key_type {
        0 | 1 => None,
        2 if version >= SHARE_SINCE => Some(ErrorCode::CoordinatorNotAvailable),
        _ => Some(ErrorCode::InvalidRequest),
    }
}

fn coordinator(cx: &Cx<'_>, key: StrBytes, refused: Option<ErrorCode>) -> Coordinator {
    let answer = Coordinator::default().with_key(key);
    match refused {
        None => {
            let (host, port) = cx.broker.endpoint(cx.peer);
            let node = BrokerId(cx.broker.config.node_id);
            // Kafka writes the name of "no error" out, from version 1 on.
            answer
                .with_node_id(node)
                .with_host(text(host))
                .with_port(port)
                .with_error_message(Some(text("NONE")))
        }
        Some(code) => answer
            .with_error_code(code.number())
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_message(Some(text(code.name()))),
    }
}
