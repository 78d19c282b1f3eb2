//! Reading again: a member seeks to the beginning; later the empty group's offsets are altered.

use crate::check::{self, Acked};
use crate::driver::Driver;
use crate::stage::Stage;
use crate::trouble::{Outcome, expect};
use serde_json::json;
use std::collections::BTreeMap;

const PARTITIONS: u32 = 3;

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    stage.create_topic(&main, PARTITIONS)?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, stage.records(3000), PARTITIONS)?;
    seek(stage, &main, &acked)?;
    alter(stage, &main, &acked)
}

/// Everything is read twice, and the second time in the same order.
fn seek(stage: &Stage, main: &Driver, acked: &Acked) -> Outcome<()> {
    stage.join(main, &["m1"], &json!({}))?;
    stage.wait_read(&["m1"], acked)?;
    stage.caught_up(main, &stage.group, PARTITIONS, acked)?;
    main.call("seek", "m1", json!({ "to": "earliest" }))?;
    stage.wait("everything to be read again", |story| {
        let reads = story.reads(&["m1"]);
        (reads.values().flat_map(BTreeMap::values).all(|times| *times >= 2)).then_some(())
    })?;
    stage.caught_up(main, &stage.group, PARTITIONS, acked)?;
    stage.leave(main, "m1")?;
    let story = stage.story();
    let repeats = check::complete(&story, &["m1"], acked)?;
    expect(repeats == acked.count(), || {
        format!("{repeats} of {} records were read again", acked.count())
    })?;
    check::reads_are_owned(&story, &stage.group)
}

/// A new member begins where the offsets were set to.
fn alter(stage: &Stage, main: &Driver, acked: &Acked) -> Outcome<()> {
    const BACK_TO: i64 = 40;
    stage.empty(main)?;
    let offsets: Vec<_> = (0..PARTITIONS).map(|p| json!([stage.topic, p, BACK_TO])).collect();
    stage.admin(
        main,
        "alter_offsets",
        json!({ "group": stage.group, "offsets": offsets }),
    )?;
    let committed = stage.committed(main, &stage.group, PARTITIONS)?;
    expect(
        committed.len() == 3 && committed.values().all(|offset| *offset == BACK_TO),
        || format!("{committed:?} is committed instead of {BACK_TO}"),
    )?;
    let rest = acked.from(BACK_TO);
    stage.join(main, &["m2"], &json!({}))?;
    stage.wait_read(&["m2"], &rest)?;
    stage.caught_up(main, &stage.group, PARTITIONS, acked)?;
    stage.leave(main, "m2")?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    check::once(&stage.story(), &["m2"], &rest)
}
