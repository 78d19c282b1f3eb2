//! Row 18: memory of a broker that has just started and does nothing, and of one that has done much.

use std::thread;
use std::time::Duration;

use super::catch_up;
use crate::case::{Case, EVERY_PAIR, Place};
use crate::figure::{Figure, PLAIN, Subject};
use crate::ground::Ground;
use crate::stage::Stage;

const IDLE: Figure = Figure {
    row: "18",
    name: "memory of an idle broker (proportional set)",
    unit: "MB",
    against: &[(Subject::Kafka, Some(0.05))],
    mark: Some(15.0),
    ..PLAIN
};
/// Row 18, idle.
pub const IDLE_CASE: Case = Case {
    name: "idle",
    figures: &[IDLE],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: EVERY_PAIR,
    place: Place::Alone(idle),
};

/// What a start sets in motion is over by then.
const REST: Duration = Duration::from_secs(3);

fn idle(ground: &mut Ground<'_>) -> Result<(), String> {
    let (_, megabytes) = ground.measure(
        |_| Ok(()),
        |ground, ()| {
            let broker = ground.start()?;
            thread::sleep(REST);
            let memory = broker.process().memory()?;
            Ok((broker, memory.proportional_mb))
        },
    )?;
    ground.note(&IDLE, megabytes);
    Ok(())
}

const USED: Figure = Figure {
    row: "18",
    name: "memory after at least 10 GB of traffic (proportional set)",
    unit: "MB",
    against: &[(Subject::Kafka, Some(0.1))],
    ..PLAIN
};
const PEAK: Figure = Figure {
    row: "18",
    name: "the most memory until then (resident)",
    unit: "MB",
    ..PLAIN
};
/// Row 18, after work; the last case of a pass.
pub const USED_CASE: Case = Case {
    name: "used",
    figures: &[USED, PEAK],
    subjects: &[Subject::Ottla, Subject::Kafka],
    quick: false,
    pairs_max: EVERY_PAIR,
    place: Place::Pass(used),
};

const TRAFFIC: u64 = 10_000_000_000;

fn used(stage: &mut Stage<'_>) -> Result<(), String> {
    while stage.traffic() < TRAFFIC {
        catch_up::read_backlog(stage)?;
    }
    let (memory, _) = stage.measure(|stage| stage.broker.process().memory())?;
    stage.note(&USED, memory.proportional_mb);
    stage.note(&PEAK, memory.peak_mb);
    Ok(())
}
