//! Positions that nobody uses grow old (KIP-211).

use ottla_model::Millis;

use super::context::*;
use crate::*;

const MINUTE: i64 = 60_000;
const RETENTION: i64 = 7 * 24 * 60 * MINUTE;
const CHECK: i64 = 10 * MINUTE;

/// Old positions are gone within one more interval.
fn short() -> (Context, i64) {
    let retention = 60 * MINUTE;
    let config = GroupConfig {
        offsets_retention: Millis(retention),
        ..GroupConfig::default()
    };
    (Context::with(config), retention)
}

#[test]
fn positions_of_a_group_without_members_expire_after_their_commit() {
    let mut ctx = Context::new();
    ctx.commit(commit("t", 1)).expect("stored");
    ctx.pass(RETENTION - CHECK);
    assert!(ctx.committed("t", 0).is_some());
    ctx.pass(2 * CHECK);
    assert!(!ctx.exists(), "and the group with its last one");
}

#[test]
fn positions_of_a_group_that_lost_its_members_expire_after_it_became_empty() {
    let (mut ctx, retention) = short();
    let [a] = ctx.stable(["a"]);
    ctx.commit(commit("t", 1).by(&a, 1)).expect("stored");
    ctx.pass_with(2 * retention, &[&a]);
    ctx.leave(&[leaver(&a)]);
    ctx.pass(retention - CHECK);
    assert!(
        ctx.committed("t", 0).is_some(),
        "committed long ago, but empty only since"
    );
    ctx.pass(2 * CHECK);
    assert!(!ctx.exists());
}

#[test]
fn a_working_group_keeps_positions_of_its_topics_and_loses_others() {
    let (mut ctx, retention) = short();
    let [a] = ctx.stable(["a"]);
    ctx.commit(commit("t", 1).by(&a, 1)).expect("stored");
    ctx.commit(commit("u", 1).by(&a, 1)).expect("stored");
    ctx.pass_with(retention + 2 * CHECK, &[&a]);
    assert!(ctx.committed("t", 0).is_some());
    assert_eq!(ctx.committed("u", 0), None);
    let expired = Effect::OffsetsExpired {
        group: GROUP.into(),
        count: 1,
    };
    assert!(ctx.effects.contains(&expired));
}

#[test]
fn nothing_expires_while_the_subscription_is_not_known() {
    let (mut ctx, retention) = short();
    let [a] = ctx.stable_with([join("a").with_protocols(&[("range", "?")])]);
    ctx.commit(commit("u", 1).by(&a, 1)).expect("stored");
    ctx.pass_with(retention + 2 * CHECK, &[&a]);
    assert!(ctx.committed("u", 0).is_some());
}

#[test]
fn nothing_expires_while_a_group_of_another_type_works() {
    let (mut ctx, retention) = short();
    let ticket = ctx.join(join("a").at_once().of_type("connect"));
    ctx.pass(INITIAL_DELAY);
    let a = ctx.joined(ticket).member;
    let mut lead = sync(&a, 1, &[]);
    lead.protocol_type = Some("connect".into());
    ctx.send(Command::SyncGroup(lead));
    ctx.commit(commit("u", 1).by(&a, 1)).expect("stored");
    ctx.pass_with(retention + 2 * CHECK, &[&a]);
    assert!(ctx.committed("u", 0).is_some());
}

#[test]
fn a_client_before_v5_says_itself_how_long_its_position_is_kept() {
    let mut ctx = Context::new();
    ctx.commit(commit("t", 1).kept_for(CHECK)).expect("stored");
    ctx.commit(commit("u", 1)).expect("stored");
    ctx.pass(2 * CHECK);
    assert_eq!(ctx.committed("t", 0), None);
    assert!(ctx.committed("u", 0).is_some());
}

#[test]
fn an_empty_group_with_nothing_left_is_forgotten_unless_somebody_is_about_to_join() {
    let mut ctx = Context::new();
    let a = ctx.ask_for_id(join("a").with_timeouts(1_800_000, REBALANCE));
    ctx.pass(CHECK);
    assert!(ctx.exists());
    ctx.leave(&[leaver(&a)]);
    ctx.pass(CHECK);
    assert!(!ctx.exists());
}

#[test]
fn a_large_sweep_is_done_in_steps() {
    let mut ctx = Context::new();
    for group in 0..12 {
        let mut many = commit("t", 1);
        many.0.group = format!("g{group:02}").as_str().into();
        let partition = many.0.topics[0].partitions[0].clone();
        many.0.topics[0].partitions = (0..1_000)
            .map(|index| CommitPartition {
                index: ottla_model::PartitionIndex(index),
                ..partition.clone()
            })
            .collect();
        ctx.commit(many).expect("stored");
    }
    ctx.pass(RETENTION + 2 * CHECK);
    assert_eq!(ctx.shard.state().groups().count(), 0);
}
