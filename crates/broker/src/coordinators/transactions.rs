//! The transaction coordinators: one shard for each partition of `__transaction_state`.
//!
//! A decision, the markers that carry it out and the completion are appended one after the other to one journal, so that
//! they become durable in this order and most often with one flush: nothing in between is waited for.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ottla_cluster::InternalTopic;
use ottla_group::{EndTransaction, Producer};
use ottla_log::{AppendFault, Durability, Lsn, Marker, Origin, Partition, ProducerRefusal, Replayed};
use ottla_model::{ErrorCode, LeaderEpoch, Millis, PartitionIndex, TopicPartition, TransactionalId};
use ottla_txn::{
    AddPartitions, Command, Effect, Identity, MarkerAnswer, Markers, MarkersWritten, Outcome, Record, Reply, Session,
    TransactionConfig, TransactionVersion, Transactions, VerifyPartitions,
};

use crate::LEADER_EPOCH;
use crate::clock::Clock;
use crate::coordinators::decisions::Decisions;
use crate::coordinators::groups::LoadFault;
use crate::coordinators::{Driver, GroupCoordinators, Logged, Pending, Unanswered};
use crate::topics::{TopicFault, Topics};

/// Tells the sessions of this process apart.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

impl Logged for Transactions {
    const NAME: &'static str = "__transaction_state";
    type Settings = TransactionConfig;

    fn session(settings: &TransactionConfig) -> Session {
        Session::new(settings.clone(), LEADER_EPOCH, SESSIONS.fetch_add(1, Ordering::Relaxed))
    }

    fn writes(command: &Command) -> bool {
        !matches!(
            command,
            Command::VerifyPartitions(_) | Command::Describe(_) | Command::List(_)
        )
    }

    fn encode(record: &Record) -> (Option<Bytes>, Option<Bytes>) {
        let (key, value) = ottla_txn::record::encode(record);
        (Some(key), value)
    }

    fn decode(entry: &Replayed) -> Result<Option<Record>, String> {
        let Replayed::Record(record) = entry else {
            return Ok(None);
        };
        let Some(key) = &record.key else {
            return Err("a record without a key".into());
        };
        ottla_txn::record::decode(key, record.value.as_deref()).map_err(|fault| fault.to_string())
    }

    fn log_line(effect: &Effect) -> Option<String> {
        match effect {
            Effect::WriteMarkers(_) => None,
            Effect::TimedOut { .. } | Effect::Fenced { .. } | Effect::IdsExpired { .. } => Some(effect.to_string()),
        }
    }
}

/// All transaction shards of the broker.
pub(crate) struct TransactionCoordinators {
    shards: Vec<Shard>,
    topics: Arc<Topics>,
    groups: Arc<GroupCoordinators>,
    clock: Arc<Clock>,
}

struct Shard {
    driver: Arc<Driver<Transactions>>,
    decisions: Decisions,
}

/// How partitions come to take part in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    /// The producer has announced them: it is only asked whether it has (V1).
    Announced,
    /// By what is about to be written there (V2).
    Implied,
}

impl TransactionCoordinators {
    /// Replays every shard, and writes the markers that were not written before the last stop.
    pub(crate) fn load(
        durability: &Arc<Durability>,
        clock: &Arc<Clock>,
        config: TransactionConfig,
        topics: &Arc<Topics>,
        groups: &Arc<GroupCoordinators>,
    ) -> Result<TransactionCoordinators, LoadFault> {
        let config = Arc::new(config);
        let topic = topics.by_name(InternalTopic::TransactionState.name())?;
        let load = |index| {
            let partition = topic.partition(index)?;
            let (durability, clock) = (Arc::clone(durability), Arc::clone(clock));
            Ok(Shard {
                driver: Driver::load(partition, durability, clock, Arc::clone(&config))?,
                decisions: Decisions::default(),
            })
        };
        let shards = (0..topic.partition_count() as i32)
            .map(load)
            .collect::<Result<_, LoadFault>>()?;
        let transactions = TransactionCoordinators {
            shards,
            topics: Arc::clone(topics),
            groups: Arc::clone(groups),
            clock: Arc::clone(clock),
        };
        for shard in &transactions.shards {
            transactions.carry_out(shard);
        }
        Ok(transactions)
    }

    /// The tasks that handle the shards' deadlines.
    pub(crate) fn keep_time(self: &Arc<Self>) -> Vec<impl Future<Output = ()> + Send + use<>> {
        let task = |index: usize| {
            let this = Arc::clone(self);
            let driver = Arc::clone(&this.shards[index].driver);
            driver.keep_time(move || this.carry_out_now(&this.shards[index]))
        };
        (0..self.shards.len()).map(task).collect()
    }

    /// Judges a command about a transactional id, and has the markers written that follow from it.
    pub(crate) fn submit(&self, id: &TransactionalId, command: Command) -> Pending<Reply> {
        let shard = self.of(id);
        let pending = shard.driver.submit(command);
        self.carry_out(shard);
        pending
    }

    /// Submits, and waits for the answer.
    pub(crate) async fn ask(&self, id: &TransactionalId, command: Command) -> Result<Reply, Unanswered> {
        let pending = self.submit(id, command);
        Driver::<Transactions>::wait(self.durability(), pending).await
    }

    /// Has partitions take part in a producer's transaction, and does `then` before an end of it can be decided. `then` is
    /// told which of the partitions do not take part; it is done in any case.
    pub(crate) fn join<T>(
        &self,
        id: TransactionalId,
        identity: Identity,
        partitions: BTreeSet<TopicPartition>,
        joining: Joining,
        then: impl FnOnce(Result<BTreeSet<TopicPartition>, ErrorCode>) -> T,
    ) -> T {
        let driver = &self.of(&id).driver;
        let command = match joining {
            Joining::Announced => Command::VerifyPartitions(VerifyPartitions {
                id,
                identity,
                partitions,
            }),
            Joining::Implied => Command::AddPartitions(AddPartitions {
                id,
                identity,
                partitions,
                version: TransactionVersion::V2,
            }),
        };
        driver.decide_and(command, |reply| match reply {
            Ok(Reply::VerifyPartitions(result)) => then(result),
            Ok(Reply::AddPartitions(result)) => then(result.map(|()| BTreeSet::new())),
            Ok(other) => unreachable!("who joins is answered so, not with {other:?}"),
            Err(unanswered) => then(Err(unanswered.code())),
        })
    }

    /// Every shard.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Driver<Transactions>>> {
        self.shards.iter().map(|shard| &shard.driver)
    }

    /// The mark answers wait for.
    pub(crate) fn durability(&self) -> Arc<Durability> {
        Arc::clone(self.shards[0].driver.durability())
    }

    /// Ends a transaction in one partition. Gives the entry that must be durable before anybody is told.
    pub(crate) fn write_marker(&self, partition: &TopicPartition, end: EndTransaction) -> Result<Lsn, MarkerFault> {
        let topic = self.topics.by_name(partition.topic.as_str())?;
        let log = topic.partition(partition.index.0)?;
        let marker = Marker {
            committed: end.committed,
            coordinator_epoch: end.coordinator_epoch.0,
        };
        let marker = marker.build(end.producer.id, end.producer.epoch, self.clock.wall());
        let origin = if end.raises_epoch {
            Origin::RaisingCoordinator
        } else {
            Origin::Coordinator
        };
        if InternalTopic::of(topic.name.as_str()) == Some(InternalTopic::ConsumerOffsets) {
            log.check_marker(&marker, origin).map_err(AppendFault::from)?;
            return self.end_in_groups(partition.index, end);
        }
        Ok(append(&log, marker, origin, &self.clock)?)
    }

    /// The log of groups is written by their coordinator only, which has to know of the end in any case.
    fn end_in_groups(&self, index: PartitionIndex, end: EndTransaction) -> Result<Lsn, MarkerFault> {
        let driver = self.groups.shard(index).ok_or(MarkerFault::Gone)?;
        match driver.submit(ottla_group::Command::EndTransaction(end)) {
            Pending::Decided(_, position) => Ok(Lsn(position.0)),
            Pending::Parked(_) | Pending::Unanswered(_) => Err(MarkerFault::NotNow(ErrorCode::CoordinatorNotAvailable)),
        }
    }

    fn of(&self, id: &TransactionalId) -> &Shard {
        let index = ottla_coordinator::partition_for(id.as_str(), self.shards.len() as i32);
        &self.shards[index.0 as usize]
    }

    /// Has done what is decided, or has the shard's timer task do what is left.
    fn carry_out(&self, shard: &Shard) {
        if self.carry_out_now(shard).is_some() {
            shard.driver.wake();
        }
    }

    fn carry_out_now(&self, shard: &Shard) -> Option<Millis> {
        let write = |markers| self.write_markers(markers);
        shard.decisions.carry_out(&shard.driver, write)
    }

    fn write_markers(&self, markers: Markers) -> MarkersWritten {
        let end = EndTransaction {
            producer: Producer {
                id: markers.identity.producer,
                epoch: markers.identity.epoch,
            },
            coordinator_epoch: markers.coordinator_epoch,
            committed: markers.outcome == Outcome::Commit,
            raises_epoch: markers.version == TransactionVersion::V2,
        };
        let write = |partition: TopicPartition| {
            let answer = match self.write_own_marker(&partition, end) {
                Ok(_) => MarkerAnswer::Written,
                Err(fault) => fault.answer(),
            };
            (partition, answer)
        };
        MarkersWritten {
            id: markers.id,
            decision: markers.decision,
            answers: markers.partitions.into_iter().map(write).collect(),
        }
    }

    /// As [`TransactionCoordinators::write_marker`], with an epoch that the partition takes: an administrator may have had a
    /// marker written with one that no coordinator ever had, and this coordinator is the only one there is.
    fn write_own_marker(&self, partition: &TopicPartition, mut end: EndTransaction) -> Result<Lsn, MarkerFault> {
        let log = self.topics.by_name(partition.topic.as_str())?;
        let seen = log.partition(partition.index.0)?.coordinator_epoch(end.producer.id);
        end.coordinator_epoch = end.coordinator_epoch.max(LeaderEpoch(seen));
        self.write_marker(partition, end)
    }
}

fn append(log: &Partition, marker: Bytes, origin: Origin, clock: &Clock) -> Result<Lsn, AppendFault> {
    Ok(log.append(marker, origin, clock.wall())?.lsn)
}

/// Why a transaction was not ended in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkerFault {
    /// There is no such partition.
    Gone,
    /// The producer or the coordinator has a successor there.
    Superseded(ProducerRefusal),
    /// It takes nothing now.
    NotNow(ErrorCode),
}

impl MarkerFault {
    /// What the protocol calls it.
    pub(crate) fn code(self) -> ErrorCode {
        match self {
            MarkerFault::Gone => ErrorCode::UnknownTopicOrPartition,
            MarkerFault::Superseded(refusal) => refusal.code(),
            MarkerFault::NotNow(code) => code,
        }
    }

    /// What it means for the transaction as a whole.
    fn answer(self) -> MarkerAnswer {
        match self {
            // A producer's next epoch begins with the end of what it had open there.
            MarkerFault::Gone | MarkerFault::Superseded(ProducerRefusal::OldEpoch { .. }) => MarkerAnswer::Unneeded,
            // The transaction is open there still.
            MarkerFault::Superseded(_) | MarkerFault::NotNow(_) => MarkerAnswer::NotNow,
        }
    }
}

impl From<TopicFault> for MarkerFault {
    fn from(fault: TopicFault) -> MarkerFault {
        match fault {
            TopicFault::UnknownTopicOrPartition | TopicFault::UnknownTopicId => MarkerFault::Gone,
            TopicFault::Storage => MarkerFault::NotNow(fault.code()),
        }
    }
}

impl From<AppendFault> for MarkerFault {
    fn from(fault: AppendFault) -> MarkerFault {
        match fault {
            AppendFault::Producer(refusal) => MarkerFault::Superseded(refusal),
            AppendFault::Batch(_) | AppendFault::Journal(_) => MarkerFault::NotNow(fault.code()),
        }
    }
}
