//! Partitions added while members run are noticed, shared and read from their beginning.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let ids = ["m1", "m2"];
    let main = stage.driver("main")?;
    stage.create_topic(&main, 2)?;
    stage.join(&main, &ids, &json!({}))?;
    stage.shared(&ids, &[1, 1])?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, stage.records(2000), 2)?;
    stage.wait_read(&ids, &acked)?;
    stage.admin(&main, "create_partitions", json!({ "topic": stage.topic, "total": 4 }))?;
    stage.shared(&ids, &[2, 2])?;
    stage.produce(&main, &mut acked, stage.records(2000), 4)?;
    stage.wait_read(&ids, &acked)?;
    stage.caught_up(&main, &stage.group, 4, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    main.close()?;
    let story = stage.story();
    check::once(&story, &ids, &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}
