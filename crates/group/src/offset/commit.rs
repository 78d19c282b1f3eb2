//! OffsetCommit: who may store positions, and which are stored.

use ottla_coordinator::{Output, Ticket};
use ottla_fields::TEXT_MAX;
use ottla_model::{ErrorCode, MemberId, Millis};

use crate::classic::{Seen, Turn};
use crate::command::{CommitPartition, CommitTopic, OffsetCommit};
use crate::config::GroupConfig;
use crate::machine::Groups;
use crate::record::Record;
use crate::reply::{ClassicState, Reply, TopicAnswers};
use crate::session::Session;
use crate::state::{CommittedOffset, State};

pub(crate) fn decide(
    state: &State,
    session: &mut Session,
    now: Millis,
    ticket: Ticket,
    commit: OffsetCommit,
) -> Output<Groups> {
    let mut output = match Turn::of(state, session, now, commit.group.clone()) {
        Some(mut turn) => {
            if let Err(error) = turn.seen().check_commit(&commit) {
                return Output::reply(ticket, Reply::OffsetCommit(Err(error)));
            }
            turn.committer_is_alive(commit.member.as_ref());
            turn.output
        }
        // Whoever commits without a generation assigns partitions to itself, and needs no group to be there before.
        None if commit.generation.is_none() => Output::default(),
        None => {
            let error = if commit.errors_since_v9 {
                ErrorCode::GroupIdNotFound
            } else {
                ErrorCode::IllegalGeneration
            };
            return Output::reply(ticket, Reply::OffsetCommit(Err(error)));
        }
    };
    let answers = commit
        .topics
        .iter()
        .map(|topic| store(&commit, topic, &session.config, now, &mut output))
        .collect();
    output.answer(ticket, Reply::OffsetCommit(Ok(answers)));
    output
}

pub(super) fn store(
    commit: &OffsetCommit,
    topic: &CommitTopic,
    config: &GroupConfig,
    now: Millis,
    output: &mut Output<Groups>,
) -> TopicAnswers {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for partition in &topic.partitions {
        let result = check_texts(commit, topic, partition, config);
        if result.is_ok() {
            output.record(Record::Offset {
                group: commit.group.clone(),
                topic: topic.topic.clone(),
                partition: partition.index,
                value: Some(stored(commit, topic, partition, now)),
            });
        }
        partitions.push((partition.index, result));
    }
    TopicAnswers {
        topic: topic.topic.clone(),
        partitions,
    }
}

/// The position as the log can keep it: a record with a time of expiry has no room for a leader epoch and a topic id.
fn stored(commit: &OffsetCommit, topic: &CommitTopic, partition: &CommitPartition, now: Millis) -> CommittedOffset {
    let expires_at = commit.retention.map(|retention| now.plus(retention).max(Millis(0)));
    let is_lasting = expires_at.is_none();
    CommittedOffset {
        offset: partition.offset,
        leader_epoch: partition.leader_epoch.filter(|epoch| is_lasting && epoch.0 >= 0),
        metadata: partition.metadata.clone(),
        committed_at: now,
        expires_at,
        topic_id: topic.id.filter(|id| is_lasting && !id.is_zero()),
    }
}

/// A note that is too long fails its own partition only.
fn check_texts(
    commit: &OffsetCommit,
    topic: &CommitTopic,
    partition: &CommitPartition,
    config: &GroupConfig,
) -> Result<(), ErrorCode> {
    let note = &partition.metadata;
    if note.len() > TEXT_MAX || note.encode_utf16().count() > config.offset_metadata_max {
        return Err(ErrorCode::OffsetMetadataTooLarge);
    }
    if commit.group.as_str().len() > TEXT_MAX || topic.topic.as_str().len() > TEXT_MAX {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

impl Seen<'_> {
    fn check_commit(&self, commit: &OffsetCommit) -> Result<(), ErrorCode> {
        let state = self.state();
        if commit.generation.is_none() && state == ClassicState::Empty {
            return Ok(());
        }
        if commit.generation.is_none() && commit.member.is_none() && commit.instance.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        let nobody = MemberId::from("");
        self.check_member(commit.member.as_ref().unwrap_or(&nobody), commit.instance.as_ref())?;
        if commit.generation != Some(self.generation()) {
            return Err(ErrorCode::IllegalGeneration);
        }
        // The assignment it worked under is about to be replaced, and by whom it does not know yet.
        if state == ClassicState::CompletingRebalance {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }
}

impl Turn<'_> {
    /// A member that commits is alive.
    fn committer_is_alive(&mut self, member: Option<&MemberId>) {
        if let Some(id) = member
            && matches!(
                self.seen().state(),
                ClassicState::Stable | ClassicState::PreparingRebalance
            )
        {
            self.heard_of(id);
        }
    }
}
