//! Three members share six partitions: two each, every record read exactly once.

use crate::check::{self, Acked};
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
