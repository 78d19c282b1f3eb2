//! ListTransactions (key 66), versions 0 to 2: the transactional ids of every coordinator shard of this broker (KIP-664, KIP-1152).

use std::collections::BTreeSet;
use std::sync::Arc;

use kafka_protocol::messages::TransactionalId;
use kafka_protocol::messages::list_transactions_request::ListTransactionsRequest;
use kafka_protocol::messages::list_transactions_response::{ListTransactionsResponse, TransactionState};
use ottla_model::{ErrorCode, Millis, ProducerId};
use ottla_pattern::{Pattern, PatternFault};
use ottla_txn::{Command, ListTransactions, Listed, Reply};

use crate::coordinators::Unanswered;
use crate::handlers::{Cx, text};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: ListTransactionsRequest) -> Handled<ListTransactionsResponse> {
    let Ok(pattern) = pattern_of(&request) else {
        let code = ErrorCode::InvalidRegularExpression.number();
        return Handled::Now(ListTransactionsResponse::default().with_error_code(code));
    };
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
                    let asked_for =
                        |one: &Listed| pattern.as_ref().is_none_or(|pattern| pattern.matches(one.id.as_str()));
                    listed.extend(listing.transactions.into_iter().filter(asked_for).map(list));
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

/// What transactional ids have to match; nothing if there is no expression, or an empty one.
fn pattern_of(request: &ListTransactionsRequest) -> Result<Option<Pattern>, PatternFault> {
    let text = request.transactional_id_pattern.as_deref().unwrap_or_default();
    (!text.is_empty()).then(|| Pattern::parse(text)).transpose()
}

fn list(listed: Listed) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(TransactionalId(text(listed.id.as_str())))
        .with_producer_id(listed.producer.0.into())
        .with_transaction_state(text(listed.status.name()))
}
