//! The producer snapshots of one partition: which there are, and which the next opening may use.
//!
//! An opening uses the newest snapshot that lies at or below the first batch that the journal gives again. Every marker
//! below such a snapshot has its entry in a `.txnindex` file, for these are durable before a checkpoint is; every marker
//! at or behind it is learnt again from its batch. A snapshot is taken at the log end when a checkpoint begins. If some of
//! that is on its way to the disk for so long that the checkpoint does not cover it, the snapshot before stays until a
//! later checkpoint does.

use ottla_log::{Lsn, ProducerSnapshot};
use ottla_model::Offset;

/// See the module's head.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Those on disk, oldest first.
    placed: Vec<Taken>,
    /// The one on its way there.
    fresh: Option<Taken>,
}

#[derive(Clone, Copy, Debug)]
struct Taken {
    at: Offset,
    /// The entry of the last batch below it.
    last: Lsn,
    /// Bytes appended below it since opening.
    appended_bytes: u64,
}

impl Snapshots {
    /// Of those found at opening, ascending, all below everything that the journal gave again.
    pub(super) fn found(offsets: &[Offset]) -> Snapshots {
        let taken = |at: &Offset| Taken {
            at: *at,
            last: Lsn(0),
            appended_bytes: 0,
        };
        Snapshots {
            placed: offsets.iter().map(taken).collect(),
            fresh: None,
        }
    }

    /// The log end that the newest is true for.
    pub(super) fn newest(&self) -> Option<Offset> {
        self.placed.last().map(|newest| newest.at)
    }

    /// Bytes appended since opening, below the newest.
    pub(super) fn appended_bytes(&self) -> u64 {
        self.placed.last().map_or(0, |newest| newest.appended_bytes)
    }

    /// One is being written. `replayed` is the last entry that the journal gave again at opening.
    pub(super) fn wrote(&mut self, snapshot: &ProducerSnapshot, replayed: Lsn) {
        self.fresh = Some(Taken {
            at: snapshot.at,
            last: snapshot.last.max(replayed),
            appended_bytes: snapshot.appended_bytes,
        });
    }

    /// What was written is durable under its name.
    pub(super) fn placed(&mut self) {
        self.placed.extend(self.fresh.take());
    }

    /// What was written may not be there.
    pub(super) fn not_placed(&mut self) {
        self.fresh = None;
    }

    /// Which one an opening would use if nothing up to `checkpoint` came from the journal again.
    pub(super) fn usable(&self, checkpoint: Lsn) -> Option<Offset> {
        let covered = |taken: &&Taken| taken.last <= checkpoint;
        self.placed.iter().rfind(covered).map(|taken| taken.at)
    }

    /// Those that no opening needs any more, once `checkpoint` is written.
    pub(super) fn take_needless(&mut self, checkpoint: Lsn) -> Vec<Offset> {
        let Some(usable) = self.usable(checkpoint) else {
            return Vec::new();
        };
        let needless = self.placed.extract_if(.., |taken| taken.at < usable);
        needless.map(|taken| taken.at).collect()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn taken(snapshots: &mut Snapshots, at: i64, last: u64, replayed: u64) {
        let snapshot = ProducerSnapshot {
            at: Offset(at),
            last: Lsn(last),
            appended_bytes: 0,
            bytes: Bytes::new(),
        };
        snapshots.wrote(&snapshot, Lsn(replayed));
        snapshots.placed();
    }

    #[test]
    fn the_newest_that_the_written_checkpoint_covers_is_used_and_stays() {
        let mut snapshots = Snapshots::found(&[Offset(3), Offset(10)]);
        assert_eq!(snapshots.usable(Lsn(0)), Some(Offset(10)));
        taken(&mut snapshots, 20, 7, 0);
        taken(&mut snapshots, 30, 9, 0);
        assert_eq!(snapshots.usable(Lsn(6)), Some(Offset(10)));
        assert_eq!(snapshots.take_needless(Lsn(6)), [Offset(3)]);
        assert_eq!(snapshots.take_needless(Lsn(8)), [Offset(10)]);
        assert_eq!(snapshots.usable(Lsn(8)), Some(Offset(20)));
        assert_eq!(snapshots.take_needless(Lsn(9)), [Offset(20)]);
        assert_eq!(snapshots.newest(), Some(Offset(30)));
    }

    #[test]
    fn what_is_replayed_counts_as_below_the_next_one() {
        let mut snapshots = Snapshots::default();
        assert_eq!(snapshots.usable(Lsn(100)), None);
        taken(&mut snapshots, 20, 0, 50);
        assert_eq!(
            snapshots.usable(Lsn(49)),
            None,
            "another partition holds the checkpoint back"
        );
        assert_eq!(snapshots.take_needless(Lsn(49)), []);
        assert_eq!(snapshots.usable(Lsn(50)), Some(Offset(20)));
    }

    #[test]
    fn one_that_did_not_get_its_name_does_not_count() {
        let mut snapshots = Snapshots::found(&[Offset(3)]);
        let snapshot = ProducerSnapshot {
            at: Offset(9),
            last: Lsn(1),
            appended_bytes: 0,
            bytes: Bytes::new(),
        };
        snapshots.wrote(&snapshot, Lsn(0));
        snapshots.not_placed();
        snapshots.placed();
        assert_eq!(snapshots.usable(Lsn(5)), Some(Offset(3)));
    }
}
