//! Groups in every state a classic group can be in, so that every request can be tried in each.

use anyhow::{Result, bail};
use kafka_protocol::messages::{DeleteGroupsRequest, GroupId, JoinGroupRequest, OffsetCommitRequest, SyncGroupRequest};
use kafka_protocol::protocol::StrBytes;

use crate::requests::{commit, join, leave, sync, text};
use crate::script::Script;

/// What a group is brought to before the request that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never heard of.
    Missing,
    /// Offsets without members.
    Simple,
    /// A member was there and left; it committed.
    Empty,
    /// A member id was handed out and not used yet.
    Pending,
    /// One member has joined a group whose other member has not come back yet.
    Preparing,
    /// One member, the leader, that has not synced yet.
    Completing,
    /// Two members; the leader has not synced yet.
    CompletingPair,
    /// One member.
    Stable,
    /// Two members.
    StablePair,
    /// One static member.
    Static,
    /// A static and a dynamic member; the static one leads.
    StaticPair,
    /// One static member that has not synced yet.
    StaticCompleting,
    /// Was Empty and then deleted.
    Deleted,
}

impl State {
    /// All of them.
    pub const ALL: [State; 13] = [
        State::Missing,
        State::Simple,
        State::Empty,
        State::Pending,
        State::Preparing,
        State::Completing,
        State::CompletingPair,
        State::Stable,
        State::StablePair,
        State::Static,
        State::StaticPair,
        State::StaticCompleting,
        State::Deleted,
    ];

    /// Its name in the names of cases.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether its first member is static.
    pub fn is_static(self) -> bool {
        matches!(self, State::Static | State::StaticPair | State::StaticCompleting)
    }

    /// Whether it has two members.
    pub fn is_pair(self) -> bool {
        matches!(
            self,
            State::Preparing | State::CompletingPair | State::StablePair | State::StaticPair
        )
    }
}

/// A group in some state.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// Its generation, as far as a member knows.
    pub generation: i32,
    /// Its first member (the leader), present, past or only pending; any id if there was none.
    pub member: StrBytes,
    /// Its second member; any id if there was none.
    pub other: StrBytes,
    /// The instance id of the first member.
    pub instance: Option<StrBytes>,
}

impl Group {
    /// Member ids to try, by what they are.
    pub fn members(&self) -> Vec<(&'static str, StrBytes)> {
        vec![
            ("right", self.member.clone()),
            ("other", self.other.clone()),
            ("wrong", text("nobody")),
            ("empty", text("")),
        ]
    }

    /// Generations to try, by what they are.
    pub fn generations(&self) -> Vec<(&'static str, i32)> {
        vec![
            ("right", self.generation),
            ("old", self.generation - 1),
            ("new", self.generation + 1),
            ("-1", -1),
            ("-2", -2),
        ]
    }

    /// Instance ids to try, by what they are; only none if the version knows none.
    pub fn instances(&self, are_known: bool) -> Vec<(&'static str, Option<StrBytes>)> {
        let mut instances = vec![("none", None)];
        if are_known {
            instances.push(("wrong", Some(text("instance-x"))));
            instances.extend(self.instance.clone().map(|instance| ("right", Some(instance))));
        }
        instances
    }
}

/// Brings a new group into `state`.
pub fn make(s: &mut Script<'_>, state: State) -> Result<Group> {
    let instance = state.is_static().then(|| text("instance-a"));
    let mut group = Group {
        id: GroupId(s.name("group")),
        generation: 1,
        member: text("member-a"),
        other: text("member-b"),
        instance,
    };
    match state {
        State::Missing => {}
        State::Simple => commit_one(s, &group, false)?,
        State::Empty => empty(s, &mut group)?,
        State::Pending => group.member = pending(s, &group)?,
        State::Completing | State::StaticCompleting => first(s, &mut group)?,
        State::Stable | State::Static => stable(s, &mut group)?,
        State::Preparing => preparing(s, &mut group)?,
        State::CompletingPair => completing_pair(s, &mut group)?,
        State::StablePair | State::StaticPair => stable_pair(s, &mut group)?,
        State::Deleted => {
            empty(s, &mut group)?;
            let delete = DeleteGroupsRequest::default().with_groups_names(vec![group.id.clone()]);
            s.must(2, &delete)?;
        }
    }
    s.know(&group.member);
    s.know(&group.other);
    s.on("a");
    Ok(group)
}

fn commit_one(s: &mut Script<'_>, group: &Group, as_member: bool) -> Result<()> {
    let topic = s.broker.shared.name.clone();
    let mut request = commit(&group.id, &topic, 0, 3);
    if as_member {
        request = request
            .with_member_id(group.member.clone())
            .with_generation_id_or_member_epoch(group.generation);
    }
    let response = s.must::<OffsetCommitRequest>(7, &request)?;
    match response.topics[0].partitions[0].error_code {
        0 => Ok(()),
        code => bail!("cannot commit while preparing: {code}"),
    }
}

/// Asks for a member id.
fn pending(s: &mut Script<'_>, group: &Group) -> Result<StrBytes> {
    let request = join(&group.id, &text(""), None, &s.broker.shared.name.clone());
    let response = s.must::<JoinGroupRequest>(5, &request)?;
    if response.error_code != 79 {
        bail!("no member id while preparing: {}", response.error_code);
    }
    Ok(response.member_id)
}

/// The first member joins, and leads.
fn first(s: &mut Script<'_>, group: &mut Group) -> Result<()> {
    s.on("member a");
    let topic = s.broker.shared.name.clone();
    let member = if group.instance.is_some() {
        text("")
    } else {
        pending(s, group)?
    };
    let response = s.must(5, &join(&group.id, &member, group.instance.clone(), &topic))?;
    if response.error_code != 0 {
        bail!("cannot join while preparing: {}", response.error_code);
    }
    group.member = response.member_id;
    group.generation = response.generation_id;
    Ok(())
}

fn stable(s: &mut Script<'_>, group: &mut Group) -> Result<()> {
    first(s, group)?;
    let response = s.must(3, &sync(&group.id, group.generation, &group.member, &[&group.member]))?;
    if response.error_code != 0 {
        bail!("cannot sync while preparing: {}", response.error_code);
    }
    commit_one(s, group, true)
}

fn empty(s: &mut Script<'_>, group: &mut Group) -> Result<()> {
    stable(s, group)?;
    s.must(2, &leave(2, &group.id, &group.member)).map(|_| ())
}

/// The second member's JoinGroup waits on connection `member b`.
fn preparing(s: &mut Script<'_>, group: &mut Group) -> Result<()> {
    stable(s, group)?;
    s.on("member b");
    group.other = pending(s, group)?;
    let topic = s.broker.shared.name.clone();
    s.send(5, &join(&group.id, &group.other, None, &topic))?;
    // Another connection could overtake it. Once the first member is told to come back, it is there.
    s.on("member a");
    for _ in 0..500 {
        let beat = kafka_protocol::messages::HeartbeatRequest::default()
            .with_group_id(group.id.clone())
            .with_generation_id(group.generation)
            .with_member_id(group.member.clone());
        if s.must(3, &beat)?.error_code == 27 {
            return Ok(());
        }
        s.sleep(5);
    }
    bail!("the group does not rebalance")
}

fn completing_pair(s: &mut Script<'_>, group: &mut Group) -> Result<()> {
    preparing(s, group)?;
    let topic = s.broker.shared.name.clone();
    let request = join(&group.id, &group.member, group.instance.clone(), &topic);
    let response = s.must(5, &request)?;
    s.on("member b");
    s.must_receive::<JoinGroupRequest>(5)?;
    group.generation = response.generation_id;
    Ok(())
}

fn stable_pair(s: &mut Script<'_>, group: &mut Group) -> Result<()> {
    completing_pair(s, group)?;
    s.send(3, &sync(&group.id, group.generation, &group.other, &[]))?;
    s.on("member a");
    s.must(
        3,
        &sync(
            &group.id,
            group.generation,
            &group.member,
            &[&group.member, &group.other],
        ),
    )?;
    s.on("member b");
    s.must_receive::<SyncGroupRequest>(3).map(|_| ())
}
