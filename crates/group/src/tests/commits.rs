//! OffsetCommit, OffsetFetch, OffsetDelete, and the deletion of topics and groups.

use ottla_model::{ErrorCode, LeaderEpoch, PartitionIndex, TopicId};

use super::context::*;
use crate::*;

const OLD: TopicId = TopicId::from_bytes([1; 16]);
const NEW: TopicId = TopicId::from_bytes([2; 16]);

#[test]
fn a_commit_without_a_generation_creates_a_group_that_only_stores_offsets() {
    let mut ctx = Context::new();
    assert_eq!(ctx.commit(commit("t", 7)), Ok(()));
    let group = ctx.describe();
    assert_eq!(
        (group.state, group.protocol_type, group.generation.0),
        (ClassicState::Empty, None, 0)
    );
    assert_eq!(ctx.committed("t", 0).expect("a position").offset.0, 7);
}

#[test]
fn a_commit_of_nothing_creates_no_group() {
    let mut ctx = Context::new();
    let mut nothing = commit("t", 7).0;
    nothing.topics.clear();
    let ticket = ctx.send(Command::OffsetCommit(nothing));
    assert_eq!(ctx.reply(ticket), Some(&Reply::OffsetCommit(Ok(vec![]))));
    assert!(!ctx.exists());
}

#[test]
fn a_generation_in_an_unknown_group_is_refused_differently_since_v9() {
    let mut ctx = Context::new();
    let late = commit("t", 7).by(&"x".into(), 1);
    assert_eq!(ctx.commit(late.clone()), Err(ErrorCode::GroupIdNotFound));
    assert_eq!(ctx.commit(late.before_v9()), Err(ErrorCode::IllegalGeneration));
}

#[test]
fn an_empty_group_takes_any_commit_without_a_generation_and_none_with_one() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.leave(&[leaver(&a)]);
    assert_eq!(ctx.commit(commit("t", 1).by(&a, -1)), Ok(()));
    assert_eq!(ctx.commit(commit("t", 1).by(&a, 2)), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn a_group_with_members_takes_commits_of_its_generation_only() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    assert_eq!(ctx.commit(commit("t", 1).by(&a, 1)), Ok(()));
    assert_eq!(ctx.commit(commit("t", 1).by(&a, 0)), Err(ErrorCode::IllegalGeneration));
    assert_eq!(ctx.commit(commit("t", 1).by(&a, -1)), Err(ErrorCode::IllegalGeneration));
    assert_eq!(ctx.commit(commit("t", 1)), Err(ErrorCode::UnknownMemberId));
    assert_eq!(
        ctx.commit(commit("t", 1).by(&"x".into(), -1)),
        Err(ErrorCode::UnknownMemberId)
    );
    assert_eq!(
        ctx.commit(commit("t", 1).by(&"x".into(), 1)),
        Err(ErrorCode::UnknownMemberId)
    );
}

#[test]
fn a_pending_id_cannot_commit_to_a_group_with_members() {
    let mut ctx = Context::new();
    ctx.stable(["a"]);
    let b = ctx.ask_for_id(join("b"));
    assert_eq!(ctx.commit(commit("t", 1).by(&b, 1)), Err(ErrorCode::UnknownMemberId));
}

#[test]
fn members_commit_while_they_join_anew_but_not_while_the_leader_assigns() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let b = ctx.join(join("b").at_once());
    assert_eq!(
        ctx.commit(commit("t", 1).by(&a, 1)),
        Ok(()),
        "so that work can be handed over"
    );
    ctx.join(join("a").under(&a));
    let b = ctx.joined(b).member;
    assert_eq!(
        ctx.commit(commit("t", 1).by(&b, 2)),
        Err(ErrorCode::RebalanceInProgress)
    );
}

#[test]
fn a_member_that_commits_is_alive() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    for offset in 0..4 {
        ctx.pass(SESSION - 1);
        assert_eq!(ctx.commit(commit("t", offset).by(&a, 1)), Ok(()));
    }
}

#[test]
fn the_empty_group_id_is_a_group_like_any_other() {
    let mut ctx = Context::new();
    let mut nameless = commit("t", 7);
    nameless.0.group = "".into();
    assert_eq!(ctx.commit(nameless), Ok(()));
}

#[test]
fn a_note_of_more_utf16_units_than_allowed_fails_its_own_partition_only() {
    let mut ctx = Context::new();
    assert_eq!(ctx.commit(commit("t", 1).noting(&"\u{e9}".repeat(4096))), Ok(()));
    let mut two = commit("t", 2).noting(&"\u{1f600}".repeat(2049));
    two.0.topics.extend(commit("u", 3).0.topics);
    let ticket = ctx.send(Command::OffsetCommit(two.0));
    let Some(Reply::OffsetCommit(Ok(answers))) = ctx.reply(ticket) else {
        panic!("answered at once")
    };
    assert_eq!(answers[0].partitions[0].1, Err(ErrorCode::OffsetMetadataTooLarge));
    assert_eq!(answers[1].partitions[0].1, Ok(()));
    assert_eq!(ctx.committed("t", 0).expect("a position").offset.0, 1);
}

#[test]
fn any_number_is_stored_as_an_offset() {
    let mut ctx = Context::new();
    for offset in [-1, -5, i64::MAX] {
        assert_eq!(ctx.commit(commit("t", offset)), Ok(()));
        assert_eq!(ctx.committed("t", 0).expect("a position").offset.0, offset);
    }
}

#[test]
fn leader_epoch_and_note_come_back() {
    let mut ctx = Context::new();
    let mut with_epoch = commit("t", 1).noting("mine");
    with_epoch.0.topics[0].partitions[0].leader_epoch = Some(LeaderEpoch(3));
    ctx.commit(with_epoch).expect("stored");
    let position = ctx.committed("t", 0).expect("a position");
    assert_eq!(
        (position.leader_epoch, position.metadata.as_str()),
        (Some(LeaderEpoch(3)), "mine")
    );
}

#[test]
fn no_group_and_no_position_are_not_errors() {
    let mut ctx = Context::new();
    assert_eq!(ctx.committed("t", 0), None);
    ctx.commit(commit("t", 1)).expect("stored");
    assert_eq!(ctx.committed("t", 1), None);
    assert_eq!(ctx.committed("u", 0), None);
}

#[test]
fn all_positions_can_be_asked_for() {
    let mut ctx = Context::new();
    assert_eq!(ctx.fetch(Fetched::All), vec![]);
    ctx.commit(commit("t", 1).of_topic_id(OLD)).expect("stored");
    ctx.commit(commit("u", 2)).expect("stored");
    let fetched = ctx.fetch(Fetched::All);
    assert_eq!(fetched.len(), 2);
    let position = fetched[0].partitions[0]
        .1
        .clone()
        .expect("no error")
        .expect("a position");
    assert_eq!(
        position.topic_id,
        Some(OLD),
        "whoever asks can tell a topic from one of the same name before it"
    );
}

#[test]
fn a_topic_created_again_does_not_inherit_positions() {
    let mut ctx = Context::new();
    ctx.commit(commit("t", 7).of_topic_id(OLD)).expect("stored");
    assert!(ctx.committed_for("t", 0, Some(OLD)).is_some());
    assert_eq!(ctx.committed_for("t", 0, Some(NEW)), None);
    assert!(ctx.committed_for("t", 0, None).is_some());
    ctx.commit(commit("u", 7)).expect("stored");
    assert!(
        ctx.committed_for("u", 0, Some(NEW)).is_some(),
        "a position without an id is anybody's"
    );
}

#[test]
fn deleting_a_topic_drops_its_positions_and_keeps_the_group() {
    let mut ctx = Context::new();
    ctx.commit(commit("t", 1).of_topic_id(OLD)).expect("stored");
    ctx.commit(commit("u", 1)).expect("stored");
    let deleted = |topic: &str, id| DeletedTopic {
        topic: topic.into(),
        id,
    };
    let ticket = ctx.send(Command::TopicsDeleted(vec![deleted("t", NEW), deleted("u", OLD)]));
    assert_eq!(ctx.reply(ticket), Some(&Reply::TopicsDeleted(1)));
    assert!(ctx.committed("t", 0).is_some(), "another topic of that name");
    ctx.send(Command::TopicsDeleted(vec![deleted("t", OLD)]));
    assert_eq!(ctx.fetch(Fetched::All), vec![]);
    assert_eq!(ctx.state(), ClassicState::Empty);
}

fn delete(ctx: &mut Context, topic: &str) -> Result<(), ErrorCode> {
    let topics = vec![(topic.into(), vec![PartitionIndex(0)])];
    let ticket = ctx.send(Command::OffsetDelete(OffsetDelete {
        group: GROUP.into(),
        topics,
    }));
    match ctx.reply(ticket) {
        Some(Reply::OffsetDelete(Ok(topics))) => topics[0].partitions[0].1,
        Some(Reply::OffsetDelete(Err(error))) => Err(*error),
        other => panic!("answered at once: {other:?}"),
    }
}

#[test]
fn positions_of_topics_not_subscribed_to_can_be_deleted() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    ctx.commit(commit("t", 1).by(&a, 1)).expect("stored");
    ctx.commit(commit("u", 1).by(&a, 1)).expect("stored");
    assert_eq!(delete(&mut ctx, "t"), Err(ErrorCode::GroupSubscribedToTopic));
    assert_eq!(delete(&mut ctx, "u"), Ok(()));
    assert_eq!(delete(&mut ctx, "u"), Ok(()), "never committed is no error");
    assert_eq!(ctx.committed("u", 0), None);
    ctx.join(join("a").under(&a).subscribing("u"));
    assert_eq!(delete(&mut ctx, "t"), Ok(()), "now it is to be u");
}

#[test]
fn metadata_that_cannot_be_read_counts_as_subscribed_to_everything_and_hangs_nothing() {
    let mut ctx = Context::new();
    let absurd = [("range", "\0\0\u{7f}\u{7f}\u{7f}\u{7f}")];
    ctx.stable_with([join("a").with_protocols(&absurd)]);
    assert_eq!(delete(&mut ctx, "t"), Err(ErrorCode::GroupSubscribedToTopic));
    ctx.pass(SESSION);
    assert_eq!(ctx.state(), ClassicState::Empty);
    assert_eq!(delete(&mut ctx, "t"), Ok(()));
}

#[test]
fn positions_of_a_group_of_another_type_stay_while_it_has_members() {
    let mut ctx = Context::new();
    let ticket = ctx.join(join("a").at_once().of_type("connect"));
    ctx.pass(INITIAL_DELAY);
    assert_eq!(delete(&mut ctx, "t"), Err(ErrorCode::NonEmptyGroup));
    let member = ctx.joined(ticket).member;
    ctx.leave(&[leaver(&member)]);
    assert_eq!(delete(&mut ctx, "t"), Ok(()));
}

#[test]
fn offset_delete_wants_a_group() {
    let mut ctx = Context::new();
    assert_eq!(delete(&mut ctx, "t"), Err(ErrorCode::GroupIdNotFound));
    let ticket = ctx.send(Command::OffsetDelete(OffsetDelete {
        group: "".into(),
        topics: vec![],
    }));
    assert_eq!(ctx.refusal(ticket), ErrorCode::InvalidGroupId);
}

#[test]
fn only_a_group_without_members_can_be_deleted_and_its_positions_go_with_it() {
    let mut ctx = Context::new();
    assert_eq!(ctx.delete_group(), Err(ErrorCode::GroupIdNotFound));
    let [a] = ctx.stable(["a"]);
    ctx.commit(commit("t", 1).by(&a, 1)).expect("stored");
    assert_eq!(ctx.delete_group(), Err(ErrorCode::NonEmptyGroup));
    ctx.leave(&[leaver(&a)]);
    assert_eq!(ctx.delete_group(), Ok(()));
    assert!(!ctx.exists());
    ctx.commit(commit("u", 1)).expect("stored");
    assert_eq!(ctx.committed("t", 0), None);
}
