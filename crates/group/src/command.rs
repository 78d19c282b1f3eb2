//! What callers ask of a group's coordinator.
//!
//! Plain owned values: version differences of the wire end at the handler. Where a version changes what a group *does*,
//! the command has a flag that says so.

use std::sync::Arc;

use bytes::Bytes;
use ottla_model::{Generation, GroupId, LeaderEpoch, MemberId, Millis, Offset, PartitionIndex, TopicId, TopicName};

use crate::names::{Client, InstanceId};
use crate::pending::Producer;

/// One request to the groups of a shard.
#[derive(Clone, Debug)]
pub enum Command {
    /// A member asks to take part in the next generation.
    JoinGroup(JoinGroup),
    /// A member asks for its assignment; the leader brings everybody's.
    SyncGroup(SyncGroup),
    /// A member says it is alive.
    Heartbeat(Heartbeat),
    /// Members go, or are made to go.
    LeaveGroup(LeaveGroup),
    /// Positions are stored.
    OffsetCommit(OffsetCommit),
    /// Positions are stored that count once a transaction is committed.
    TransactionalCommit(TransactionalCommit),
    /// A transaction has ended.
    EndTransaction(EndTransaction),
    /// Positions are asked for.
    OffsetFetch(OffsetFetch),
    /// Positions are forgotten.
    OffsetDelete(OffsetDelete),
    /// What a group looks like now.
    DescribeGroup(GroupId),
    /// Why a group rebalanced, as far as this coordinator saw it.
    DescribeHistory(GroupId),
    /// All groups of the shard.
    ListGroups(ListGroups),
    /// A group and its offsets are forgotten.
    DeleteGroup(GroupId),
    /// Topics are gone, and with them the offsets committed for them.
    TopicsDeleted(Vec<DeletedTopic>),
    /// This broker stops being the coordinator: whoever waits is sent elsewhere, and every group is Dead from now on.
    Resign,
}

/// JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    /// The group.
    pub group: GroupId,
    /// The id the member was given before; `None` for the empty one.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member (v5).
    pub instance: Option<InstanceId>,
    /// Who asks.
    pub client: Client,
    /// A fresh UUID as text. If the member needs an id, it becomes `clientId-UUID`, or `instanceId-UUID` (KIP-345).
    pub fresh_uuid: String,
    /// How long the member may be silent.
    pub session_timeout: Millis,
    /// How long it may take to join again (v0: the session timeout).
    pub rebalance_timeout: Millis,
    /// Such as "consumer".
    pub protocol_type: Arc<str>,
    /// What it can do, best first.
    pub protocols: Vec<Protocol>,
    /// Why it joins, in the client's words (v8, KIP-800).
    pub reason: Option<String>,
    /// v4 and later: a newcomer without a static id is given its id first, and joins with a second request (KIP-394).
    pub member_id_required: bool,
    /// v9 and later: the leader may be told not to assign (KIP-814).
    pub skip_assignment_understood: bool,
}

/// An assignor a member offers, with what it would tell that assignor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Such as "range".
    pub name: Arc<str>,
    /// For the leader's eyes.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The generation it joined; negative is possible and never right.
    pub generation: Generation,
    /// The protocol type it thinks the group has (v5).
    pub protocol_type: Option<Arc<str>>,
    /// The protocol it thinks was chosen (v5).
    pub protocol: Option<Arc<str>>,
    /// v5 and later: a missing protocol type or name is refused before anything else is looked at.
    pub protocol_mandatory: bool,
    /// From the leader: who gets what. From others: empty, or ignored.
    pub assignments: Vec<(MemberId, Bytes)>,
}

/// Heartbeat.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The group.
    pub group: GroupId,
    /// The member.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The generation it works in.
    pub generation: Generation,
}

/// LeaveGroup; before v3 with exactly one leaver.
#[derive(Clone, Debug)]
pub struct LeaveGroup {
    /// The group.
    pub group: GroupId,
    /// Who goes.
    pub members: Vec<Leaver>,
}

/// One who goes.
#[derive(Clone, Debug)]
pub struct Leaver {
    /// Its id; `None` (the empty id) with an instance id: an administrator removes whoever has that instance id.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// Why, in the client's words (v5, KIP-800).
    pub reason: Option<String>,
}

/// OffsetCommit. Topics and partitions that do not exist are answered by the handler and are not in here.
#[derive(Clone, Debug)]
pub struct OffsetCommit {
    /// The group; for this request the empty name is a name like any other.
    pub group: GroupId,
    /// The member; `None` for the empty id.
    pub member: Option<MemberId>,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The generation; `None` for a negative one: the committer assigns partitions to itself.
    pub generation: Option<Generation>,
    /// `RetentionTimeMs` of v2 to v4; `None` for -1.
    pub retention: Option<Millis>,
    /// What to store.
    pub topics: Vec<CommitTopic>,
    /// v9 and later: a generation in a group that does not exist is GROUP_ID_NOT_FOUND; before, ILLEGAL_GENERATION.
    pub errors_since_v9: bool,
}

/// TxnOffsetCommit. It names member and generation since v3 (KIP-447).
#[derive(Clone, Debug)]
pub struct TransactionalCommit {
    /// What to store, without a time of expiry.
    pub commit: OffsetCommit,
    /// In whose transaction.
    pub producer: Producer,
    /// Whether the transaction's coordinator knows that the group takes part, and decides no end before this is answered.
    /// If not, the transaction must have positions in this shard already, or [`crate::CommitRefused::Unannounced`] is the
    /// answer.
    pub announced: bool,
}

/// The end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransaction {
    /// Whose: with the epoch that is the producer's from now on.
    pub producer: Producer,
    /// The epoch of the transaction's coordinator.
    pub coordinator_epoch: LeaderEpoch,
    /// Whether what was committed in it counts.
    pub committed: bool,
    /// V2: the epoch is higher than that of what is ended.
    pub raises_epoch: bool,
}

/// A topic within an OffsetCommit.
#[derive(Clone, Debug)]
pub struct CommitTopic {
    /// Its name.
    pub topic: TopicName,
    /// Its id now. It is stored, so that a topic created again under the same name does not inherit the position.
    pub id: Option<TopicId>,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// A partition within an OffsetCommit.
#[derive(Clone, Debug)]
pub struct CommitPartition {
    /// Its number.
    pub index: PartitionIndex,
    /// The position; Kafka stores any number.
    pub offset: Offset,
    /// The leader epoch of the last consumed record, if told (v6).
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
}

/// OffsetFetch, for one group; v8 and later name many, each its own command.
#[derive(Clone, Debug)]
pub struct OffsetFetch {
    /// The group.
    pub group: GroupId,
    /// What is asked for.
    pub topics: Fetched,
    /// v7 and later: a partition with an open transactional commit is refused rather than answered with what was before.
    pub require_stable: bool,
}

/// Which positions are asked for.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// All the group has.
    All,
    /// These.
    Named(Vec<FetchTopic>),
}

/// A topic within an OffsetFetch.
#[derive(Clone, Debug)]
pub struct FetchTopic {
    /// Its name.
    pub topic: TopicName,
    /// Its id now: a position stored under another id belongs to a topic that was deleted, and is hidden.
    pub id: Option<TopicId>,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// OffsetDelete. Topics and partitions that do not exist are answered by the handler and are not in here.
#[derive(Clone, Debug)]
pub struct OffsetDelete {
    /// The group.
    pub group: GroupId,
    /// What to forget.
    pub topics: Vec<(TopicName, Vec<PartitionIndex>)>,
}

/// ListGroups. Empty filters let everything through; names that mean nothing match nothing; case does not matter.
#[derive(Clone, Debug, Default)]
pub struct ListGroups {
    /// States (v4).
    pub states: Vec<String>,
    /// Types (v5).
    pub types: Vec<String>,
}

/// A topic that is gone.
#[derive(Clone, Debug)]
pub struct DeletedTopic {
    /// Its name.
    pub topic: TopicName,
    /// Its id: positions stored under another id are left alone.
    pub id: TopicId,
}
