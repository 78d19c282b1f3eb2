//! A shard over a journal in memory that can be full.

use std::sync::Arc;

use ottla_log::{Epochs, JournalFault, MemoryJournal, MemorySegments, Opening, Partition, PartitionConfig};
use ottla_model::{
    LeaderEpoch, Offset, PartitionId, PartitionIndex, ProducerId, TopicName, TopicPartition, TransactionalId,
};
use ottla_txn::{
    AddPartitions, EndTransaction, Identity, InitProducerId, MarkerAnswer, Outcome, Reply, Status, TransactionConfig,
    TransactionVersion,
};

use super::*;
use crate::clock::Clock;

struct Fixture {
    journal: Arc<MemoryJournal>,
    driver: Arc<Driver<Transactions>>,
    decisions: Decisions,
}

impl Fixture {
    fn new() -> Fixture {
        let journal = Arc::new(MemoryJournal::immediate());
        let clock = Arc::new(Clock::start());
        let partition = Partition::open(Opening {
            id: PartitionId::METADATA,
            segments: Arc::new(MemorySegments::new(Offset(0), 1 << 20)),
            journal: journal.clone(),
            log_start: Offset(0),
            leader_epoch: LeaderEpoch(0),
            producer_snapshot: None,
            epochs: Epochs::default(),
            aborted: Vec::new(),
            known: Vec::new(),
            config: PartitionConfig::default(),
            now: clock.wall(),
        });
        let durability = Arc::clone(journal.durability());
        let settings = Arc::new(TransactionConfig::default());
        let driver = Driver::load(Arc::new(partition.unwrap()), durability, clock, settings);
        Fixture {
            journal,
            driver: driver.unwrap(),
            decisions: Decisions::default(),
        }
    }

    fn ask(&self, command: Command) -> Reply {
        match self.driver.submit(command) {
            Pending::Decided(reply, _) => reply,
            Pending::Parked(_) | Pending::Unanswered(_) => panic!("not decided"),
        }
    }

    /// Opens a transaction on one partition and decides to commit it.
    fn decide(&self) {
        let fresh = Some(ProducerId(7));
        let init = InitProducerId {
            id: id(),
            timeout: Millis(60_000),
            expected: None,
            fresh,
        };
        let Reply::InitProducerId(Ok(identity)) = self.ask(Command::InitProducerId(init)) else {
            panic!("no producer id");
        };
        let added = self.ask(Command::AddPartitions(AddPartitions {
            id: id(),
            identity,
            partitions: [partition()].into(),
            version: TransactionVersion::V2,
        }));
        assert_eq!(added, Reply::AddPartitions(Ok(())));
        let ended = self.ask(self.end(identity));
        assert!(matches!(ended, Reply::EndTransaction(Ok(_))), "{ended:?}");
    }

    fn end(&self, identity: Identity) -> Command {
        Command::EndTransaction(EndTransaction {
            id: id(),
            identity,
            outcome: Outcome::Commit,
            version: TransactionVersion::V2,
            fresh: None,
        })
    }

    fn status(&self) -> Status {
        let Reply::Describe(Ok(described)) = self.ask(Command::Describe(id())) else {
            panic!("the id is known");
        };
        described.transaction.status
    }
}

fn id() -> TransactionalId {
    TransactionalId::new("tx")
}

fn partition() -> TopicPartition {
    TopicPartition {
        topic: TopicName::new("t"),
        index: PartitionIndex(0),
    }
}

fn all(markers: Markers, answer: MarkerAnswer) -> MarkersWritten {
    MarkersWritten {
        id: markers.id,
        decision: markers.decision,
        answers: markers.partitions.into_iter().map(|at| (at, answer)).collect(),
    }
}

#[test]
fn written_markers_complete_the_transaction() {
    let shard = Fixture::new();
    shard.decide();
    let again = shard
        .decisions
        .carry_out(&shard.driver, |markers| all(markers, MarkerAnswer::Written));
    assert_eq!(again, None);
    assert_eq!(shard.status(), Status::Complete(Outcome::Commit));
}

#[test]
fn a_report_that_the_journal_has_no_room_for_is_made_again() {
    let shard = Fixture::new();
    shard.decide();
    let journal = Arc::clone(&shard.journal);
    let again = shard.decisions.carry_out(&shard.driver, |markers| {
        journal.refuse(Some(JournalFault::Full));
        all(markers, MarkerAnswer::Written)
    });
    assert_eq!(again, Some(REPORT_AGAIN_AFTER));
    assert_eq!(shard.status(), Status::Prepare(Outcome::Commit));
    let no_more = |_: Markers| panic!("the markers are written");
    assert_eq!(
        shard.decisions.carry_out(&shard.driver, no_more),
        Some(REPORT_AGAIN_AFTER)
    );
    shard.journal.refuse(None);
    assert_eq!(shard.decisions.carry_out(&shard.driver, no_more), None);
    assert_eq!(shard.status(), Status::Complete(Outcome::Commit));
}

#[test]
fn a_report_that_some_markers_are_missing_is_made_again_too() {
    let shard = Fixture::new();
    shard.decide();
    let journal = Arc::clone(&shard.journal);
    shard.decisions.carry_out(&shard.driver, |markers| {
        journal.refuse(Some(JournalFault::Full));
        all(markers, MarkerAnswer::NotNow)
    });
    shard.journal.refuse(None);
    let written = |markers| all(markers, MarkerAnswer::Written);
    assert_eq!(shard.decisions.carry_out(&shard.driver, written), None);
    assert_eq!(shard.status(), Status::Prepare(Outcome::Commit));
}
