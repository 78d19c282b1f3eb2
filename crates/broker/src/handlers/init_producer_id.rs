//! InitProducerId (key 22), versions 0 to 5: an id for an idempotent producer, and who a transactional one is.
//!
//! Ids come from blocks of 1,000 that the cluster's log hands out, so that none is given twice. A transactional id keeps
//! its producer id; each new instance of the producer gets a higher epoch, which fences the one before.

use std::sync::Arc;

use kafka_protocol::messages::init_producer_id_request::InitProducerIdRequest;
use kafka_protocol::messages::init_producer_id_response::InitProducerIdResponse;
use ottla_model::{ErrorCode, Millis};
use ottla_txn::{Command, Identity, InitProducerId, Refused, Reply};

use crate::Broker;
use crate::coordinators::Unanswered;
use crate::handlers::{Cx, fenced, identity, transactional_id};
use crate::reply::Handled;

/// The first version that knows PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 4;

pub(crate) fn handle(cx: &Cx<'_>, request: InitProducerIdRequest) -> Handled<InitProducerIdResponse> {
    if request.transactional_id.as_ref().is_some_and(|id| id.is_empty()) {
        return Handled::Now(refuse(ErrorCode::InvalidRequest));
    }
    // The id and the epoch that a producer expects come together or not at all (KIP-360).
    if (request.producer_id.0 == -1) != (request.producer_epoch == -1) {
        return Handled::Now(refuse(ErrorCode::InvalidRequest));
    }
    let (broker, version) = (Arc::clone(cx.broker), cx.version);
    Handled::Parked(Box::pin(async move {
        let given = match &request.transactional_id {
            None => broker.metadata.producer_id().await.map(Identity::first),
            Some(id) => transactional(&broker, transactional_id(id), &request).await,
        };
        match given {
            Ok(given) => InitProducerIdResponse::default()
                .with_producer_id(given.producer.0.into())
                .with_producer_epoch(given.epoch.0),
            Err(code) => refuse(fenced(code, version, FENCED_SINCE)),
        }
    }))
}

async fn transactional(
    broker: &Arc<Broker>,
    id: ottla_model::TransactionalId,
    request: &InitProducerIdRequest,
) -> Result<Identity, ErrorCode> {
    let mut init = InitProducerId {
        id: id.clone(),
        timeout: Millis(i64::from(request.transaction_timeout_ms)),
        expected: (request.producer_id.0 != -1).then(|| identity(request.producer_id, request.producer_epoch)),
        fresh: None,
    };
    loop {
        let command = Command::InitProducerId(init.clone());
        let reply = broker.transactions.ask(&id, command).await.map_err(Unanswered::code)?;
        match reply {
            Reply::InitProducerId(Ok(given)) => return Ok(given),
            Reply::InitProducerId(Err(Refused::Code(code))) => return Err(code),
            Reply::InitProducerId(Err(Refused::NeedsProducerId)) => {
                init.fresh = Some(broker.metadata.producer_id().await?);
            }
            other => unreachable!("an InitProducerId is answered as one, not with {other:?}"),
        }
    }
}

fn refuse(code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse::default()
        .with_error_code(code.number())
        .with_producer_id((-1).into())
        .with_producer_epoch(-1)
}
