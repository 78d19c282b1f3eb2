//! What happened, as the clients tell it: one operation a line of JSON.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i64,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was carried out.
    Ok,
    /// It was not, and never will be.
    Fail,
    /// Nobody knows: the process died, or gave up waiting.
    Info,
}

/// A part of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase")]
pub enum Action {
    /// A record is sent.
    Send {
        /// To this partition.
        key: Key,
        /// Unique in the partition.
        value: String,
        /// Where it came to lie, if that was acknowledged.
        offset: Option<i64>,
    },
    /// Records of one partition are read.
    Poll {
        /// Of this partition.
        key: Key,
        /// Offsets and values, in the order in which they came.
        records: Vec<(i64, String)>,
    },
}

/// What a process did at a time: a transaction, a produce request or a poll.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Who; operations of one process follow one another.
    pub process: String,
    /// When it began, in any unit that only grows.
    pub began: i64,
    /// When it was asked to be carried out: before this moment nobody may see what it sends.
    pub decided: i64,
    /// When its outcome was known.
    pub ended: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the process came here by another way than reading on: a rebalance, a seek, a restart.
    pub repositioned: bool,
    /// What it consists of, in order.
    pub actions: Vec<Action>,
}

/// Operations in the order of their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The operations.
    pub operations: Vec<Operation>,
    /// Whether everything was read once more at the end, when nothing was under way any longer.
    pub drained: bool,
}

impl History {
    /// The history as lines of JSON.
    pub fn lines(&self) -> String {
        let line = |operation| serde_json::to_string(operation).unwrap_or_default() + "\n";
        self.operations.iter().map(line).collect()
    }

    /// A history from lines of JSON, of a run that was `drained` at the end.
    ///
    /// # Errors
    /// If a line is no operation.
    pub fn parse(lines: &str, drained: bool) -> Result<History, serde_json::Error> {
        let operations = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(History { operations, drained })
    }
}
