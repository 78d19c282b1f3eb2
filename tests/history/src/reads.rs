//! What readers were given: nothing aborted, nothing too early, everything in order.

use std::collections::BTreeMap;

use crate::anomaly::{Anomaly, Kind};
use crate::history::{Action, History, Key, Operation, Outcome};
use crate::versions::Versions;

pub(crate) fn check(history: &History, versions: &Versions<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    let mut positions: BTreeMap<&str, BTreeMap<&Key, i64>> = BTreeMap::new();
    for (index, operation) in history.operations.iter().enumerate() {
        let positions = positions.entry(&operation.process).or_default();
        if operation.repositioned {
            positions.clear();
        }
        let mut own: BTreeMap<&Key, i64> = BTreeMap::new();
        for (key, records) in polls(operation) {
            for (offset, value) in records {
                sources(history, versions, index, (key, *offset, value), &mut anomalies);
                let step = match (own.insert(key, *offset), positions.get(key)) {
                    (Some(before), _) => step(versions, key, (before, *offset), Within::Operation),
                    (None, Some(before)) => step(versions, key, (*before, *offset), Within::Process),
                    (None, None) => None,
                };
                anomalies.extend(step.map(|(kind, what)| Anomaly::new(kind, format!("{} {what}", operation.process))));
                positions.insert(key, *offset);
            }
        }
    }
    anomalies
}

/// Where two reads follow one another.
#[derive(Clone, Copy)]
enum Within {
    Operation,
    Process,
}

/// What is wrong with a reader's step from one offset to another.
fn step(versions: &Versions<'_>, key: &Key, (before, offset): (i64, i64), within: Within) -> Option<(Kind, String)> {
    let (back, skip) = match within {
        Within::Operation => (Kind::IntNonmonotonicPoll, Kind::IntPollSkip),
        Within::Process => (Kind::NonmonotonicPoll, Kind::PollSkip),
    };
    let here = format!("was given {key} offset {offset} after {before}");
    if offset <= before {
        return Some((back, here));
    }
    let (left_out, value) = versions.between(key, before, offset).first()?;
    Some((skip, format!("{here}, without {value} at {left_out}")))
}

/// Whether the record read counted by then.
fn sources(
    history: &History,
    versions: &Versions<'_>,
    reader: usize,
    (key, offset, value): (&Key, i64, &str),
    anomalies: &mut Vec<Anomaly>,
) {
    let Some(writer) = versions.writer(key, offset, value) else {
        return;
    };
    let (read, wrote) = (&history.operations[reader], &history.operations[writer]);
    let here = format!("{} read {value} at {key} offset {offset}", read.process);
    if wrote.outcome == Outcome::Fail {
        let what = format!("{here}, which {} has aborted", wrote.process);
        anomalies.push(Anomaly::new(Kind::AbortedRead, what));
    } else if reader == writer {
        anomalies.push(Anomaly::new(
            Kind::PrecommittedRead,
            format!("{here}, which is its own"),
        ));
    } else if read.ended < wrote.decided {
        let what = format!("{here} before {} asked to commit it", wrote.process);
        anomalies.push(Anomaly::new(Kind::PrecommittedRead, what));
    }
}

fn polls(operation: &Operation) -> impl Iterator<Item = (&Key, &[(i64, String)])> {
    operation.actions.iter().filter_map(|action| match action {
        Action::Poll { key, records } => Some((key, records.as_slice())),
        Action::Send { .. } => None,
    })
}
