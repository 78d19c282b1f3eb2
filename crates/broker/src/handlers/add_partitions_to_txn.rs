//! AddPartitionsToTxn (key 24), versions 0 to 5: partitions take part in a transaction; from v4 on several transactions in
//! one request, as brokers ask each other, and questions whether partitions take part (KIP-890).
//!
//! All partitions of a transaction are added, or none: if one cannot be, the others are told that nothing was tried.

use std::collections::BTreeSet;

use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResponse, AddPartitionsToTxnResult,
    AddPartitionsToTxnTopicResult,
};
use ottla_model::{ErrorCode, PartitionIndex, TopicPartition};
use ottla_txn::{AddPartitions, Command, Reply, TransactionVersion, Transactions, VerifyPartitions};

use crate::Broker;
use crate::coordinators::Unanswered;
use crate::handlers::{Cx, fenced, identity, settle, topic_name, transactional_id};
use crate::reply::Handled;
use crate::topics::is_internal;

/// The first version for brokers, with several transactions.
const MANY_SINCE: i16 = 4;
/// The first version that knows PRODUCER_FENCED (KIP-588).
const FENCED_SINCE: i16 = 2;

pub(crate) fn handle(cx: &Cx<'_>, request: AddPartitionsToTxnRequest) -> Handled<AddPartitionsToTxnResponse> {
    if cx.version < MANY_SINCE {
        return of_client(cx, request);
    }
    let broker = std::sync::Arc::clone(cx.broker);
    Handled::Parked(Box::pin(async move {
        let mut results = Vec::with_capacity(request.transactions.len());
        for transaction in request.transactions {
            let judged = judge(&broker, &transaction).await;
            let topics = answer_topics(&transaction.topics, &judged);
            results.push(
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id)
                    .with_topic_results(topics),
            );
        }
        AddPartitionsToTxnResponse::default().with_results_by_transaction(results)
    }))
}

/// One transaction; the answer has no place for an error of the whole.
fn of_client(cx: &Cx<'_>, request: AddPartitionsToTxnRequest) -> Handled<AddPartitionsToTxnResponse> {
    let (version, topics) = (cx.version, request.v3_and_below_topics);
    let answer = |topics: &[_], judged: &Judged| {
        AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(answer_topics(topics, judged))
    };
    if let Some(judged) = hopeless(cx.broker, &topics, Asker::Client) {
        return Handled::Now(answer(&topics, &judged));
    }
    let id = transactional_id(&request.v3_and_below_transactional_id);
    let command = Command::AddPartitions(AddPartitions {
        id: id.clone(),
        identity: identity(request.v3_and_below_producer_id, request.v3_and_below_producer_epoch),
        partitions: partitions(&topics),
        version: TransactionVersion::V1,
    });
    let transactions = &cx.broker.transactions;
    let pending = transactions.submit(&id, command);
    settle::<Transactions, _>(transactions.durability(), pending, move |reply| {
        let judged = match reply {
            Ok(reply) => Judged::of(reply),
            Err(code) => Judged::All(code),
        };
        let judged = match judged {
            Judged::All(code) => Judged::All(fenced(code, version, FENCED_SINCE)),
            judged => judged,
        };
        answer(&topics, &judged)
    })
}

/// What is said of the partitions of one transaction.
enum Judged {
    /// The same of all.
    All(ErrorCode),
    /// Something of some, something else of the others.
    Some(BTreeSet<TopicPartition>, ErrorCode, ErrorCode),
    /// Some cannot be added whoever asks; nothing was tried with the others.
    Hopeless(Vec<(TopicPartition, ErrorCode)>),
}

impl Judged {
    fn of(reply: Reply) -> Judged {
        match reply {
            Reply::AddPartitions(Ok(())) => Judged::All(ErrorCode::None),
            Reply::VerifyPartitions(Ok(missing)) => {
                Judged::Some(missing, ErrorCode::TransactionAbortable, ErrorCode::None)
            }
            Reply::AddPartitions(Err(code)) | Reply::VerifyPartitions(Err(code)) => Judged::All(code),
            other => unreachable!("who adds partitions is answered so, not with {other:?}"),
        }
    }

    fn code(&self, partition: &TopicPartition) -> ErrorCode {
        match self {
            Judged::All(code) => *code,
            Judged::Some(some, code, _) if some.contains(partition) => *code,
            Judged::Some(_, _, code) => *code,
            Judged::Hopeless(hopeless) => hopeless
                .iter()
                .find(|(known, _)| known == partition)
                .map_or(ErrorCode::OperationNotAttempted, |(_, code)| *code),
        }
    }
}

async fn judge(broker: &Broker, transaction: &AddPartitionsToTxnTransaction) -> Judged {
    let (id, identity) = (
        transactional_id(&transaction.transactional_id),
        identity(transaction.producer_id, transaction.producer_epoch),
    );
    if let Some(judged) = hopeless(broker, &transaction.topics, Asker::Broker) {
        return judged;
    }
    let partitions = partitions(&transaction.topics);
    let command = if transaction.verify_only {
        Command::VerifyPartitions(VerifyPartitions {
            id: id.clone(),
            identity,
            partitions,
        })
    } else {
        Command::AddPartitions(AddPartitions {
            id: id.clone(),
            identity,
            partitions,
            // Only a broker asks like this, for a client that works by the rules of V2.
            version: TransactionVersion::V2,
        })
    };
    match broker.transactions.ask(&id, command).await.map_err(Unanswered::code) {
        Ok(reply) => Judged::of(reply),
        Err(code) => Judged::All(code),
    }
}

fn partitions(topics: &[AddPartitionsToTxnTopic]) -> BTreeSet<TopicPartition> {
    topics.iter().flat_map(partitions_of).collect()
}

fn partitions_of(topic: &AddPartitionsToTxnTopic) -> impl Iterator<Item = TopicPartition> + '_ {
    let name = topic_name(&topic.name);
    topic.partitions.iter().map(move |index| TopicPartition {
        topic: name.clone(),
        index: PartitionIndex(*index),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asker {
    /// Groups take part by AddOffsetsToTxn only.
    Client,
    Broker,
}

/// The partitions that cannot be added; `None` if there are none.
fn hopeless(broker: &Broker, topics: &[AddPartitionsToTxnTopic], asker: Asker) -> Option<Judged> {
    let why_not = |partition: &TopicPartition| {
        if asker == Asker::Client && is_internal(&partition.topic) {
            return Some(ErrorCode::TopicAuthorizationFailed);
        }
        let topic = broker.topics.by_name(partition.topic.as_str());
        let exists = topic.is_ok_and(|topic| (0..topic.partition_count() as i32).contains(&partition.index.0));
        (!exists).then_some(ErrorCode::UnknownTopicOrPartition)
    };
    let all = topics.iter().flat_map(partitions_of);
    let hopeless = all
        .filter_map(|partition| why_not(&partition).map(|code| (partition, code)))
        .collect::<Vec<_>>();
    (!hopeless.is_empty()).then_some(Judged::Hopeless(hopeless))
}

fn answer_topics(topics: &[AddPartitionsToTxnTopic], judged: &Judged) -> Vec<AddPartitionsToTxnTopicResult> {
    let answer = |topic: &AddPartitionsToTxnTopic| {
        let partitions = partitions_of(topic).map(|partition| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(partition.index.0)
                .with_partition_error_code(judged.code(&partition).number())
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    };
    topics.iter().map(answer).collect()
}
