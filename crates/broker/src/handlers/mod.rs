//! One file per API: wire message in, domain values down, domain answer back, wire message out. Version differences end
//! here.

use std::sync::Arc;

use kafka_protocol::protocol::StrBytes;
use ottla_group::{Command, Groups, Reply};
use ottla_log::Durability;
use ottla_model::{ErrorCode, GroupId, MemberId, ProducerEpoch, ProducerId, TopicName, TransactionalId};
use ottla_txn::Identity;

use crate::Broker;
use crate::coordinators::{Driver, Logged, Pending, Unanswered};
use crate::peer::Peer;
use crate::reply::Handled;

pub(crate) mod add_offsets_to_txn;
pub(crate) mod add_partitions_to_txn;
pub(crate) mod alter_configs;
pub(crate) mod api_versions;
pub(crate) mod authorized;
pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_groups;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;
pub(crate) mod describe_cluster;
pub(crate) mod describe_configs;
pub(crate) mod describe_groups;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_producers;
pub(crate) mod describe_topic_partitions;
pub(crate) mod describe_transactions;
pub(crate) mod end_txn;
pub(crate) mod fetch;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod init_producer_id;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod list_offsets;
pub(crate) mod list_transactions;
pub(crate) mod metadata;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(crate) mod offset_for_leader_epoch;
pub(crate) mod produce;
pub(crate) mod sync_group;
pub(crate) mod txn_offset_commit;
pub(crate) mod write_txn_markers;

/// What a handler knows beside the request's body.
#[derive(Clone, Copy)]
pub(crate) struct Cx<'a> {
    /// The broker.
    pub broker: &'a Arc<Broker>,
    /// Who asks.
    pub peer: &'a Peer,
    /// The version of the request and of its answer.
    pub version: i16,
    /// `client.id`; empty if the request has none.
    pub client_id: &'a str,
}

/// A string for the wire.
pub(crate) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

/// A topic's name for the wire.
pub(crate) fn name_of(name: &TopicName) -> kafka_protocol::messages::TopicName {
    kafka_protocol::messages::TopicName(text(name.as_str()))
}

/// A topic's name from the wire; its own copy, for the wire's is a slice of the request.
pub(crate) fn topic_name(name: &kafka_protocol::messages::TopicName) -> TopicName {
    TopicName::new(name.as_str())
}

/// A group's name from the wire.
pub(crate) fn group_id(name: &kafka_protocol::messages::GroupId) -> GroupId {
    GroupId::new(name.as_str())
}

/// A member's id from the wire; the empty one is none.
pub(crate) fn member_id(id: &StrBytes) -> Option<MemberId> {
    (!id.is_empty()).then(|| MemberId::new(id.as_str()))
}

/// A transactional id from the wire.
pub(crate) fn transactional_id(id: &kafka_protocol::messages::TransactionalId) -> TransactionalId {
    TransactionalId::new(id.as_str())
}

/// A producer from the wire.
pub(crate) fn identity(id: kafka_protocol::messages::ProducerId, epoch: i16) -> Identity {
    Identity {
        producer: ProducerId(id.0),
        epoch: ProducerEpoch(epoch),
    }
}

/// How versions before `since` call a producer that has a successor (KIP-588).
pub(crate) fn fenced(code: ErrorCode, version: i16, since: i16) -> ErrorCode {
    match code {
        ErrorCode::ProducerFenced if version < since => ErrorCode::InvalidProducerEpoch,
        code => code,
    }
}

/// Submits a command to a group's coordinator and turns what comes back, now or later, into the answer.
pub(crate) fn ask<R: Send + 'static>(
    driver: &Driver<Groups>,
    command: Command,
    answer: impl FnOnce(Result<Reply, ErrorCode>) -> R + Send + 'static,
) -> Handled<R> {
    settle::<Groups, R>(Arc::clone(driver.durability()), driver.submit(command), answer)
}

/// Turns what a coordinator decided, now or later, into the answer.
pub(crate) fn settle<M, R: Send + 'static>(
    durability: Arc<Durability>,
    pending: Pending<M::Reply>,
    answer: impl FnOnce(Result<M::Reply, ErrorCode>) -> R + Send + 'static,
) -> Handled<R>
where
    M: Logged + 'static,
    M::Reply: Send,
{
    match pending {
        Pending::Decided(reply, position) if durability.durable().0 >= position.0 => Handled::Now(answer(Ok(reply))),
        Pending::Unanswered(unanswered) => Handled::Now(answer(Err(unanswered.code()))),
        pending => {
            let parked = matches!(pending, Pending::Parked(_));
            let waiting =
                Box::pin(async move { answer(Driver::<M>::wait(durability, pending).await.map_err(Unanswered::code)) });
            if parked {
                Handled::Parked(waiting)
            } else {
                Handled::Pipelined(waiting)
            }
        }
    }
}
