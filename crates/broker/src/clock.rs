//! The broker's two clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ottla_model::Millis;

/// Reads time for everything that is pure.
#[derive(Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_at: Millis,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Clock {
        Clock {
            started: Instant::now(),
            started_at: wall(),
        }
    }

    /// The time of day: what records and commits are stamped with.
    pub(crate) fn wall(&self) -> Millis {
        wall()
    }

    /// Time that never jumps, counted on from the time of day at the start: what deadlines are measured by, so that
    /// setting the clock expires nobody.
    pub(crate) fn steady(&self) -> Millis {
        Millis(self.started_at.0 + self.started.elapsed().as_millis() as i64)
    }

    /// The instant at which [`Clock::steady`] reads `at`.
    pub(crate) fn instant_of(&self, at: Millis) -> Instant {
        let from_start = at.since(self.started_at).0.max(0) as u64;
        self.started + std::time::Duration::from_millis(from_start)
    }
}

fn wall() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(since.as_millis() as i64)
}
