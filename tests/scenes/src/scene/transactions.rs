//! Readers of committed records see what was committed, in order, and neither what was aborted nor what is still open; others
//! see everything. Positions count with their transaction only, and a producer that was replaced is fenced.

use crate::driver::Driver;
use crate::stage::Stage;
use crate::story::Partition;
use crate::trouble::{Outcome, Trouble, expect, unmet};
use serde_json::json;

pub fn play(stage: &Stage) -> Outcome<()> {
    let main = stage.driver("main")?;
    stage.create_topic(&main, 1)?;
    open(stage, &main, "p1", "one")?;
    transaction(stage, &main, "p1", "c", Some(true))?;
    transaction(stage, &main, "p1", "a", Some(false))?;
    transaction(stage, &main, "p1", "o", None)?;
    for (id, isolation) in [("committed", "read_committed"), ("all", "read_uncommitted")] {
        let fields = json!({ "bootstrap": stage.bootstrap(), "partitions": [[stage.topic, 0]], "from": "earliest",
            "isolation": isolation });
        main.call("assign", id, fields)?;
    }
    wait_values(stage, "all", &["c", "a", "o"])?;
    wait_values(stage, "committed", &["c"])?;
    main.call("end", "p1", json!({ "commit": true }))?;
    wait_values(stage, "committed", &["c", "o"])?;
    positions(stage, &main)?;
    fencing(stage, &main)?;
    wait_values(stage, "committed", &["c", "o", "d", "f"])?;
    main.call("close", "committed", json!({}))?;
    main.call("close", "all", json!({}))?;
    Ok(())
}

fn open(stage: &Stage, driver: &Driver, id: &str, transactional_id: &str) -> Outcome<()> {
    let transactional_id = format!("{}-{transactional_id}", stage.group);
    let fields = json!({ "bootstrap": stage.bootstrap(), "transactional_id": transactional_id });
    driver.call("transact", id, fields).map(drop)
}

/// Five values with a prefix; the transaction stays open if no outcome is named.
fn transaction(stage: &Stage, driver: &Driver, id: &str, prefix: &str, commit: Option<bool>) -> Outcome<()> {
    driver.call("begin", id, json!({}))?;
    let send = json!({ "topic": stage.topic, "partition": 0, "values": five(prefix) });
    let sent = driver.call("send", id, send)?;
    let offsets = sent.body["offsets"].as_array().map_or(0, Vec::len);
    expect(offsets == 5, || format!("{offsets} of five records were acknowledged"))?;
    match commit {
        Some(commit) => driver.call("end", id, json!({ "commit": commit })).map(drop),
        None => Ok(()),
    }
}

fn five(prefix: &str) -> Vec<String> {
    (0..5).map(|i| format!("{prefix}-{i}")).collect()
}

/// Waits until a reader has seen these and nothing else, in this order.
fn wait_values(stage: &Stage, id: &str, prefixes: &[&str]) -> Outcome<()> {
    let wanted: Vec<String> = prefixes.iter().flat_map(|prefix| five(prefix)).collect();
    let seen = stage.wait(&format!("{id} to read {prefixes:?}"), |story| {
        let values = story.values(id);
        (values.len() >= wanted.len()).then_some(values)
    })?;
    expect(seen == wanted, || format!("{id} read {seen:?} instead of {wanted:?}"))
}

/// A position that was aborted is none, one that was committed counts.
fn positions(stage: &Stage, main: &Driver) -> Outcome<()> {
    let partition: Partition = (stage.topic.clone(), 0);
    for (prefix, commit, position) in [("b", false, None), ("d", true, Some(3))] {
        transaction(stage, main, "p1", prefix, None)?;
        let offsets = json!({ "group": stage.group, "offsets": [[stage.topic, 0, 3]] });
        main.call("offsets", "p1", offsets)?;
        main.call("end", "p1", json!({ "commit": commit }))?;
        // The markers of an end that was answered may still be on their way.
        stage.eventually("the position to be settled", || {
            let committed = stage.committed(main, &stage.group, 1)?;
            Ok(committed.get(&partition).copied() == position)
        })?;
    }
    Ok(())
}

/// The second producer of a transactional id takes over: what the first left open is aborted, and it can end nothing.
fn fencing(stage: &Stage, main: &Driver) -> Outcome<()> {
    transaction(stage, main, "p1", "z", None)?;
    open(stage, main, "p2", "one")?;
    match main.call("end", "p1", json!({ "commit": true })) {
        Ok(_) => return unmet("a producer that was replaced committed"),
        Err(Trouble::Refused { .. }) => {}
        Err(trouble) => return Err(trouble),
    }
    transaction(stage, main, "p2", "f", Some(true))
}
