//! Row 9: from the intended time of sending to the delivery to a consumer that waits.

use std::time::Duration;

use super::produce::{CONNECTIONS, PARTITIONS};
use crate::broker::kafka;
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::load::{FetchPlan, Fetcher, Lane, Limit, Outcome, Pace, Payload, ProducePlan, Run, batch};
use crate::stage::Stage;

/// Requests a second; a rate of messages is made by what each of them carries.
const REQUESTS: f64 = 1_000.0;

/// The three quantiles of one rate.
struct Quantiles {
    records: usize,
    p50: Figure,
    p99: Figure,
    p999: Figure,
}

const fn figure(name: &'static str, against: &'static [(Subject, Option<f64>)]) -> Figure {
    Figure {
        row: "9",
        name,
        unit: "ms",
        writes: true,
        against,
        ..PLAIN
    }
}

const GOAL: &[(Subject, Option<f64>)] = &[(Subject::Kafka, Some(0.6))];
const NO_GOAL: &[(Subject, Option<f64>)] = &[(Subject::Kafka, None)];
const RATE_1: Quantiles = Quantiles {
    records: 1,
    p50: figure(
        "end to end, 1,000 messages/s of 1 KiB in 1,000 requests/s, 16 partitions, acks=all: p50",
        GOAL,
    ),
    p99: figure("end to end, 1,000 messages/s: p99", GOAL),
    p999: figure("end to end, 1,000 messages/s: p99.9", NO_GOAL),
};
const RATE_10: Quantiles = Quantiles {
    records: 10,
    p50: figure("end to end, 10,000 messages/s in 1,000 requests/s: p50", GOAL),
    p99: figure("end to end, 10,000 messages/s: p99", GOAL),
    p999: figure("end to end, 10,000 messages/s: p99.9", NO_GOAL),
};
const RATE_50: Quantiles = Quantiles {
    records: 50,
    p50: figure("end to end, 50,000 messages/s in 1,000 requests/s: p50", GOAL),
    p99: figure("end to end, 50,000 messages/s: p99", GOAL),
    p999: figure("end to end, 50,000 messages/s: p99.9", NO_GOAL),
};
/// Row 9 under our own load.
pub const OWN: Case = Case {
    name: "end-to-end",
    figures: &[
        RATE_1.p50,
        RATE_1.p99,
        RATE_1.p999,
        RATE_10.p50,
        RATE_10.p99,
        RATE_10.p999,
        RATE_50.p50,
        RATE_50.p99,
        RATE_50.p999,
    ],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: true,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(own),
};

fn own(stage: &mut Stage<'_>) -> Result<(), String> {
    let seconds = Duration::from_secs(stage.rules.extent.of(6, 5));
    let rates = stage.rules.extent.of(&[RATE_1, RATE_10, RATE_50][..], &[RATE_10]);
    for rate in rates {
        let measured =
            stage.measure_with_topic(PARTITIONS, |stage, topic| paced(stage, topic, rate.records, seconds))?;
        let (outcome, _) = measured;
        for (figure, quantile) in [(&rate.p50, 0.5), (&rate.p99, 0.99), (&rate.p999, 0.999)] {
            stage.note(figure, outcome.arrived.value_at_quantile(quantile) as f64 / 1e3);
        }
    }
    Ok(())
}

fn paced(stage: &Stage<'_>, topic: &str, records: usize, time: Duration) -> Result<Outcome, String> {
    let address = stage.broker.address();
    let plan = ProducePlan {
        topic,
        partitions: PARTITIONS,
        partitions_per_request: 1,
        connections: CONNECTIONS,
        batch: &batch(Payload::plain(records, 1024)),
    };
    let of_topic = FetchPlan {
        topic,
        partitions: PARTITIONS,
    };
    let run = Run {
        lanes: Lane::open(address, &plan)?,
        fetchers: vec![Fetcher::open(address, of_topic)?],
        pace: Pace::Open { rate: REQUESTS },
        limit: Limit { bytes: u64::MAX, time },
        ramp: Duration::from_secs(1),
        records_per_batch: records as i64,
    };
    let outcome = run.run()?;
    stage.count(outcome.produced + outcome.delivered);
    Ok(outcome)
}

const TOOL_MEAN: Figure = figure(
    "Kafka's EndToEndLatency, 1 KiB, one message at a time, acks=all: mean",
    NO_GOAL,
);
const TOOL_P99: Figure = figure("Kafka's EndToEndLatency: p99", NO_GOAL);
/// Row 9 under Kafka's own clients.
pub const TOOL: Case = Case {
    name: "end-to-end-latency",
    figures: &[TOOL_MEAN, TOOL_P99],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(tool),
};

/// Messages, one after the other: enough that the clients' start does not show at p99.
const MESSAGES: &str = "5000";

fn tool(stage: &mut Stage<'_>) -> Result<(), String> {
    let (said, _) = stage.measure_with_topic(1, |stage, topic| {
        let arguments = [
            "--bootstrap-server",
            stage.broker.address(),
            "--topic",
            topic,
            "--num-records",
            MESSAGES,
            "--producer-acks",
            "all",
            "--record-size",
            "1024",
        ];
        let printed = kafka::tool("org.apache.kafka.tools.EndToEndLatency", &arguments)?;
        said(&printed).ok_or_else(|| format!("EndToEndLatency did not say what it measured:\n{printed}"))
    })?;
    stage.note(&TOOL_MEAN, said.mean_ms);
    stage.note(&TOOL_P99, said.p99_ms);
    Ok(())
}

/// What EndToEndLatency says: a mean in ms, quantiles in whole ms, too coarse for a median.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Said {
    mean_ms: f64,
    p99_ms: f64,
}

fn said(printed: &str) -> Option<Said> {
    let after = |word: &str| {
        let rest = printed.split(word).nth(1)?;
        let number = rest.split([' ', ',', '\n']).find(|part| !part.is_empty())?;
        number.parse::<f64>().ok()
    };
    Some(Said {
        mean_ms: after("Avg latency:")?,
        p99_ms: after("99th =")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_end_to_end_latency_prints_is_understood() {
        let printed = "0\t12.5\n1000\t0.9\nAvg latency: 1.2345 ms\n\nPercentiles: 50th = 1, 99th = 5, 99.9th = 9\n";
        let expected = Said {
            mean_ms: 1.2345,
            p99_ms: 5.0,
        };
        assert_eq!(said(printed), Some(expected));
    }
}
