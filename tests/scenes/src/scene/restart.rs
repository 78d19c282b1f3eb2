//! The broker is killed in the midst of work and started again on the same directory and port. The members recover by
//! themselves, nothing acknowledged is lost, and the group ends stable.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::{Outcome, expect};
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let ids = ["m1", "m2", "m3"];
    let main = stage.driver("main")?;
    stage.create_topic(&main, 6)?;
    stage.join(&main, &ids, &json!({}))?;
    stage.shared(&ids, &[2, 2, 2])?;
    let mut acked = Acked::default();
    stage.produce(&main, &mut acked, 600, 6)?;
    stage.wait_read(&ids, &acked)?;
    let producing = stage.begin_produce(&main, 600, 1000, json!({ "partitions": 6, "rate": 200 }))?;
    stage.wait("work to be in full swing", |story| {
        let read: usize = story.reads(&ids).values().map(|offsets| offsets.len()).sum();
        (read >= 800).then_some(())
    })?;
    stage.broker(|broker| broker.kill())?;
    stage.broker(|broker| broker.restart())?;

    let answer = stage.finish(&main, &producing)?;
    acked.add(&stage.topic, "v", &answer);
    stage.wait_read(&ids, &acked)?;
    // Something new, to see that all of it works again.
    let before = acked.clone();
    let more = stage.begin_produce(&main, 5000, 600, json!({ "partitions": 6 }))?;
    stage.finish_produce(&main, &more, &mut acked)?;
    stage.wait_read(&ids, &acked)?;
    stage.shared(&ids, &[2, 2, 2])?;
    stage.stable(&main, 3)?;
    let last = acked.since(&before).ends();
    let mut committed = last.clone();
    stage.eventually("the lag to be 0", || {
        committed = stage.committed(&main, &stage.group, 6)?;
        Ok(committed == last)
    })?;
    main.close()?;
    let story = stage.story();
    expect(acked.count() >= 1200, || {
        format!("only {} records were acknowledged", acked.count())
    })?;
    check::complete(&story, &ids, &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}
