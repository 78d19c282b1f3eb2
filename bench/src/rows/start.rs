//! Row 17: from the start of the process to the first acknowledged record.

use crate::admin::Admin;
use crate::broker::Broker;
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::ground::Ground;
use crate::load::{Payload, batch};

const EMPTY: Figure = Figure {
    row: "17",
    name: "start on an empty directory: process start to first acknowledged record",
    unit: "ms",
    against: &[(Subject::Kafka, Some(0.02))],
    mark: Some(25.0),
    ..PLAIN
};
const KILLED: Figure = Figure {
    row: "17",
    name: "start after SIGKILL, little data: process start to first acknowledged record",
    unit: "ms",
    against: &[(Subject::Kafka, Some(0.1))],
    mark: Some(30.0),
    ..PLAIN
};
/// Row 17 on an empty directory.
pub const START: Case = Case {
    name: "start",
    figures: &[EMPTY],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: true,
    pairs_max: EVERY_PAIR,
    place: Place::Alone(start),
};
/// Row 17 after SIGKILL.
pub const REOPEN: Case = Case {
    name: "reopen",
    figures: &[KILLED],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Alone(reopen),
};

/// The topic that is written to first.
pub const TOPIC: &str = "start";

/// A start is short, so that several fit into a pass where it is short.
fn times(ground: &Ground<'_>) -> u32 {
    match ground.subject {
        Subject::Ottla => 5,
        _ => 1,
    }
}

fn start(ground: &mut Ground<'_>) -> Result<(), String> {
    for _ in 0..times(ground) {
        let (_, millis) = ground.measure(
            |_| Ok(()),
            |ground, ()| {
                let broker = ground.start()?;
                let mut admin = Admin::connect(broker.address())?;
                admin.create_topic_at_last(TOPIC, 1)?;
                first_record(broker)
            },
        )?;
        ground.note(&EMPTY, millis);
    }
    Ok(())
}

fn reopen(ground: &mut Ground<'_>) -> Result<(), String> {
    for _ in 0..times(ground) {
        let (_, millis) = ground.measure(
            |ground| {
                let broker = ground.start()?;
                let mut admin = Admin::connect(broker.address())?;
                admin.create_topic_at_last(TOPIC, 16)?;
                admin.produce_to_each(TOPIC, 16, &batch(Payload::plain(4, 1024)))?;
                broker.kill()
            },
            |ground, directory| first_record(ground.start_in(directory)?),
        )?;
        ground.note(&KILLED, millis);
    }
    Ok(())
}

/// Waits for the first acknowledged record of a broker on whose directory the topic lies; gives the milliseconds since its start.
pub fn first_record(broker: Broker) -> Result<(Broker, f64), String> {
    let mut admin = Admin::connect(broker.address())?;
    admin.produce_at_last(TOPIC, 1, &batch(Payload::plain(1, 1024)))?;
    let millis = broker.began().elapsed().as_secs_f64() * 1e3;
    Ok((broker, millis))
}
