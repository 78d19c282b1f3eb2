//! What became of records that were sent: seen too early, not at all, or in another order.

use std::collections::BTreeMap;

use crate::anomaly::{Anomaly, Kind};
use crate::history::{Action, History, Key, Operation, Outcome};
use crate::versions::Versions;

pub(crate) fn check(history: &History, versions: &Versions<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for operation in &history.operations {
        if operation.outcome == Outcome::Ok {
            lost(operation, history.drained, versions, &mut anomalies);
        }
        gaps(operation, versions, &mut anomalies);
    }
    orders(history, &mut anomalies);
    anomalies
}

/// Every committed record is read by somebody, as soon as a later one of its partition is.
fn lost(operation: &Operation, drained: bool, versions: &Versions<'_>, anomalies: &mut Vec<Anomaly>) {
    for (key, value, offset) in acknowledged(operation) {
        if versions.is_polled(key, offset) {
            continue;
        }
        if versions.last_polled(key).is_some_and(|last| last > offset) {
            let what = format!("{value} at {key} offset {offset} was never read, though later ones were");
            anomalies.push(Anomaly::new(Kind::LostWrite, what));
        } else if drained {
            let what = format!("{value} at {key} offset {offset} was not read at the end");
            anomalies.push(Anomaly::new(Kind::Unseen, what));
        }
    }
}

/// Whether others wrote between the records of one operation.
fn gaps(operation: &Operation, versions: &Versions<'_>, anomalies: &mut Vec<Anomaly>) {
    let mut last: BTreeMap<&Key, i64> = BTreeMap::new();
    for (key, value, offset) in acknowledged(operation) {
        if let Some(before) = last.insert(key, offset)
            && !versions.between(key, before, offset).is_empty()
        {
            let what = format!("{key} has records of others before {value} at {offset}, after {before}");
            anomalies.push(Anomaly::new(Kind::IntSendSkip, what));
        }
    }
}

/// What one process sent, one after the other, lies in this order.
fn orders(history: &History, anomalies: &mut Vec<Anomaly>) {
    let mut last: BTreeMap<(&str, &Key), i64> = BTreeMap::new();
    for operation in &history.operations {
        for (key, value, offset) in acknowledged(operation) {
            if let Some(before) = last.insert((&operation.process, key), offset)
                && before >= offset
            {
                let what = format!(
                    "{} sent {value} to {key} after offset {before}: {offset}",
                    operation.process
                );
                anomalies.push(Anomaly::new(Kind::NonmonotonicSend, what));
            }
        }
    }
}

fn acknowledged(operation: &Operation) -> impl Iterator<Item = (&Key, &str, i64)> {
    operation.actions.iter().filter_map(|action| match action {
        Action::Send {
            key,
            value,
            offset: Some(offset),
        } => Some((key, value.as_str(), *offset)),
        _ => None,
    })
}
