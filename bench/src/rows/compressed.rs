//! Row 10: compressed batches, which a broker need not open.

use std::time::Duration;

use ottla_log::Codec;

use super::produce::{CONNECTIONS, IN_FLIGHT, PARTITIONS, RECORDS};
use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::load::{Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

const fn figure(name: &'static str) -> Figure {
    Figure {
        row: "10",
        name,
        unit: "CPU-s/GB",
        writes: true,
        against: &[(Subject::Kafka, Some(0.3))],
        ..PLAIN
    }
}

const LZ4: Figure =
    figure("produce batches of 63 records of 1 KiB compressed with lz4: broker CPU per GB as it is sent");
const ZSTD: Figure = figure("the same with zstd");
const SNAPPY: Figure = figure("the same with snappy");
/// Row 10.
pub const CASE: Case = Case {
    name: "compressed",
    figures: &[LZ4, ZSTD, SNAPPY],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

/// Bytes sent, compressed, with each codec.
const BYTES: u64 = 256 << 20;

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    for (figure, codec) in [(LZ4, Codec::Lz4), (ZSTD, Codec::Zstd), (SNAPPY, Codec::Snappy)] {
        let (outcome, usage) = stage.measure_with_topic(PARTITIONS, |stage, topic| saturate(stage, topic, codec))?;
        stage.note(&figure, usage.broker / (outcome.produced as f64 / 1e9));
    }
    Ok(())
}

fn saturate(stage: &Stage<'_>, topic: &str, codec: Codec) -> Result<Outcome, String> {
    let payload = Payload {
        codec,
        ..Payload::plain(RECORDS, 1024)
    };
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(payload),
    };
    let lanes = Lane::open(stage.broker.address(), &plan)?;
    let limit = Limit {
        bytes: BYTES,
        time: Duration::from_secs(6),
    };
    let outcome = Run::new(lanes, Vec::new(), Pace::Saturate { in_flight: IN_FLIGHT }, limit).run()?;
    stage.count(outcome.produced);
    Ok(outcome)
}
