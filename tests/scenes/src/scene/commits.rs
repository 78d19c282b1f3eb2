//! A client is restarted and resumes from what is committed: without loss, and without repeats if it had been closed.
//! Once with commits by hand, once with the client's own auto commit, and once with a crash between auto commits.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::{Value, json};

const PARTITIONS: u32 = 3;

/// How the first client ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
}

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    stage.create_topic(&main, PARTITIONS)?;
    let automatic = json!({ "auto_commit": true, "auto_commit_interval_ms": 1000 });
    let mut acked = Acked::default();
    resume(stage, "manual", &json!({}), End::Closed, &mut acked)?;
    resume(stage, "auto", &automatic, End::Closed, &mut acked)?;
    resume(stage, "crash", &automatic, End::Killed, &mut acked)
}

/// Reads, restarts, and reads on, in a group of its own.
fn resume(stage: &Stage, name: &str, how: &Value, end: End, acked: &mut Acked) -> Outcome<()> {
    let group = format!("{}-{name}", stage.group);
    let (first, second) = (format!("{name}1"), format!("{name}2"));
    let ids = [first.as_str(), second.as_str()];
    let mut fields = how.clone();
    fields["group"] = group.clone().into();
    let count = stage.records(3000);

    let before = stage.driver(&first)?;
    stage.produce(&before, acked, count, PARTITIONS)?;
    stage.join(&before, &[&first], &fields)?;
    stage.wait_read(&[&first], acked)?;
    match end {
        End::Closed => before.close()?,
        End::Killed => before.kill()?,
    }

    let after = stage.driver(&second)?;
    stage.produce(&after, acked, count, PARTITIONS)?;
    stage.join(&after, &[&second], &fields)?;
    stage.wait_read(&ids, acked)?;
    stage.caught_up(&after, &group, PARTITIONS, acked)?;
    after.close()?;
    let story = stage.story();
    match end {
        End::Closed => check::once(&story, &ids, acked)?,
        End::Killed => {
            check::complete(&story, &ids, acked)?;
        }
    }
    check::repeats_from_commits_only(&story, &group)?;
    check::one_owner_at_a_time(&story, &group)?;
    drop(story);
    stage.note(name, acked.ends().into_values().collect::<Vec<_>>());
    Ok(())
}
