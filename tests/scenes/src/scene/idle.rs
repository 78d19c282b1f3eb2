//! Seven members on six partitions: one is idle, and takes over when another leaves.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::{Outcome, unmet};
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let ids = ["m1", "m2", "m3", "m4", "m5", "m6", "m7"];
    let main = stage.driver("main")?;
    stage.create_topic(&main, 6)?;
    stage.join(&main, &ids, &json!({}))?;
    stage.shared(&ids, &[0, 1, 1, 1, 1, 1, 1])?;
    stage.stable(&main, 7)?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, stage.records(3000), 6)?;
    stage.wait_read(&ids, &acked)?;
    let idle = ids.iter().find(|id| stage.story().owned(id).is_empty());
    let busy = ids.iter().find(|id| !stage.story().owned(id).is_empty());
    let (Some(idle), Some(busy)) = (idle, busy) else {
        return unmet("nobody is idle");
    };
    stage.leave(&main, busy)?;
    let left: Vec<&str> = ids.into_iter().filter(|id| id != busy).collect();
    stage.shared(&left, &[1; 6])?;
    stage.produce(&main, &mut acked, stage.records(3000), 6)?;
    stage.wait_read(&ids, &acked)?;
    stage.wait("the idle member to read", |story| {
        (!story.reads(&[idle]).is_empty()).then_some(())
    })?;
    stage.caught_up(&main, &stage.group, 6, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    main.close()?;
    let story = stage.story();
    check::once(&story, &ids, &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}
