//! Two consumers without a group are given the same partition by hand: both get everything.

use crate::check::{self, Acked};
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    stage.create_topic(&main, 2)?;
    let mut acked = Acked::default();
    let count = stage.records(2000);
    let on_zero = |first| stage.begin_produce(&main, first, count, json!({ "partition": 0 }));
    stage.finish_produce(&main, &on_zero(0)?, &mut acked)?;
    let bootstrap = stage.broker(|broker| Ok(broker.bootstrap()))?;
    for id in ["a1", "a2"] {
        main.call(
            "assign",
            id,
            json!({ "bootstrap": bootstrap, "partitions": [[stage.topic, 0]], "from": "earliest" }),
        )?;
    }
    stage.wait_read(&["a1"], &acked)?;
    stage.wait_read(&["a2"], &acked)?;
    stage.finish_produce(&main, &on_zero(acked.count())?, &mut acked)?;
    stage.wait_read(&["a1"], &acked)?;
    stage.wait_read(&["a2"], &acked)?;
    stage.leave(&main, "a1")?;
    stage.leave(&main, "a2")?;
    let story = stage.story();
    check::once(&story, &["a1"], &acked)?;
    check::once(&story, &["a2"], &acked)
}
