//! TxnOffsetCommit (key 28), versions 0 to 5: positions that count once the producer's transaction is committed (KIP-98,
//! KIP-447). By v5 the group comes to take part in the transaction with it (KIP-890); before, AddOffsetsToTxn said so.

use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponse, TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use ottla_group::{
    Command, CommitPartition, CommitRefused, CommitTopic, Groups, InstanceId, OffsetCommit, Producer, Reply,
    TopicAnswers, TransactionalCommit,
};
use ottla_model::{ErrorCode, Generation, LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicName};

use crate::coordinators::{Driver, Joining, Pending};
use crate::handlers::{Cx, group_id, identity, member_id, settle, topic_name, transactional_id};
use crate::reply::Handled;

/// The first version by which the group takes part implicitly (KIP-890).
const IMPLIED_SINCE: i16 = 5;
/// The first version that knows TRANSACTION_ABORTABLE.
const ABORTABLE_SINCE: i16 = 4;

pub(crate) fn handle(cx: &Cx<'_>, request: TxnOffsetCommitRequest) -> Handled<TxnOffsetCommitResponse> {
    if request.group_id.is_empty() {
        return Handled::Now(answer(&request, |_, _| ErrorCode::InvalidGroupId));
    }
    let topics: Vec<CommitTopic> = request
        .topics
        .iter()
        .filter_map(|topic| known_part(cx, topic))
        .collect();
    if topics.iter().all(|topic| topic.partitions.is_empty()) {
        return Handled::Now(answer(&request, |_, _| ErrorCode::UnknownTopicOrPartition));
    }
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(answer(&request, |_, _| code)),
    };
    let pending = match commit(cx, &request, &driver, topics) {
        Ok(pending) => pending,
        Err(code) => return Handled::Now(answer(&request, |_, _| code)),
    };
    settle::<Groups, _>(
        std::sync::Arc::clone(driver.durability()),
        pending,
        move |reply| match reply {
            Ok(Reply::TransactionalCommit(Ok(answers))) => {
                answer(&request, |topic, index| answered(&answers, topic, index))
            }
            Ok(Reply::TransactionalCommit(Err(CommitRefused::Error(code)))) | Err(code) => {
                answer(&request, |_, _| code)
            }
            Ok(other) => unreachable!("a TxnOffsetCommit is answered as one, not with {other:?}"),
        },
    )
}

/// Commits if the transaction has positions of the group's shard already; else under the eyes of its coordinator, so that
/// no end of it comes between.
fn commit(
    cx: &Cx<'_>,
    request: &TxnOffsetCommitRequest,
    driver: &Driver<Groups>,
    topics: Vec<CommitTopic>,
) -> Result<Pending<Reply>, ErrorCode> {
    let mut asked = asked(request, topics);
    // The log would refuse the write, which the group's coordinator must not rely on.
    if driver.is_superseded(asked.producer.id, asked.producer.epoch) {
        return Err(ErrorCode::InvalidProducerEpoch);
    }
    let pending = driver.submit(Command::TransactionalCommit(asked.clone()));
    let unannounced = Reply::TransactionalCommit(Err(CommitRefused::Unannounced));
    if !matches!(&pending, Pending::Decided(reply, _) if *reply == unannounced) {
        return Ok(pending);
    }
    asked.announced = true;
    let joining = if cx.version >= IMPLIED_SINCE {
        Joining::Implied
    } else {
        Joining::Announced
    };
    cx.broker.transactions.join(
        transactional_id(&request.transactional_id),
        identity(request.producer_id, request.producer_epoch),
        [cx.broker.groups.partition_of(&request.group_id)].into(),
        joining,
        |joined| match joined {
            Ok(missing) if missing.is_empty() => Ok(driver.submit(Command::TransactionalCommit(asked))),
            Ok(_) => Err(refusal(ErrorCode::TransactionAbortable, cx.version)),
            Err(code) => Err(refusal(code, cx.version)),
        },
    )
}

/// How this request calls what the transaction's coordinator said.
fn refusal(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::TransactionAbortable if version < ABORTABLE_SINCE => ErrorCode::InvalidTxnState,
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        // To be asked again. Those who let the broker add partitions know what goes on between two transactions; a running Kafka
        // was seen to tell them. This code has those before them ask again.
        ErrorCode::ConcurrentTransactions if version < IMPLIED_SINCE => ErrorCode::CoordinatorNotAvailable,
        code => code,
    }
}

fn asked(request: &TxnOffsetCommitRequest, topics: Vec<CommitTopic>) -> TransactionalCommit {
    let instance = request.group_instance_id.as_ref();
    TransactionalCommit {
        commit: OffsetCommit {
            group: group_id(&request.group_id),
            member: member_id(&request.member_id),
            instance: instance.map(|id| InstanceId::new(id.as_str())),
            generation: (request.generation_id >= 0).then_some(Generation(request.generation_id)),
            retention: None,
            topics,
            errors_since_v9: false,
        },
        producer: Producer {
            id: ProducerId(request.producer_id.0),
            epoch: ProducerEpoch(request.producer_epoch),
        },
        announced: false,
    }
}

/// The partitions of a topic that exist; `None` if the topic does not.
fn known_part(cx: &Cx<'_>, asked: &TxnOffsetCommitRequestTopic) -> Option<CommitTopic> {
    let topic = cx.broker.topics.by_name(&asked.name).ok()?;
    let count = topic.partition_count() as i32;
    let partitions = asked
        .partitions
        .iter()
        .filter(|asked| (0..count).contains(&asked.partition_index));
    Some(CommitTopic {
        topic: topic.name.clone(),
        id: Some(topic.id),
        partitions: partitions.map(commit_of).collect(),
    })
}

fn commit_of(asked: &TxnOffsetCommitRequestPartition) -> CommitPartition {
    let epoch = LeaderEpoch(asked.committed_leader_epoch);
    CommitPartition {
        index: PartitionIndex(asked.partition_index),
        offset: Offset(asked.committed_offset),
        leader_epoch: (epoch != LeaderEpoch::UNKNOWN).then_some(epoch),
        metadata: asked
            .committed_metadata
            .as_ref()
            .map(|text| text.to_string())
            .unwrap_or_default(),
    }
}

/// What the coordinator said of one partition; what it was not asked about does not exist.
fn answered(answers: &[TopicAnswers], topic: &TopicName, index: PartitionIndex) -> ErrorCode {
    let partitions = answers
        .iter()
        .filter(|answer| answer.topic == *topic)
        .flat_map(|answer| &answer.partitions);
    match partitions.into_iter().find(|(known, _)| *known == index) {
        Some((_, Ok(()))) => ErrorCode::None,
        Some((_, Err(code))) => *code,
        None => ErrorCode::UnknownTopicOrPartition,
    }
}

fn answer(
    request: &TxnOffsetCommitRequest,
    code: impl Fn(&TopicName, PartitionIndex) -> ErrorCode,
) -> TxnOffsetCommitResponse {
    let topics = request.topics.iter().map(|topic| {
        let name = topic_name(&topic.name);
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(&name, PartitionIndex(partition.partition_index)).number())
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_adds_partitions_itself_is_not_told_of_transactions_that_overlap() {
        let told = |version| refusal(ErrorCode::ConcurrentTransactions, version);
        assert_eq!(told(IMPLIED_SINCE - 1), ErrorCode::CoordinatorNotAvailable);
        assert_eq!(told(IMPLIED_SINCE), ErrorCode::ConcurrentTransactions);
    }
}
