//! Judges what clients saw of a broker: histories of transactions and polls go in, anomalies come out.
//!
//! A [`History`] is made of operations: what one process sent and polled at a time, and how that ended. A value is
//! committed once to a partition, so that every record can be told from every other. The version order of a partition is
//! its offsets, as acknowledgements and polls tell them; gaps (markers, aborted records) are left out. What is looked for,
//! and what of it Kafka allows, is listed in [`Kind`]; the names are those of Jepsen's Kafka workload.
//!
//! Pure: knows no broker, no clock, no client.

mod anomaly;
mod cycles;
mod history;
mod reads;
mod sends;
mod transfer;
mod versions;

pub use anomaly::{Anomaly, Kind};
pub use history::{Action, History, Key, Operation, Outcome};
pub use transfer::transfer;

use versions::Versions;

/// Everything that is wrong with a history, also what Kafka allows ([`Kind::is_allowed`]).
pub fn check(history: &History) -> Vec<Anomaly> {
    let versions = Versions::of(history);
    let mut anomalies = versions.conflicts();
    anomalies.extend(sends::check(history, &versions));
    anomalies.extend(reads::check(history, &versions));
    anomalies.extend(cycles::check(history, &versions));
    anomalies
}

#[cfg(test)]
mod tests;
