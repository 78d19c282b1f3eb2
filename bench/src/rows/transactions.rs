//! Row 21: transactions that write, commit a group's position with it, and commit every 10 ms or as fast as it goes.

use std::time::Duration;

use crate::admin::Admin;
use crate::case::{Case, Place};
use crate::figure::{Better, Figure, PLAIN, Subject};
use crate::group_admin::GroupAdmin;
use crate::load::{Payload, Rhythm, TransactionPlan, Transactors, batch};
use crate::stage::Stage;

const PARTITIONS_EACH: usize = 2;
/// Records of a transaction in each of its partitions, and bytes of a record.
const RECORDS: usize = 10;
const RECORD_BYTES: usize = 100;
const INTERVAL: Duration = Duration::from_millis(10);
/// Partitions of the topic, so many that each of the most producers has its own.
const PARTITIONS: usize = 100 * PARTITIONS_EACH;

const RATE_OF_1: Figure = Figure {
    name: "transactions (10 records of 100 B to each of 2 partitions, a position), committed after 10 ms, 1 producer",
    ..RATE
};
const P50_OF_1: Figure = Figure {
    name: "the same, 1 producer: a commit, p50",
    ..COMMIT
};
const P99_OF_1: Figure = Figure {
    name: "the same, 1 producer: a commit, p99",
    ..COMMIT
};
const RATE_OF_10: Figure = Figure {
    name: "the same, 10 producers",
    ..RATE
};
const P50_OF_10: Figure = Figure {
    name: "the same, 10 producers: a commit, p50",
    ..COMMIT
};
const P99_OF_10: Figure = Figure {
    name: "the same, 10 producers: a commit, p99",
    ..COMMIT
};
const RATE_OF_100: Figure = Figure {
    name: "the same, 100 producers",
    against: &[(Subject::Kafka, Some(2.0))],
    ..RATE
};
const P50_OF_100: Figure = Figure {
    name: "the same, 100 producers: a commit, p50",
    ..COMMIT
};
const P99_OF_100: Figure = Figure {
    name: "the same, 100 producers: a commit, p99",
    against: &[(Subject::Kafka, Some(0.5))],
    ..COMMIT
};
const FASTEST_OF_10: Figure = Figure {
    name: "the same, as fast as it goes, 10 producers",
    ..RATE
};
const FASTEST: Figure = Figure {
    name: "the same, as fast as it goes, 100 producers",
    ..RATE
};
const FASTEST_P99: Figure = Figure {
    name: "the same, as fast as it goes, 100 producers: a commit, p99",
    ..COMMIT
};
const COST: Figure = Figure {
    name: "the same, as fast as it goes, 100 producers: broker CPU per transaction",
    unit: "CPU-us",
    ..COMMIT
};

const RATE: Figure = Figure {
    row: "21",
    unit: "1/s",
    better: Better::Higher,
    writes: true,
    ..PLAIN
};
const COMMIT: Figure = Figure {
    row: "21",
    unit: "ms",
    writes: true,
    ..PLAIN
};

/// Row 21.
pub const CASE: Case = Case {
    name: "transactions",
    figures: &[
        RATE_OF_1,
        P50_OF_1,
        P99_OF_1,
        RATE_OF_10,
        P50_OF_10,
        P99_OF_10,
        RATE_OF_100,
        P50_OF_100,
        P99_OF_100,
        FASTEST_OF_10,
        FASTEST,
        FASTEST_P99,
        COST,
    ],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: 3,
    place: Place::Pass(run),
};

/// What a run with so many producers is entered as.
struct Entries {
    producers: usize,
    interval: Duration,
    rate: Figure,
    p50: Option<Figure>,
    p99: Option<Figure>,
    cost: Option<Figure>,
}

fn runs() -> [Entries; 5] {
    let entries = |producers, rate, p50, p99| Entries {
        producers,
        interval: INTERVAL,
        rate,
        p50: Some(p50),
        p99: Some(p99),
        cost: None,
    };
    let fast = |producers, rate, p99, cost| Entries {
        producers,
        interval: Duration::ZERO,
        rate,
        p50: None,
        p99,
        cost,
    };
    [
        entries(1, RATE_OF_1, P50_OF_1, P99_OF_1),
        entries(10, RATE_OF_10, P50_OF_10, P99_OF_10),
        entries(100, RATE_OF_100, P50_OF_100, P99_OF_100),
        fast(10, FASTEST_OF_10, None, None),
        fast(100, FASTEST, Some(FASTEST_P99), Some(COST)),
    ]
}

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    let topic = stage.new_name("transacted");
    let name = stage.new_name("transactor");
    let address = stage.broker.address().to_owned();
    let mut admin = Admin::connect(&address)?;
    admin.create_topic(&topic, PARTITIONS as i32, &[])?;
    let groups: Vec<String> = (0..100).map(|number| format!("{name}-{number}")).collect();
    let mut group_admin = GroupAdmin::connect(&address)?;
    group_admin.wait_for_coordinators(&groups)?;
    let batch = batch(Payload::plain(RECORDS, RECORD_BYTES));
    let plan = |producers| TransactionPlan {
        topic: &topic,
        producers,
        partitions_each: PARTITIONS_EACH,
        batch: &batch,
        name: &name,
    };
    // The first seconds show a broker's code to its compiler.
    let rhythm = |interval, seconds| Rhythm {
        interval,
        time: Duration::from_secs(seconds),
    };
    let warm_up = stage.rules.extent.of(8, 4);
    Transactors::open(&address, &plan(100))?.run(rhythm(Duration::ZERO, warm_up))?;
    let seconds = stage.rules.extent.of(5, 3);
    for entries in runs() {
        let mut transactors = Transactors::open(&address, &plan(entries.producers))?;
        let (transacted, usage) = stage.measure(|_| transactors.run(rhythm(entries.interval, seconds)))?;
        stage.note(&entries.rate, transacted.per_second());
        for (figure, quantile) in [(entries.p50, 0.5), (entries.p99, 0.99)] {
            if let Some(figure) = figure {
                stage.note(&figure, transacted.commit_millis_at(quantile));
            }
        }
        if let Some(figure) = entries.cost {
            stage.note(&figure, usage.broker / transacted.count as f64 * 1e6);
        }
        for ((request, error), count) in transacted.again {
            eprintln!("    {count} times {request} was refused for the moment with error {error}");
        }
    }
    group_admin.delete_groups(&groups)?;
    admin.delete_topic(&topic)
}
