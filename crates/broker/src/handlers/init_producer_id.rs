//! InitProducerId (key 22), versions 0 to 5: a fresh producer id for an idempotent producer.
//!
//! Ids come from blocks of 1,000 that the cluster's log hands out, so that none is given twice.

use kafka_protocol::messages::ProducerId;
use kafka_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use kafka_protocol::messages::init_producer_id_response::InitProducerIdResponse;
use ottla_model::ErrorCode;

use crate::handlers::Cx;
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: InitProducerIdRequest) -> Handled<InitProducerIdResponse> {
    match &request.transactional_id {
        None => {}
        Some(id) if id.is_empty() => return Handled::Now(refuse(ErrorCode::InvalidRequest)),
        // No transaction coordinator runs here yet, and a client that asks for one must not believe otherwise.
        Some(_) => return Handled::Now(refuse(ErrorCode::TransactionalIdAuthorizationFailed)),
    }
    // The id and the epoch that a producer expects come together or not at all (KIP-360).
    if (request.producer_id.0 == -1) != (request.producer_epoch == -1) {
        return Handled::Now(refuse(ErrorCode::InvalidRequest));
    }
    let broker = std::sync::Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        match broker.metadata.producer_id().await {
            Ok(id) => InitProducerIdResponse::default()
                .with_producer_id(ProducerId(id.0))
                .with_producer_epoch(0),
            Err(code) => refuse(code),
        }
    }))
}

fn refuse(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.number())
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}
