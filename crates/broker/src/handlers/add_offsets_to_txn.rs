//! AddOffsetsToTxn (key 25), versions 0 to 4: a group's positions take part in a transaction, by the rules of V1.

use kafka_protocol::messages::add_offsets_to_txn_request::AddOffsetsToTxnRequest;
use kafka_protocol::messages::add_offsets_to_txn_response::AddOffsetsToTxnResponse;
use ottla_model::ErrorCode;
use ottla_txn::{AddPartitions, Command, Reply, TransactionVersion, Transactions};

use crate::handlers::{Cx, fenced, identity, settle, transactional_id};
use crate::reply::Handled;

/// The first version that knows PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 2;

pub(crate) fn handle(cx: &Cx<'_>, request: AddOffsetsToTxnRequest) -> Handled<AddOffsetsToTxnResponse> {
    let version = cx.version;
    let transactions = &cx.broker.transactions;
    let id = transactional_id(&request.transactional_id);
    let command = Command::AddPartitions(AddPartitions {
        id: id.clone(),
        identity: identity(request.producer_id, request.producer_epoch),
        partitions: [cx.broker.groups.partition_of(&request.group_id)].into(),
        version: TransactionVersion::V1,
    });
    let pending = transactions.submit(&id, command);
    settle::<Transactions, _>(transactions.durability(), pending, move |reply| {
        let code = match reply {
            Ok(Reply::AddPartitions(Ok(()))) => ErrorCode::None,
            Ok(Reply::AddPartitions(Err(code))) | Err(code) => fenced(code, version, FENCED_SINCE),
            Ok(other) => unreachable!("who adds partitions is answered so, not with {other:?}"),
        };
        AddOffsetsToTxnResponse::default().with_error_code(code.number())
    })
}
