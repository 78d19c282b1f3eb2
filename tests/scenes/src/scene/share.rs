//! Three members share six partitions: two each, every record read exactly once.

use crate::check::{self, Acked};
use crate::driver::Driver;
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let ids = ["m1", "m2", "m3"];
    let main = stage.driver("main")?;
    stage.create_topic(&main, 6)?;
    stage.join(&main, &ids, &json!({}))?;
    stage.shared(&ids, &[2, 2, 2])?;
    stage.stable(&main, 3)?;
    note_what_others_see(stage, &main, &ids)?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, stage.records(6000), 6)?;
    stage.wait_read(&ids, &acked)?;
    stage.caught_up(&main, &stage.group, 6, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    for id in ids {
        stage.leave(&main, id)?;
    }
    stage.empty(&main)?;
    let story = stage.story();
    check::once(&story, &ids, &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}

/// For the comparison of brokers: who owns what, and what is refused while the group is at work.
fn note_what_others_see(stage: &Stage, main: &Driver, ids: &[&str]) -> Outcome<()> {
    let numbers = |id: &&str| stage.story().owned(id).into_iter().map(|p| p.1).collect::<Vec<_>>();
    let mut sets: Vec<_> = ids.iter().map(numbers).collect();
    sets.sort();
    stage.note("assignment", sets);
    let (topic, group) = (&stage.topic, &stage.group);
    stage.note_refusal(main, "create_topic", json!({ "topic": topic, "partitions": 6 }))?;
    stage.note_refusal(main, "create_partitions", json!({ "topic": topic, "total": 3 }))?;
    stage.note_refusal(main, "delete_group", json!({ "group": group }))?;
    stage.note_refusal(
        main,
        "alter_offsets",
        json!({ "group": group, "offsets": [[topic, 0, 0]] }),
    )?;
    stage.note_refusal(
        main,
        "delete_offsets",
        json!({ "group": group, "topic": topic, "partition": 0 }),
    )?;
    stage.note_refusal(main, "describe_group", json!({ "group": format!("{group}-missing") }))?;
    stage.note_refusal(
        main,
        "committed",
        json!({ "group": format!("{group}-missing"), "topic": topic, "partitions": 1 }),
    )
}
