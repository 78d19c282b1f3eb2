//! ListTransactions (key 66), versions 0 and 1: the transactional ids of every coordinator shard of this broker (KIP-664).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::TransactionalId;
use kafka_protocol::messages::list_transactions_request::ListTransactionsRequest;
use kafka_protocol::messages::list_transactions_response::{ListTransactionsResponse, TransactionState};
use ottla_model::{Millis, ProducerId};
use ottla_txn::{Command, ListTransactions, Listed, Reply};

use crate::coordinators::Unanswered;
use crate::handlers::{Cx, text};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: ListTransactionsRequest) -> Handled<ListTransactionsResponse> {
    let states = request.state_filters.iter();
    let producers = request.producer_id_filters.iter();
    let filter = ListTransactions {
        states: states.map(|state| state.to_string()).collect(),
        producers: producers.map(|producer| ProducerId(producer.0)).collect(),
        older_than: (request.duration_filter >= 0).then_some(Millis(request.duration_filter)),
    };
    let broker = Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        let (mut unknown, mut listed) = (BTreeSet::new(), Vec::new());
        for driver in broker.transactions.all() {
            match driver
                .ask(Command::List(filter.clone()))
                .await
                .map_err(Unanswered::code)
            {
                Ok(Reply::List(listing)) => {
                    unknown.extend(listing.unknown_states);
                    listed.extend(listing.transactions.into_iter().map(list));
                }
                Err(code) => return ListTransactionsResponse::default().with_error_code(code.number()),
                Ok(other) => unreachable!("a List is answered as one, not with {other:?}"),
            }
        }
        ListTransactionsResponse::default()
            .with_unknown_state_filters(unknown.into_iter().map(text).collect())
            .with_transaction_states(listed)
    }))
}

fn list(listed: Listed) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(TransactionalId(text(listed.id.as_str())))
        .with_producer_id(listed.producer.0.into())
        .with_transaction_state(text(listed.status.name()))
}
