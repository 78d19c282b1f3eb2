//! Row 13: classic groups of simulated members, each on its own connection, come together.

use std::time::Duration;

use crate::case::{Case, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::group_admin::GroupAdmin;
use crate::load::Crowd;
use crate::stage::Stage;
use crate::statistics::spread;

/// The figures of one size of group.
struct Size {
    members: usize,
    cold: Figure,
    again: Figure,
    cpu: Figure,
    more: Figure,
}

const GOAL: &[(Subject, Option<f64>)] = &[(Subject::Kafka, Some(0.5))];
const NO_GOAL: &[(Subject, Option<f64>)] = &[(Subject::Kafka, None)];

const fn figure(name: &'static str, unit: &'static str, against: &'static [(Subject, Option<f64>)]) -> Figure {
    Figure {
        row: "13",
        name,
        unit,
        writes: true,
        against,
        ..PLAIN
    }
}

const HUNDRED: Size = Size {
    members: 100,
    cold: figure(
        "100 members join a new classic group at once (no initial delay), until all have their assignment in one generation",
        "ms",
        GOAL,
    ),
    again: figure(
        "the 100 join again at once with another subscription, until all have it",
        "ms",
        GOAL,
    ),
    cpu: figure("the 100 join again: broker CPU for each time", "CPU-ms", NO_GOAL),
    more: figure(
        "one member joins the 100, who hear of it by heartbeats each 200 ms, until all have their assignment",
        "ms",
        NO_GOAL,
    ),
};
const THOUSAND: Size = Size {
    members: 1_000,
    cold: figure("1,000 members join a new classic group at once", "ms", GOAL),
    again: figure("the 1,000 join again at once with another subscription", "ms", GOAL),
    cpu: figure("the 1,000 join again: broker CPU for each time", "CPU-ms", NO_GOAL),
    more: figure("one member joins the 1,000", "ms", NO_GOAL),
};
/// Row 13.
pub const CASE: Case = Case {
    name: "rebalance",
    figures: &[
        HUNDRED.cold,
        HUNDRED.again,
        HUNDRED.cpu,
        HUNDRED.more,
        THOUSAND.cold,
        THOUSAND.again,
        THOUSAND.cpu,
        THOUSAND.more,
    ],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: true,
    pairs_max: 3,
    place: Place::Pass(run),
};

/// How often all join again.
const ROUNDS: usize = 5;

fn run(stage: &mut Stage<'_>) -> Result<(), String> {
    for size in stage.rules.extent.of(&[HUNDRED, THOUSAND][..], &[HUNDRED]) {
        // The first group of a size shows a broker's code to its compiler.
        once(stage, size)?;
        let (times, _) = stage.measure(|stage| once(stage, size))?;
        stage.note(&size.cold, millis(times.cold));
        let again: Vec<f64> = times.again.iter().copied().map(millis).collect();
        stage.note(&size.again, spread(&again).map_or(f64::NAN, |spread| spread.median));
        stage.note(&size.cpu, times.cpu_seconds * 1e3 / ROUNDS as f64);
        stage.note(&size.more, millis(times.more));
    }
    Ok(())
}

struct Times {
    cold: Duration,
    again: Vec<Duration>,
    cpu_seconds: f64,
    more: Duration,
}

fn once(stage: &Stage<'_>, size: &Size) -> Result<Times, String> {
    let address = stage.broker.address();
    let group = stage.new_name("group");
    let mut admin = GroupAdmin::connect(address)?;
    admin.wait_for_coordinators(std::slice::from_ref(&group))?;
    let mut crowd = Crowd::connect(address, std::slice::from_ref(&group), size.members)?;
    let cold = crowd.join_all()?;
    let process = stage.broker.process();
    let before = process.cpu_seconds()?;
    let again = (0..ROUNDS).map(|_| crowd.join_all()).collect::<Result<_, _>>()?;
    let cpu_seconds = process.cpu_seconds()? - before;
    crowd.add(0)?;
    let more = crowd.join_last()?;
    admin.end_groups(crowd.members())?;
    Ok(Times {
        cold,
        again,
        cpu_seconds,
        more,
    })
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
