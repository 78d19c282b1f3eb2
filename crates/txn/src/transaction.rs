//! What the log says under one transactional id, and which steps lead from one such value to the next.

use std::collections::BTreeSet;

use ottla_model::{Millis, ProducerEpoch, ProducerId, TopicPartition};

use crate::identity::Identity;
use crate::status::{Outcome, Status, TransactionVersion};

/// A transactional id's producer, and its transaction under way or last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who may write. Between a decided end and its completion: who the markers name.
    pub identity: Identity,
    /// The producer id before the step that led here; most often the same. `None` only in logs of older versions.
    pub previous_producer: Option<ProducerId>,
    /// While an end is being carried out after which the producer gets another id: that id.
    pub next_producer: Option<ProducerId>,
    /// The epoch that a producer named when it asked for a higher one (KIP-360). If the answer was lost it asks again with
    /// the same, and must not be fenced for it.
    pub raised_from: Option<ProducerEpoch>,
    /// How long a transaction may take.
    pub timeout: Millis,
    /// Where it stands.
    pub status: Status,
    /// The partitions that take part.
    pub partitions: BTreeSet<TopicPartition>,
    /// When it began; `None` if none did since the producer was initialized.
    pub started: Option<Millis>,
    /// When the value was last written.
    pub updated: Millis,
    /// By which rules the producer works, as far as it has shown.
    pub version: TransactionVersion,
}

impl Transaction {
    /// The first value under a transactional id.
    pub(crate) fn first(producer: ProducerId, timeout: Millis, now: Millis) -> Transaction {
        Transaction {
            identity: Identity::first(producer),
            previous_producer: Some(producer),
            next_producer: None,
            raised_from: None,
            timeout,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            started: None,
            updated: now,
            version: TransactionVersion::V1,
        }
    }

    /// A producer has been initialized as `identity`; one that asked to go on from an epoch named `raised_from`.
    pub(crate) fn initialized(
        &self,
        identity: Identity,
        raised_from: Option<ProducerEpoch>,
        timeout: Millis,
        now: Millis,
    ) -> Transaction {
        Transaction {
            identity,
            raised_from,
            timeout,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            started: None,
            ..self.stepped(now)
        }
    }

    /// The producer that was initialized as `asked` asked once more: it gets what it was given before.
    pub(crate) fn initialized_again(&self, asked: Identity, timeout: Millis, now: Millis) -> Transaction {
        Transaction {
            previous_producer: Some(asked.producer),
            ..self.initialized(self.identity, Some(asked.epoch), timeout, now)
        }
    }

    /// More partitions take part; the first ones begin the transaction.
    pub(crate) fn joined_by(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        version: TransactionVersion,
        now: Millis,
    ) -> Transaction {
        let mut next = self.stepped(now);
        if self.status.is_at_rest() {
            next.started = Some(now);
        }
        next.status = Status::Ongoing;
        next.version = version;
        next.partitions.extend(partitions);
        next
    }

    /// The outcome is decided. By the rules of V2 the epoch is raised, and `next_producer` is the id to go on with if there
    /// is no epoch left.
    pub(crate) fn decided(
        &self,
        outcome: Outcome,
        version: TransactionVersion,
        next_producer: Option<ProducerId>,
        now: Millis,
    ) -> Transaction {
        let mut next = self.stepped(now);
        if self.status.is_at_rest() {
            // By the rules of V2 a transaction without partitions can be aborted; it is as old as its end.
            next.started = Some(now);
        }
        if version == TransactionVersion::V2 {
            next.identity = self.identity.raised();
        }
        next.next_producer = next_producer;
        next.status = Status::Prepare(outcome);
        next.version = version;
        next
    }

    /// Every partition has its marker.
    pub(crate) fn completed(&self, outcome: Outcome, now: Millis) -> Transaction {
        Transaction {
            identity: self.next_producer.map_or(self.identity, Identity::first),
            next_producer: None,
            status: Status::Complete(outcome),
            partitions: BTreeSet::new(),
            ..self.stepped(now)
        }
    }

    fn stepped(&self, now: Millis) -> Transaction {
        Transaction {
            previous_producer: Some(self.identity.producer),
            updated: now,
            ..self.clone()
        }
    }

    /// The identity whose request led to the present one and may come again: that of the producer that asked for a higher
    /// epoch, or, by the rules of V2, that ended its transaction.
    pub(crate) fn preceding(&self) -> Option<Identity> {
        let producer = self.previous_producer.unwrap_or(self.identity.producer);
        if let (Status::Complete(_), TransactionVersion::V2) = (self.status, self.version) {
            if producer != self.identity.producer {
                let epoch = Identity::EPOCH_LAST;
                return Some(Identity { producer, epoch });
            }
            let epoch = ProducerEpoch(self.identity.epoch.0.saturating_sub(1));
            return Some(Identity { producer, epoch });
        }
        self.raised_from.map(|epoch| Identity { producer, epoch })
    }

    /// When it is to be aborted, if it is under way.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        match self.status {
            Status::Ongoing => Some(self.started.unwrap_or(self.updated).plus(self.timeout)),
            Status::Empty | Status::Prepare(_) | Status::Complete(_) => None,
        }
    }
}
