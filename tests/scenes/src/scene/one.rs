//! One member gets all four partitions, and whatever was there before it came.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    stage.create_topic(&main, 4)?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, stage.records(2000), 4)?;
    stage.join(&main, &["m1"], &json!({}))?;
    stage.shared(&["m1"], &[4])?;
    stage.produce(&main, &mut acked, stage.records(2000), 4)?;
    stage.wait_read(&["m1"], &acked)?;
    stage.caught_up(&main, &stage.group, 4, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    stage.leave(&main, "m1")?;
    let story = stage.story();
    check::once(&story, &["m1"], &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)
}
