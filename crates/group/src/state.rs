//! What the log says about the groups of one partition of `__consumer_offsets`.
//!
//! A classic group is in the log as it last was at rest: Empty, or Stable in a generation. A rebalance under way is not
//! in the log; it lives in the session, and a failover loses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ottla_coordinator::Entry;
use ottla_model::{Generation, GroupId, LeaderEpoch, MemberId, Millis, Offset, PartitionIndex, TopicId, TopicName};

use crate::names::{Client, InstanceId};
use crate::record::Record;
use crate::subscription::Subscribed;

/// All groups of a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    groups: BTreeMap<GroupId, Group>,
}

/// One group: who is in it and how far it has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its membership at rest.
    pub classic: Classic,
    /// Its committed positions.
    pub offsets: BTreeMap<TopicName, BTreeMap<PartitionIndex, CommittedOffset>>,
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
                let offsets = &mut self.groups.entry(group.clone()).or_default().offsets;
                offsets
                    .entry(topic.clone())
                    .or_default()
                    .insert(*partition, offset.clone());
            }
            Record::Offset {
                group,
                topic,
                partition,
                value: None,
            } => {
                let Some(found) = self.groups.get_mut(group) else {
                    return;
                };
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

    /// A group's tombstone. Its offsets have tombstones of their own; any left over keep the group, without members.
    fn forget(&mut self, group: &GroupId) {
        if let Some(found) = self.groups.get_mut(group) {
            found.classic = Classic::default();
            if found.offsets.is_empty() {
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
