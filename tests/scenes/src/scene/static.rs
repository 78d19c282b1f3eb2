//! A static member is restarted within its session, once closed and once killed: it gets its partitions back, and the
//! others notice nothing.

use crate::check::{self, Acked};
use crate::driver::Driver;
use crate::stage::Stage;
use crate::story::{Event, Kind};
use crate::trouble::{Outcome, expect};
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    stage.create_topic(&main, 6)?;
    stage.join(&main, &["m1"], &json!({ "instance_id": "i1" }))?;
    stage.join(&main, &["m3"], &json!({ "instance_id": "i3" }))?;
    // All three processes are ready before the first is restarted: a session is short.
    let lives = [stage.driver("life1")?, stage.driver("life2")?, stage.driver("life3")?];
    let all = ["m1", "m3", "m2a", "m2b", "m2c"];
    stage.join(&lives[0], &["m2a"], &json!({ "instance_id": "i2" }))?;
    stage.shared(&["m1", "m2a", "m3"], &[2, 2, 2])?;
    stage.stable(&main, 3)?;
    let mut acked = Acked::default();
    let count = stage.records(3000);
    stage.produce(&main, &mut acked, count, 6)?;
    stage.wait_read(&all, &acked)?;
    stage.caught_up(&main, &stage.group, 6, &acked)?;

    let mark = stage.mark();
    let held = stage.story().owned("m2a");
    lives[0].close()?;
    restart(stage, &main, &lives[1], "m2b", &mut acked)?;
    lives[1].kill()?;
    restart(stage, &main, &lives[2], "m2c", &mut acked)?;
    {
        let story = stage.story();
        expect(story.owned("m2c") == held, || {
            format!("m2 had {held:?} and has {:?}", story.owned("m2c"))
        })?;
        let disturbed = |id: &str, kind| {
            (id == "m1" || id == "m3") && matches!(kind, Kind::Assigned | Kind::Revoked | Kind::Lost | Kind::Ended)
        };
        let noticed = story.events[mark..].iter().find(|e| disturbed(&e.id, e.kind));
        // The generation tells of a rebalance that left every assignment as it was.
        let generation =
            |e: &&Event| e.kind == Kind::Assigned && !e.partitions().is_empty() && e.number("generation") >= 0;
        let later: Vec<i64> = story.events[mark..]
            .iter()
            .filter(generation)
            .map(|e| e.number("generation"))
            .collect();
        let before = story.events[..mark]
            .iter()
            .rev()
            .find(generation)
            .map(|e| e.number("generation"));
        expect(later.iter().all(|g| Some(*g) == before), || {
            format!("generation {before:?} became {later:?}")
        })?;
        expect(noticed.is_none(), || {
            format!("the others noticed: {:?}", noticed.map(|e| e.body.to_string()))
        })?;
    }
    stage.caught_up(&main, &stage.group, 6, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    lives[2].close()?;
    main.close()?;
    let story = stage.story();
    check::complete(&story, &all, &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    check::repeats_from_commits_only(&story, &stage.group)?;
    check::one_owner_at_a_time(&story, &stage.group)
}

/// The instance comes back in another process, and all goes on.
fn restart(stage: &Stage, main: &Driver, life: &Driver, id: &str, acked: &mut Acked) -> Outcome<()> {
    stage.join(life, &[id], &json!({ "instance_id": "i2" }))?;
    stage.shared(&["m1", id, "m3"], &[2, 2, 2])?;
    let before = acked.clone();
    stage.produce(main, acked, 60, 6)?;
    stage.wait_read(&["m1", "m3", id], &acked.since(&before))
}
