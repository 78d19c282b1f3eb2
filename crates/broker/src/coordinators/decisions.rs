//! Carries out what a transaction shard has decided: its markers are written, and the shard is told.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use ottla_model::Millis;
use ottla_txn::{Command, Effect, Markers, MarkersWritten, Transactions};

use crate::coordinators::{Driver, Pending};

/// How long to wait before a shard is told again what it could not be told.
const REPORT_AGAIN_AFTER: Millis = Millis(100);

/// The decisions of one shard that are under way.
#[derive(Default)]
pub(super) struct Decisions {
    /// What the shard's log had no room to take note of, the oldest first. Without it their transactions would be neither
    /// open nor complete until the next start. Held while markers are written and reported, one decision after the other;
    /// taken before every other lock.
    unreported: Mutex<VecDeque<MarkersWritten>>,
}

impl Decisions {
    /// Writes the markers that have been decided on, and tells the shard; until nothing more follows. Gives how long to wait
    /// before this is called again, if the shard could not be told of all.
    pub(super) fn carry_out(
        &self,
        driver: &Driver<Transactions>,
        write: impl Fn(Markers) -> MarkersWritten,
    ) -> Option<Millis> {
        let mut unreported = self.unreported.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(report) = unreported.pop_front() {
            if !was_told(driver, &report) {
                unreported.push_front(report);
                break;
            }
        }
        loop {
            let effects = driver.effects();
            if effects.is_empty() {
                break;
            }
            for effect in effects {
                if let Effect::WriteMarkers(markers) = effect {
                    let report = write(markers);
                    if !was_told(driver, &report) {
                        unreported.push_back(report);
                    }
                }
            }
        }
        (!unreported.is_empty()).then_some(REPORT_AGAIN_AFTER)
    }
}

/// Tells the shard; it may have been replayed since it decided, and then knows that the report is of no use any more.
fn was_told(driver: &Driver<Transactions>, report: &MarkersWritten) -> bool {
    let told = driver.submit(Command::MarkersWritten(report.clone()));
    !matches!(told, Pending::Unanswered(_))
}

#[cfg(test)]
#[path = "decisions/tests.rs"]
mod tests;
