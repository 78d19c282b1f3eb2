//! Two groups on one topic: each gets everything, and keeps offsets of its own.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let other = format!("{}-other", stage.group);
    let main = stage.driver("main")?;
    stage.create_topic(&main, 4)?;
    stage.join(&main, &["a1", "a2"], &json!({}))?;
    stage.join(&main, &["b1", "b2"], &json!({ "group": other }))?;
    stage.shared(&["a1", "a2"], &[2, 2])?;
    stage.shared(&["b1", "b2"], &[2, 2])?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, stage.records(3000), 4)?;
    for (group, ids) in [(&stage.group, ["a1", "a2"]), (&other, ["b1", "b2"])] {
        stage.wait_read(&ids, &acked)?;
        stage.caught_up(&main, group, 4, &acked)?;
    }
    let groups = stage.admin(&main, "list_groups", json!({}))?.body["groups"].to_string();
    for group in [&stage.group, &other] {
        crate::trouble::expect(groups.contains(&format!("\"{group}\"")), || {
            format!("{group} is not in {groups}")
        })?;
    }
    main.close()?;
    let story = stage.story();
    for (group, ids) in [(&stage.group, ["a1", "a2"]), (&other, ["b1", "b2"])] {
        check::once(&story, &ids, &acked)?;
        check::reads_are_owned(&story, group)?;
        check::repeats_from_commits_only(&story, group)?;
        check::one_owner_at_a_time(&story, group)?;
    }
    Ok(())
}
