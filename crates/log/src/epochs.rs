//! The leader epochs of one partition (KIP-101, KIP-279): which epoch began at which offset.

use std::fmt::Write;

use ottla_model::{LeaderEpoch, Offset};

/// Epochs and where each begins, both strictly rising.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    entries: Vec<EpochStart>,
}

/// The first offset written in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start: Offset,
}

/// Where an epoch ends, as OffsetForLeaderEpoch answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochEnd {
    /// The asked epoch is newer than any known, or none is known: epoch -1, offset -1 on the wire.
    Unknown,
    /// The largest known epoch up to the asked one, and the offset after its last record.
    At {
        /// The epoch; below the asked one if that wrote nothing.
        epoch: LeaderEpoch,
        /// The offset after its last record.
        end: Offset,
    },
}

/// Why the text of a checkpoint cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the leader epoch checkpoint makes no sense")]
pub struct EpochsFault {
    /// The line, from 1.
    pub line: usize,
}

impl Epochs {
    /// Notes that `start` is the first offset written in `epoch`. Later or equal epochs, and epochs that begin at or
    /// after `start`, wrote nothing that is left: they go. An epoch that is known already keeps its start.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) {
        if epoch < LeaderEpoch(0)
            || self
                .latest()
                .is_some_and(|latest| latest.epoch == epoch && latest.start <= start)
        {
            return;
        }
        self.entries.retain(|entry| entry.epoch < epoch && entry.start < start);
        self.entries.push(EpochStart { epoch, start });
    }

    /// Where `epoch` ends, in a log that ends at `log_end`.
    pub fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> EpochEnd {
        match self.latest() {
            Some(latest) if latest.epoch == epoch => return EpochEnd::At { epoch, end: log_end },
            Some(latest) if latest.epoch > epoch && epoch >= LeaderEpoch(0) => {}
            _ => return EpochEnd::Unknown,
        }
        let above = self.entries.partition_point(|entry| entry.epoch <= epoch);
        EpochEnd::At {
            // Asked for an epoch before all that are known: Kafka answers with the asked one.
            epoch: above.checked_sub(1).map_or(epoch, |below| self.entries[below].epoch),
            end: self.entries[above].start,
        }
    }

    /// The epoch that an offset was written in; `None` before the first known.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|entry| entry.start <= offset);
        Some(self.entries[after.checked_sub(1)?].epoch)
    }

    /// The newest.
    pub fn latest(&self) -> Option<EpochStart> {
        self.entries.last().copied()
    }

    /// All of them, oldest first.
    pub fn entries(&self) -> &[EpochStart] {
        &self.entries
    }

    /// The log now ends at `end`: epochs that begin at or after it wrote nothing that is left.
    pub fn truncate_from_end(&mut self, end: Offset) {
        self.entries.retain(|entry| entry.start < end);
    }

    /// The log now starts at `start`: the epoch it lies in begins there, earlier ones go.
    pub fn truncate_from_start(&mut self, start: Offset) {
        let after = self.entries.partition_point(|entry| entry.start <= start);
        let Some(holder) = after.checked_sub(1) else { return };
        self.entries.drain(..holder);
        self.entries[0].start = start;
    }

    /// The text of `leader-epoch-checkpoint`: version, count, then one epoch and start offset a line.
    pub fn to_checkpoint(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for entry in &self.entries {
            writeln!(text, "{} {}", entry.epoch, entry.start).expect("a string takes every write");
        }
        text
    }

    /// Reads what [`Epochs::to_checkpoint`] writes.
    pub fn from_checkpoint(text: &str) -> Result<Epochs, EpochsFault> {
        let mut lines = text.lines();
        if lines.next() != Some("0") {
            return Err(EpochsFault { line: 1 });
        }
        let count: usize = lines
            .next()
            .and_then(|line| line.parse().ok())
            .ok_or(EpochsFault { line: 2 })?;
        let mut epochs = Epochs::default();
        for (line, text) in (3..).zip(lines) {
            let entry = EpochStart::parse(text).ok_or(EpochsFault { line })?;
            if epochs
                .latest()
                .is_some_and(|latest| latest.epoch >= entry.epoch || latest.start >= entry.start)
            {
                return Err(EpochsFault { line });
            }
            epochs.entries.push(entry);
        }
        if epochs.entries.len() != count {
            return Err(EpochsFault { line: 2 });
        }
        Ok(epochs)
    }
}

impl EpochStart {
    fn parse(line: &str) -> Option<EpochStart> {
        let (epoch, start) = line.split_once(' ')?;
        let (epoch, start) = (epoch.parse().ok()?, start.parse().ok()?);
        (epoch >= 0 && start >= 0).then_some(EpochStart {
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> Epochs {
        let mut epochs = Epochs::default();
        for (epoch, start) in entries {
            epochs.assign(LeaderEpoch(*epoch), Offset(*start));
        }
        epochs
    }

    fn at(epoch: i32, end: i64) -> EpochEnd {
        EpochEnd::At {
            epoch: LeaderEpoch(epoch),
            end: Offset(end),
        }
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins_and_the_latest_at_the_log_end() {
        let epochs = epochs(&[(2, 10), (4, 25)]);
        let end = |epoch| epochs.end_of(LeaderEpoch(epoch), Offset(40));
        assert_eq!(end(4), at(4, 40));
        assert_eq!(end(2), at(2, 25));
        assert_eq!(end(3), at(2, 25));
        assert_eq!(end(1), at(1, 10));
        assert_eq!(end(5), EpochEnd::Unknown);
        assert_eq!(end(-1), EpochEnd::Unknown);
        assert_eq!(Epochs::default().end_of(LeaderEpoch(0), Offset(0)), EpochEnd::Unknown);
    }

    #[test]
    fn an_epoch_that_wrote_nothing_goes_when_the_next_begins() {
        assert_eq!(epochs(&[(1, 0), (2, 5), (3, 5)]), epochs(&[(1, 0), (3, 5)]));
        assert_eq!(epochs(&[(1, 0), (1, 7)]), epochs(&[(1, 0)]));
    }

    #[test]
    fn truncation_keeps_the_epoch_of_what_is_left() {
        let mut from_start = epochs(&[(1, 0), (2, 5), (3, 9)]);
        from_start.truncate_from_start(Offset(7));
        assert_eq!(from_start, epochs(&[(2, 7), (3, 9)]));
        let mut from_end = epochs(&[(1, 0), (2, 5), (3, 9)]);
        from_end.truncate_from_end(Offset(9));
        assert_eq!(from_end, epochs(&[(1, 0), (2, 5)]));
        assert_eq!(from_end.epoch_at(Offset(4)), Some(LeaderEpoch(1)));
        assert_eq!(from_end.epoch_at(Offset(5)), Some(LeaderEpoch(2)));
    }

    #[test]
    fn the_checkpoint_is_kafkas_text() {
        let epochs = epochs(&[(1, 0), (3, 9)]);
        assert_eq!(epochs.to_checkpoint(), "0\n2\n1 0\n3 9\n");
        assert_eq!(Epochs::from_checkpoint("0\n2\n1 0\n3 9\n"), Ok(epochs));
        for (text, line) in [
            ("1\n0\n", 1),
            ("0\nx\n", 2),
            ("0\n2\n1 0\n", 2),
            ("0\n1\n1 0 0\n", 3),
            ("", 1),
        ] {
            assert_eq!(Epochs::from_checkpoint(text), Err(EpochsFault { line }), "{text:?}");
        }
        assert_eq!(
            Epochs::from_checkpoint("0\n2\n3 0\n1 9\n"),
            Err(EpochsFault { line: 4 })
        );
    }
}
