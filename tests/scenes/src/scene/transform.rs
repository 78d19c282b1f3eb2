//! A consume-transform-produce loop, one in four of whose transactions is aborted: what went in comes out exactly once, and
//! the group's positions say so.

use crate::check::Acked;
use crate::ledger;
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;

const PARTITIONS: u32 = 3;

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    let to = format!("{}-out", stage.topic);
    stage.create_topic(&main, PARTITIONS)?;
    stage.create_topic_named(&main, &to, PARTITIONS)?;
    let mut acked = Acked::default();
    let count = stage.records(2000);
    stage.produce(&main, &mut acked, count, PARTITIONS)?;
    let fields = json!({ "from": stage.topic, "to": to, "transactional_id": format!("{}-id", stage.group), "batch": 20,
        "abort_every": 4 });
    let transform = stage.begin_transform(&main, "t1", fields)?;
    stage.finish(&main, &transform)?;
    stage.produce(&main, &mut acked, count, PARTITIONS)?;
    stage.caught_up(&main, &stage.group, PARTITIONS, &acked)?;
    main.call("close", "t1", json!({}))?;
    ledger::drain(stage, &main, "end", &to, PARTITIONS)?;
    ledger::exactly_once(&stage.story(), &stage.topic, &to)
}
