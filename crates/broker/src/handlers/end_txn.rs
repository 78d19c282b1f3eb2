//! EndTxn (key 26), versions 0 to 5: a producer commits or aborts. Answered once the decision is durable; the markers
//! are on their way by then.
//!
//! Whether the producer's epoch is raised follows from the version of this very request (KIP-890): v5 and later tell the
//! producer who it is from then on.

use std::sync::Arc;

use kafka_protocol::messages::end_txn_request::EndTxnRequest;
use kafka_protocol::messages::end_txn_response::EndTxnResponse;
use ottla_model::ErrorCode;
use ottla_txn::{Command, EndTransaction, Identity, Outcome, Refused, Reply, TransactionVersion, Transactions};

use crate::Broker;
use crate::coordinators::{Pending, Unanswered};
use crate::handlers::{Cx, fenced, identity, settle, transactional_id};
use crate::reply::Handled;

/// The first version that knows PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 2;
/// The first version that raises the epoch (KIP-890).
const RAISES_SINCE: i16 = 5;

pub(crate) fn handle(cx: &Cx<'_>, request: EndTxnRequest) -> Handled<EndTxnResponse> {
    let version = cx.version;
    let end = EndTransaction {
        id: transactional_id(&request.transactional_id),
        identity: identity(request.producer_id, request.producer_epoch),
        outcome: if request.committed {
            Outcome::Commit
        } else {
            Outcome::Abort
        },
        version: if version >= RAISES_SINCE {
            TransactionVersion::V2
        } else {
            TransactionVersion::V1
        },
        fresh: None,
    };
    let transactions = &cx.broker.transactions;
    let pending = transactions.submit(&end.id, Command::EndTransaction(end.clone()));
    if let Pending::Decided(Reply::EndTransaction(Err(Refused::NeedsProducerId)), _) = pending {
        let broker = Arc::clone(cx.broker);
        return Handled::Parked(Box::pin(async move {
            answer(version, end_with_fresh_id(&broker, end).await)
        }));
    }
    settle::<Transactions, _>(transactions.durability(), pending, move |reply| {
        answer(version, reply.and_then(told))
    })
}

/// The producer's epochs are used up: it goes on under another id.
async fn end_with_fresh_id(broker: &Arc<Broker>, mut end: EndTransaction) -> Result<Identity, ErrorCode> {
    end.fresh = Some(broker.metadata.producer_id().await?);
    let id = end.id.clone();
    let reply = broker.transactions.ask(&id, Command::EndTransaction(end)).await;
    reply.map_err(Unanswered::code).and_then(told)
}

fn told(reply: Reply) -> Result<Identity, ErrorCode> {
    match reply {
        Reply::EndTransaction(Ok(identity)) => Ok(identity),
        Reply::EndTransaction(Err(Refused::Code(code))) => Err(code),
        // It was asked with one.
        Reply::EndTransaction(Err(Refused::NeedsProducerId)) => Err(ErrorCode::UnknownServerError),
        other => unreachable!("an EndTxn is answered as one, not with {other:?}"),
    }
}

fn answer(version: i16, ended: Result<Identity, ErrorCode>) -> EndTxnResponse {
    let unknown = EndTxnResponse::default()
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    match ended {
        Ok(identity) if version >= RAISES_SINCE => EndTxnResponse::default()
            .with_producer_id(identity.producer.0.into())
            .with_producer_epoch(identity.epoch.0),
        Ok(_) => unknown,
        Err(code) => unknown.with_error_code(fenced(code, version, FENCED_SINCE).number()),
    }
}
