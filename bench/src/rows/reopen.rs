//! Row 17 after SIGKILL with much data: the broker of a pass is killed while its last gigabyte may still be on its way.

use std::time::Duration;

use super::produce::{CONNECTIONS, IN_FLIGHT, PARTITIONS, RECORDS};
use super::start::{TOPIC, first_record};
use crate::admin::Admin;
use crate::broker::Broker;
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::ground::Ground;
use crate::load::{Lane, Limit, Pace, Payload, ProducePlan, Run, batch};

const KILLED: Figure = Figure {
    row: "17",
    name: "start after SIGKILL, 1 GiB just written and 1.5 GiB before: process start to first acknowledged record",
    unit: "ms",
    against: &[(Subject::Kafka, Some(0.1))],
    ..PLAIN
};
/// Row 17 after SIGKILL with much data.
pub const CASE: Case = Case {
    name: "reopen-much",
    figures: &[KILLED],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::End(run),
};

const BYTES: u64 = 1 << 30;

fn run(ground: &mut Ground<'_>, broker: Broker) -> Result<(), String> {
    Admin::connect(broker.address())?.create_topic(TOPIC, PARTITIONS, &[])?;
    let (_, millis) = ground.measure_on(
        broker,
        |broker| {
            write(broker.address())?;
            broker.kill()
        },
        |ground, directory| first_record(ground.start_in(directory)?),
    )?;
    ground.note(&KILLED, millis);
    Ok(())
}

fn write(address: &str) -> Result<(), String> {
    // At a repetition the broker has just started, and may have no more than the first partition.
    Admin::connect(address)?.produce_at_last(TOPIC, PARTITIONS, &batch(Payload::plain(1, 1024)))?;
    let plan = ProducePlan {
        topic: TOPIC,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(Payload::plain(RECORDS, 1024)),
    };
    let limit = Limit {
        bytes: BYTES,
        time: Duration::from_secs(60),
    };
    let lanes = Lane::open(address, &plan)?;
    Run::new(lanes, Vec::new(), Pace::Saturate { in_flight: IN_FLIGHT }, limit)
        .run()
        .map(|_| ())
}
