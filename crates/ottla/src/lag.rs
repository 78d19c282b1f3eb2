//! How far a group is behind in a partition, told so that no number can be taken for another.

use std::fmt;

use serde::Serialize;

use crate::output::counted;

/// A partition's first offset and the one its next record gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// Where a group stands in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum Lag {
    /// It committed nothing, so where it begins is up to its members.
    NoCommit,
    /// It read everything.
    CaughtUp { lag: i64 },
    /// It has so many records to read.
    Behind { lag: i64 },
    /// Records between its offset and the first that is left are gone; what is left is to be read.
    LostToRetention { lost: i64, lag: i64 },
    /// It committed more than there is: the topic was made anew, or lost its end.
    Ahead { ahead: i64 },
    /// The partition does not exist any more.
    Gone,
}

impl Lag {
    /// Where a group that committed `committed` stands in a partition of this extent.
    pub(crate) fn of(committed: Option<i64>, extent: Option<Extent>) -> Lag {
        let Some(Extent { start, end }) = extent else {
            return Lag::Gone;
        };
        match committed {
            None => Lag::NoCommit,
            Some(committed) if committed < start => Lag::LostToRetention {
                lost: start - committed,
                lag: end - start,
            },
            Some(committed) if committed > end => Lag::Ahead { ahead: committed - end },
            Some(committed) if committed == end => Lag::CaughtUp { lag: 0 },
            Some(committed) => Lag::Behind { lag: end - committed },
        }
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lag::NoCommit => f.write_str("no commit"),
            Lag::CaughtUp { .. } => f.write_str("caught up"),
            Lag::Behind { lag } => write!(f, "behind {lag}"),
            Lag::LostToRetention { lost, lag } => write!(
                f,
                "committed below the log start: {} lost to retention, behind {lag}",
                counted(*lost, "record")
            ),
            Lag::Ahead { ahead } => write!(f, "ahead of the log by {ahead}"),
            Lag::Gone => f.write_str("the partition is gone"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_words_and_unknown_is_never_zero() {
        let extent = Some(Extent { start: 5, end: 20 });
        let words = |committed| Lag::of(committed, extent).to_string();
        assert_eq!(words(None), "no commit");
        assert_eq!(words(Some(20)), "caught up");
        assert_eq!(words(Some(8)), "behind 12");
        assert_eq!(words(Some(5)), "behind 15");
        let lost = "committed below the log start: 3 records lost to retention, behind 15";
        assert_eq!(words(Some(2)), lost);
        assert_eq!(words(Some(21)), "ahead of the log by 1");
        assert_eq!(Lag::of(Some(3), None).to_string(), "the partition is gone");
        let json = serde_json::to_value(Lag::NoCommit).unwrap();
        assert_eq!(json, serde_json::json!({ "state": "no_commit" }));
    }
}
