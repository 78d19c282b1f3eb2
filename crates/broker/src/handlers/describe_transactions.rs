//! DescribeTransactions (key 65), version 0: what the coordinators know under transactional ids (KIP-664).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::messages::TransactionalId;
use kafka_protocol::messages::describe_transactions_request::DescribeTransactionsRequest;
use kafka_protocol::messages::describe_transactions_response::{
    DescribeTransactionsResponse, TopicData, TransactionState,
};
use ottla_model::{ErrorCode, TopicName};
use ottla_txn::{Command, Described, Reply};

use crate::coordinators::Unanswered;
use crate::handlers::{Cx, name_of, text, transactional_id};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeTransactionsRequest) -> Handled<DescribeTransactionsResponse> {
    let broker = Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        let mut states = Vec::with_capacity(request.transactional_ids.len());
        for asked in request.transactional_ids {
            let id = transactional_id(&asked);
            let reply = broker.transactions.ask(&id, Command::Describe(id.clone())).await;
            states.push(match reply.map_err(Unanswered::code) {
                Ok(Reply::Describe(Ok(described))) => describe(asked, described),
                Ok(Reply::Describe(Err(code))) | Err(code) => refuse(asked, code),
                Ok(other) => unreachable!("a Describe is answered as one, not with {other:?}"),
            });
        }
        DescribeTransactionsResponse::default().with_transaction_states(states)
    }))
}

fn refuse(id: TransactionalId, code: ErrorCode) -> TransactionState {
    TransactionState::default()
        .with_transactional_id(id)
        .with_error_code(code.number())
}

fn describe(id: TransactionalId, described: Described) -> TransactionState {
    let known = described.transaction;
    let mut topics: BTreeMap<TopicName, Vec<i32>> = BTreeMap::new();
    for partition in known.partitions {
        topics.entry(partition.topic).or_default().push(partition.index.0);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default()
            .with_topic(name_of(&topic))
            .with_partitions(partitions)
    });
    TransactionState::default()
        .with_transactional_id(id)
        .with_transaction_state(text(known.status.name()))
        .with_transaction_timeout_ms(known.timeout.0 as i32)
        .with_transaction_start_time_ms(known.started.map_or(-1, |started| started.0))
        .with_producer_id(known.identity.producer.0.into())
        .with_producer_epoch(known.identity.epoch.0)
        .with_topics(topics.collect())
}
