//! The partitions of a transactional producer's batches must take part in its transaction before the batches are taken.
//!
//! By v12 they come to take part with the batch; before, the producer has said so (AddPartitionsToTxn), which is verified
//! (KIP-890). Nothing is asked where the transaction is open in the partition already.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::messages::produce_request::ProduceRequest;
use ottla_log::Origin;
use ottla_log::batch::{BatchHeader, attributes};
use ottla_model::{ErrorCode, PartitionIndex, TopicName, TopicPartition, TransactionalId};
use ottla_txn::Identity;

use super::find_topic;
use crate::Broker;
use crate::coordinators::Joining;
use crate::handlers::transactional_id;

/// The first version whose batches bring their partition into the transaction.
const IMPLIED_SINCE: i16 = 12;
/// The first version that knows TRANSACTION_ABORTABLE.
const ABORTABLE_SINCE: i16 = 11;

/// The transactional batches of a request whose partitions must take part first.
pub(super) struct Transactional {
    id: TransactionalId,
    identity: Identity,
    partitions: BTreeSet<TopicPartition>,
    joining: Joining,
    version: i16,
}

/// Which partitions a request may write to as part of a transaction.
#[derive(Default)]
pub(super) struct Announced {
    partitions: BTreeMap<TopicPartition, Result<Origin, ErrorCode>>,
    refused: Option<ErrorCode>,
}

impl Announced {
    /// Nothing of the request is to be taken.
    pub(super) fn refused(code: ErrorCode) -> Announced {
        Announced {
            partitions: BTreeMap::new(),
            refused: Some(code),
        }
    }

    /// Why nothing of the request is to be taken.
    pub(super) fn refused_as_a_whole(&self) -> Option<ErrorCode> {
        self.refused
    }

    /// As whose a batch for the partition is appended.
    pub(super) fn origin(&self, topic: &TopicName, index: i32) -> Result<Origin, ErrorCode> {
        if self.partitions.is_empty() {
            return Ok(Origin::Client);
        }
        let partition = TopicPartition {
            topic: topic.clone(),
            index: PartitionIndex(index),
        };
        self.partitions.get(&partition).copied().unwrap_or(Ok(Origin::Client))
    }
}

impl Transactional {
    /// What has to be announced; `None` if there is nothing.
    pub(super) fn of(
        broker: &Broker,
        version: i16,
        request: &ProduceRequest,
    ) -> Result<Option<Transactional>, ErrorCode> {
        let mut identity = None;
        let mut partitions = BTreeSet::new();
        for topic_data in &request.topic_data {
            let topic = find_topic(broker, version, topic_data);
            for data in &topic_data.partition_data {
                let Some(of_batch) = data.records.as_deref().and_then(transactional_producer) else {
                    continue;
                };
                if *identity.get_or_insert(of_batch) != of_batch {
                    return Err(ErrorCode::InvalidProducerIdMapping);
                }
                let Some((name, partition)) = topic
                    .as_ref()
                    .ok()
                    .and_then(|topic| Some((&topic.name, topic.partition(data.index).ok()?)))
                else {
                    continue;
                };
                if !partition.is_open(of_batch.producer, of_batch.epoch) {
                    partitions.insert(TopicPartition {
                        topic: name.clone(),
                        index: PartitionIndex(data.index),
                    });
                }
            }
        }
        let Some(identity) = identity else {
            return Ok(None);
        };
        let id = request.transactional_id.as_ref();
        let id = id.ok_or(ErrorCode::TransactionalIdAuthorizationFailed)?;
        let joining = if version >= IMPLIED_SINCE {
            Joining::Implied
        } else {
            Joining::Announced
        };
        Ok((!partitions.is_empty()).then(|| Transactional {
            id: transactional_id(id),
            identity,
            partitions,
            joining,
            version,
        }))
    }

    /// Has the partitions take part, and does `append` before an end of the transaction can be decided.
    pub(super) fn announce<T>(self, broker: &Broker, append: impl FnOnce(Announced) -> T) -> T {
        let Transactional {
            id,
            identity,
            partitions,
            joining,
            version,
        } = self;
        let all = partitions.clone();
        let announced = |joined: Result<BTreeSet<TopicPartition>, ErrorCode>| {
            let origin = |partition: &TopicPartition| match &joined {
                Ok(missing) if missing.contains(partition) => Err(refusal(ErrorCode::TransactionAbortable, version)),
                Ok(_) => Ok(Origin::Participant {
                    begins_at_zero: joining == Joining::Implied,
                }),
                Err(code) => Err(refusal(*code, version)),
            };
            let partitions = all.into_iter().map(|partition| {
                let origin = origin(&partition);
                (partition, origin)
            });
            Announced {
                partitions: partitions.collect(),
                refused: None,
            }
        };
        if joining == Joining::Announced && !broker.config.transactions.partition_verification_enable {
            return append(announced(Ok(BTreeSet::new())));
        }
        let transactions = &broker.transactions;
        transactions.join(id, identity, partitions, joining, |joined| append(announced(joined)))
    }
}

/// The producer of a transactional batch.
fn transactional_producer(batch: &[u8]) -> Option<Identity> {
    let header = BatchHeader::read(batch)?;
    let is_transactional = header.has(attributes::TRANSACTIONAL) && !header.has(attributes::CONTROL);
    is_transactional.then_some(Identity {
        producer: header.producer_id,
        epoch: header.producer_epoch,
    })
}

/// How Produce calls what the transaction's coordinator said.
fn refusal(code: ErrorCode, version: i16) -> ErrorCode {
    match code {
        ErrorCode::TransactionAbortable if version < ABORTABLE_SINCE => ErrorCode::InvalidTxnState,
        ErrorCode::ProducerFenced => ErrorCode::InvalidProducerEpoch,
        // To be asked again. Producers of v12 know what goes on between two transactions; those before know this code, on
        // which they do not look for another leader.
        ErrorCode::ConcurrentTransactions if version < IMPLIED_SINCE => ErrorCode::NotEnoughReplicas,
        ErrorCode::CoordinatorNotAvailable => ErrorCode::NotEnoughReplicas,
        code => code,
    }
}
