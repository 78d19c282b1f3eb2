//! One of three members is killed: its partitions move to the others within the session timeout and two seconds, nothing
//! is lost, and only what it had not committed is read again.

use crate::check::{self, Acked, SESSION};
use crate::stage::Stage;
use crate::story::{Kind, Story};
use crate::trouble::{Outcome, expect, unmet};
use serde_json::json;
use std::time::Duration;

/// How much later than the session timeout the others may own the partitions.
const GRACE: i64 = 2000;

pub fn play(stage: &Stage) -> Outcome<()> {
    let survivors = ["m1", "m3"];
    let all = ["m1", "m2", "m3"];
    let main = stage.driver("main")?;
    let victim = stage.driver("victim")?;
    stage.create_topic(&main, 6)?;
    stage.join(&main, &survivors, &json!({}))?;
    stage.join(&victim, &["m2"], &json!({ "process_ms": 20 }))?;
    stage.shared(&all, &[2, 2, 2])?;
    let producing = stage.begin_produce(&main, 0, 1500, json!({ "partitions": 6, "rate": 150 }))?;
    stage.wait("the victim to read from both its partitions", |story| {
        let reads = story.reads(&["m2"]);
        (reads.len() == 2 && reads.values().all(|offsets| offsets.len() >= 20)).then_some(())
    })?;
    let held = stage.story().owned("m2");
    victim.kill()?;
    // Whether it was in time is told by the drivers' clocks below.
    stage.shared_within(Duration::from_secs(30), &survivors, &[3, 3])?;
    let mut acked = Acked::default();
    stage.finish_produce(&main, &producing, &mut acked)?;
    stage.wait_read(&all, &acked)?;
    stage.caught_up(&main, &stage.group, 6, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    for id in survivors {
        stage.leave(&main, id)?;
    }
    let story = stage.story();
    let took = takeover(&story)?;
    expect(took <= SESSION + GRACE, || {
        format!("the others took over after {took} ms")
    })?;
    check::complete(&story, &all, &acked)?;
    let reads = story.reads(&all);
    let again = reads
        .iter()
        .filter(|(_, offsets)| offsets.values().any(|times| *times > 1));
    let foreign: Vec<_> = again.map(|(p, _)| p).filter(|p| !held.contains(p)).collect();
    expect(foreign.is_empty(), || {
        format!("records of partitions the victim did not own came twice: {foreign:?}")
    })?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}

/// Milliseconds from the kill to the assignment that brought the last partition to its new owner.
fn takeover(story: &Story) -> Outcome<i64> {
    let Some(killed) = story
        .events
        .iter()
        .find(|e| e.kind == Kind::Exit)
        .map(|e| story.when(e))
    else {
        return unmet("nobody was killed");
    };
    let mut sizes = [0, 0];
    for event in &story.events {
        let Some(which) = ["m1", "m3"].iter().position(|id| *id == event.id) else {
            continue;
        };
        match event.kind {
            Kind::Assigned => sizes[which] += event.partitions().len(),
            Kind::Revoked | Kind::Lost => sizes[which] = sizes[which].saturating_sub(event.partitions().len()),
            _ => {}
        }
        if sizes == [3, 3] {
            return Ok(story.when(event) - killed);
        }
    }
    unmet("nobody took over")
}
