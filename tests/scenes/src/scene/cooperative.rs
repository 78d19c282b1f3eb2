//! Cooperative members join and leave, and those that keep partitions keep them: no partition that stays is ever revoked.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::story::{Event, Kind, Partition, Story};
use crate::trouble::{Outcome, expect};
use serde_json::json;
use std::collections::BTreeSet;

pub fn play(stage: &Stage) -> Outcome<()> {
    let all = ["m1", "m2", "m3"];
    let fields = json!({ "assignor": "cooperative-sticky" });
    let main = stage.driver("main")?;
    stage.create_topic(&main, 6)?;
    stage.join(&main, &["m1", "m2"], &fields)?;
    stage.shared(&["m1", "m2"], &[3, 3])?;
    stage.stable(&main, 2)?;
    let producing = stage.begin_produce(&main, 0, stage.records(10_000), json!({ "partitions": 6, "rate": 100 }))?;

    let owned = |id: &str| stage.story().owned(id);
    let (mark, before) = (stage.mark(), ["m1", "m2"].map(owned));
    stage.join(&main, &["m3"], &fields)?;
    stage.shared(&all, &[2, 2, 2])?;
    stage.stable(&main, 3)?;
    for (id, before) in ["m1", "m2"].iter().zip(before) {
        kept(stage, id, mark, &before)?;
    }

    let (mark, before) = (stage.mark(), ["m1", "m2"].map(owned));
    stage.leave(&main, "m3")?;
    stage.shared(&["m1", "m2"], &[3, 3])?;
    stage.stable(&main, 2)?;
    for (id, before) in ["m1", "m2"].iter().zip(before) {
        kept(stage, id, mark, &before)?;
    }

    let mut acked = Acked::default();
    stage.finish_produce(&main, &producing, &mut acked)?;
    stage.wait_read(&all, &acked)?;
    stage.caught_up(&main, &stage.group, 6, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    main.close()?;
    let story = stage.story();
    check::complete(&story, &all, &acked)?;
    only_moved_came_twice(&story, &all)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}

/// A commit in the midst of a cooperative rebalance may be refused (`REBALANCE_IN_PROGRESS`), and the partition may be
/// moved before the next one, so its new owner reads some records again. Partitions that stayed are read once.
fn only_moved_came_twice(story: &Story, ids: &[&str]) -> Outcome<()> {
    let moved: BTreeSet<Partition> = story
        .events
        .iter()
        .filter(|e| e.kind == Kind::Revoked)
        .flat_map(Event::partitions)
        .collect();
    let reads = story.reads(ids);
    let twice = reads
        .iter()
        .filter(|(_, offsets)| offsets.values().any(|times| *times > 1));
    let stayed: Vec<_> = twice
        .map(|(partition, _)| partition)
        .filter(|p| !moved.contains(*p))
        .collect();
    expect(stayed.is_empty(), || {
        format!("{stayed:?} did not move and were read more than once")
    })
}

/// Of what the member owned before and owns now, nothing was taken from it in between.
fn kept(stage: &Stage, id: &str, mark: usize, before: &BTreeSet<Partition>) -> Outcome<()> {
    let story = stage.story();
    let now = story.owned(id);
    let gone = story.events[mark..]
        .iter()
        .filter(|e| e.id == id && matches!(e.kind, Kind::Revoked | Kind::Lost));
    let interrupted: Vec<Partition> = gone
        .flat_map(|e| e.partitions())
        .filter(|p| before.contains(p) && now.contains(p))
        .collect();
    expect(interrupted.is_empty(), || {
        format!("{id} had to give up {interrupted:?} though it kept them")
    })?;
    expect(before.iter().filter(|p| now.contains(p)).count() >= 2, || {
        format!("{id} owned {before:?} and owns {now:?}: that is not sticky")
    })
}
