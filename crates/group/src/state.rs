//! What the log says about the groups of one partition of `__consumer_offsets`.
//!
//! A classic group is in the log as it last was at rest: Empty, or Stable in a generation. A rebalance under way is not
//! in the log; it lives in the session, and a failover loses it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::Entry;
use ottla_model::{
    Generation, GroupId, LeaderEpoch, MemberId, Millis, Offset, PartitionIndex, ProducerEpoch, ProducerId, TopicId,
    TopicName,
};

use crate::command::EndTransaction;
use crate::names::{Client, InstanceId};
use crate::pending::{PendingOffsets, Producer};
use crate::record::Record;
use crate::subscription::Subscribed;

/// All groups of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    groups: BTreeMap<GroupId, Group>,
    /// Open transactions with positions in this shard.
    open: BTreeMap<ProducerId, OpenTransaction>,
}

/// A transaction with positions in a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OpenTransaction {
    epoch: ProducerEpoch,
    groups: BTreeSet<GroupId>,
}

/// One group: who is in it and how far it has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its membership at rest.
    pub classic: Classic,
    /// Its committed positions.
    pub offsets: BTreeMap<TopicName, BTreeMap<PartitionIndex, CommittedOffset>>,
    /// Its positions in transactions that are open.
    pub pending: PendingOffsets,
}

/// A classic group at rest. The default is a group that only stores offsets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classic {
    /// Such as "consumer"; `None` for a group that never had a member.
    pub protocol_type: Option<Arc<str>>,
    /// One more at every completed rebalance.
    pub generation: Generation,
    /// The chosen protocol; `None` when Empty.
    pub protocol: Option<Arc<str>>,
    /// Who assigns; `None` when Empty.
    pub leader: Option<MemberId>,
    /// Since when it is so.
    pub since: Option<Millis>,
    /// Who is in it.
    pub members: BTreeMap<MemberId, LoggedMember>,
}

/// A member as the log keeps it: of the protocols it offered, only the chosen one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedMember {
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The process behind it.
    pub client: Client,
    /// How long it may take to join again.
    pub rebalance_timeout: Millis,
    /// How long it may be silent.
    pub session_timeout: Millis,
    /// What it told the chosen protocol.
    pub subscription: Bytes,
    /// What the leader gave it.
    pub assignment: Bytes,
}

/// A committed position as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// Where to go on.
    pub offset: Offset,
    /// The leader epoch of the last consumed record, if told.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
    /// When it was committed.
    pub committed_at: Millis,
    /// When it is to be forgotten, if the client said so (OffsetCommit v2 to v4).
    pub expires_at: Option<Millis>,
    /// The topic it was committed for.
    pub topic_id: Option<TopicId>,
}

/// A group of which the log says nothing.
pub(crate) static NOTHING: Classic = Classic {
    protocol_type: None,
    generation: Generation(0),
    protocol: None,
    leader: None,
    since: None,
    members: BTreeMap::new(),
};

impl State {
    /// The group of that name.
    pub fn group(&self, group: &GroupId) -> Option<&Group> {
        self.groups.get(group)
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl Iterator<Item = (&GroupId, &Group)> {
        self.groups.iter()
    }

    /// The groups named after `group`, by name.
    pub(crate) fn groups_after(&self, group: Option<&GroupId>) -> impl Iterator<Item = (&GroupId, &Group)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.groups
            .range::<GroupId, _>((group.map_or(Unbounded, Excluded), Unbounded))
    }

    /// The epoch of a producer's transaction that is open and has positions in this shard.
    pub(crate) fn open_epoch(&self, producer: ProducerId) -> Option<ProducerEpoch> {
        self.open.get(&producer).map(|open| open.epoch)
    }

    pub(crate) fn apply(&mut self, entry: &Entry<Record>) {
        match &entry.record {
            Record::Group {
                group,
                value: Some(classic),
            } => {
                self.groups.entry(group.clone()).or_default().classic = classic.clone();
            }
            Record::Group { group, value: None } => self.forget(group),
            Record::Offset {
                group,
                topic,
                partition,
                value: Some(offset),
            } => {
                let group = self.groups.entry(group.clone()).or_default();
                group.commit(topic, *partition, offset.clone(), entry.offset);
            }
            Record::PendingOffset {
                producer,
                group,
                topic,
                partition,
                value,
            } => {
                self.join_transaction(*producer, group);
                let pending = &mut self.groups.entry(group.clone()).or_default().pending;
                pending.insert(producer.id, topic, *partition, value.clone(), entry.offset);
            }
            Record::TransactionEnd(end) => self.end_transaction(end),
            Record::Offset {
                group,
                topic,
                partition,
                value: None,
            } => {
                let Some(found) = self.groups.get_mut(group) else {
                    return;
                };
                found.pending.remove(topic, *partition);
                let Some(partitions) = found.offsets.get_mut(topic) else {
                    return;
                };
                partitions.remove(partition);
                if partitions.is_empty() {
                    found.offsets.remove(topic);
                }
            }
        }
    }

    fn join_transaction(&mut self, producer: Producer, group: &GroupId) {
        let open = self.open.entry(producer.id).or_insert_with(|| OpenTransaction {
            epoch: producer.epoch,
            groups: BTreeSet::new(),
        });
        open.epoch = producer.epoch;
        open.groups.insert(group.clone());
    }

    fn end_transaction(&mut self, end: &EndTransaction) {
        let Some(open) = self.open.remove(&end.producer.id) else {
            return;
        };
        for id in &open.groups {
            let Some(group) = self.groups.get_mut(id) else {
                continue;
            };
            for (topic, partition, value, at) in group.pending.end(end.producer.id) {
                if end.committed {
                    group.commit(&topic, partition, value, at);
                }
            }
        }
    }

    /// A group's tombstone. Its offsets have tombstones of their own; any left over keep the group, without members.
    fn forget(&mut self, group: &GroupId) {
        if let Some(found) = self.groups.get_mut(group) {
            found.classic = Classic::default();
            if found.offsets.is_empty() && found.pending.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}

impl Group {
    /// The position committed for a partition.
    pub fn offset(&self, topic: &TopicName, partition: PartitionIndex) -> Option<&CommittedOffset> {
        self.offsets.get(topic)?.get(&partition)
    }

    /// The partitions of which there is anything to forget.
    pub(crate) fn known_partitions(&self) -> BTreeSet<(&TopicName, PartitionIndex)> {
        let of_topic = |(topic, partitions)| {
            let partitions: &BTreeMap<PartitionIndex, _> = partitions;
            partitions.keys().map(move |partition| (topic, *partition))
        };
        let committed = self.offsets.iter().flat_map(of_topic);
        committed.chain(self.pending.partitions()).collect()
    }

    /// The partitions of a topic of which there is anything to forget.
    pub(crate) fn known_of(&self, topic: &TopicName) -> BTreeSet<PartitionIndex> {
        let committed = self.offsets.get(topic).into_iter().flat_map(BTreeMap::keys);
        committed.copied().chain(self.pending.of(topic)).collect()
    }

    /// Whether there is anything to forget of a partition.
    pub(crate) fn knows(&self, topic: &TopicName, partition: PartitionIndex) -> bool {
        self.offset(topic, partition).is_some() || self.pending.holds(topic, partition)
    }

    /// A position counts from now on; its record lies in the log at `at`.
    fn commit(&mut self, topic: &TopicName, partition: PartitionIndex, value: CommittedOffset, at: Offset) {
        self.pending.supersede(topic, partition, at);
        let partitions = self.offsets.entry(topic.clone()).or_default();
        partitions.insert(partition, value);
    }
}

impl Classic {
    /// The member with that instance id (KIP-345).
    pub fn static_member(&self, instance: &InstanceId) -> Option<&MemberId> {
        self.members
            .iter()
            .find(|(_, member)| member.instance.as_ref() == Some(instance))
            .map(|(id, _)| id)
    }

    /// What its members subscribe to.
    pub fn subscribed(&self) -> Subscribed {
        let metadata = self.members.values().map(|member| &member.subscription);
        Subscribed::of(self.protocol_type.as_deref(), metadata)
    }
}
