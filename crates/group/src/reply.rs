//! What callers are told.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ottla_model::{ErrorCode, Generation, GroupId, LeaderEpoch, MemberId, Offset, PartitionIndex, TopicId, TopicName};

use crate::history::Rebalance;
use crate::names::{Client, InstanceId};

/// The answer to a [`crate::Command`]; each command has the variant of its own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a JoinGroup.
    JoinGroup(Result<Joined, JoinRefused>),
    /// To a SyncGroup.
    SyncGroup(Result<Synced, ErrorCode>),
    /// To a Heartbeat.
    Heartbeat(Result<(), ErrorCode>),
    /// To a LeaveGroup: one answer for each leaver, in order; or a refusal of the whole.
    LeaveGroup(Result<Vec<Result<(), ErrorCode>>, ErrorCode>),
    /// To an OffsetCommit; a refusal of the whole stands for every partition.
    OffsetCommit(Result<Vec<TopicAnswers>, ErrorCode>),
    /// To a TransactionalCommit; a refusal of the whole stands for every partition.
    TransactionalCommit(Result<Vec<TopicAnswers>, CommitRefused>),
    /// To an EndTransaction.
    TransactionEnded,
    /// To an OffsetFetch.
    OffsetFetch(Result<Vec<FetchedTopic>, ErrorCode>),
    /// To an OffsetDelete.
    OffsetDelete(Result<Vec<TopicAnswers>, ErrorCode>),
    /// To a DescribeGroup; GROUP_ID_NOT_FOUND becomes a Dead group without an error before v6.
    DescribeGroup(Result<GroupDescription, ErrorCode>),
    /// To a DescribeHistory: the oldest first, the one under way last.
    DescribeHistory(Result<Vec<Rebalance>, ErrorCode>),
    /// To a ListGroups.
    ListGroups(Result<Vec<ListedGroup>, ErrorCode>),
    /// To a DeleteGroup.
    DeleteGroup(Result<(), ErrorCode>),
    /// To a TopicsDeleted: how many positions were forgotten.
    TopicsDeleted(usize),
    /// To a Resign.
    Resigned,
}

/// A member of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its id.
    pub member: MemberId,
    /// The generation.
    pub generation: Generation,
    /// The group's protocol type.
    pub protocol_type: Arc<str>,
    /// The protocol that was chosen.
    pub protocol: Arc<str>,
    /// Who assigns. For a static member that came back and cannot be told to skip the assignment (before v9) this is the
    /// id it had before, so that it does not take itself for the leader.
    pub leader: MemberId,
    /// For the leader: everybody, with what they told the chosen protocol. For others: empty.
    pub members: Vec<JoinedMember>,
    /// The leader keeps the assignment it has (v9).
    pub skip_assignment: bool,
}

/// A member, as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// What it told the chosen protocol.
    pub metadata: Bytes,
}

/// Why somebody did not join. The answer on the wire echoes the request's member id, except where a new one is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinRefused {
    /// MEMBER_ID_REQUIRED: join again under this id (KIP-394).
    MemberIdRequired(MemberId),
    /// Anything else.
    Error(ErrorCode),
}

/// Why no position was stored for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitRefused {
    /// Nobody has said that the transaction is open: ask its coordinator first.
    Unannounced,
    /// Anything else.
    Error(ErrorCode),
}

/// What a member is to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The group's protocol type.
    pub protocol_type: Arc<str>,
    /// The chosen protocol.
    pub protocol: Arc<str>,
    /// The leader's words for this member; empty if it had none.
    pub assignment: Bytes,
}

/// One answer for each partition of a topic, in the request's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicAnswers {
    /// The topic.
    pub topic: TopicName,
    /// Its partitions.
    pub partitions: Vec<(PartitionIndex, Result<(), ErrorCode>)>,
}

/// The positions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic.
    pub topic: TopicName,
    /// Its partitions.
    pub partitions: Vec<(PartitionIndex, Result<Option<Position>, ErrorCode>)>,
}

/// A committed position. "None" on the wire is offset -1, leader epoch -1 and an empty note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Where to go on.
    pub offset: Offset,
    /// The leader epoch of the last consumed record, if told.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: String,
    /// The topic it was committed for. When all positions were asked for, those of another id than the topic's present
    /// one are to be left out by the caller, who knows the present one.
    pub topic_id: Option<TopicId>,
}

/// The state of a classic group, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClassicState {
    /// No members; perhaps offsets.
    Empty,
    /// The members are asked to join anew.
    PreparingRebalance,
    /// All have joined; the leader is to assign.
    CompletingRebalance,
    /// Everybody works.
    Stable,
    /// The group is gone, or its coordinator resigned.
    Dead,
}

impl ClassicState {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            ClassicState::Empty => "Empty",
            ClassicState::PreparingRebalance => "PreparingRebalance",
            ClassicState::CompletingRebalance => "CompletingRebalance",
            ClassicState::Stable => "Stable",
            ClassicState::Dead => "Dead",
        }
    }
}

impl fmt::Display for ClassicState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A group as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// The group.
    pub group: GroupId,
    /// Its state.
    pub state: ClassicState,
    /// Its generation; not on the wire, for our own tools.
    pub generation: Generation,
    /// Its protocol type; `None` for a group that only stores offsets.
    pub protocol_type: Option<Arc<str>>,
    /// The chosen protocol; only a Stable group shows one.
    pub protocol: Option<Arc<str>>,
    /// Who assigns; not on the wire, for our own tools.
    pub leader: Option<MemberId>,
    /// Its members, by id.
    pub members: Vec<DescribedMember>,
}

/// A member as DescribeGroups shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member: MemberId,
    /// `group.instance.id` of a static member.
    pub instance: Option<InstanceId>,
    /// The process behind it.
    pub client: Client,
    /// What it told the chosen protocol; empty unless the group is Stable.
    pub metadata: Bytes,
    /// What it was last assigned.
    pub assignment: Bytes,
}

/// A group as ListGroups shows it; its type on the wire is "classic".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// The group.
    pub group: GroupId,
    /// Its protocol type; `None` (empty on the wire) for a group that only stores offsets.
    pub protocol_type: Option<Arc<str>>,
    /// Its state.
    pub state: ClassicState,
}

impl ListedGroup {
    /// The type's name on the wire (v5).
    pub const TYPE: &'static str = "classic";
}
