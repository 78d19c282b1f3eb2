//! A figure of the table: what it measures, in which unit, and what it is held against.

use crate::broker::Kind;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Ottla, which acknowledges what is on the disk.
    Ottla,
    /// Kafka as it ships, which acknowledges what is in memory.
    Kafka,
    /// Kafka with topics of `flush.messages=1`, which acknowledges what is on the disk.
    KafkaFlushed,
    /// The null broker.
    Null,
}

impl Subject {
    /// The broker it runs on.
    pub fn kind(self) -> Kind {
        match self {
            Subject::Ottla => Kind::Ottla,
            Subject::Kafka | Subject::KafkaFlushed => Kind::Kafka,
            Subject::Null => Kind::Null,
        }
    }

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Ottla => "Ottla",
            Subject::Kafka => "Kafka",
            Subject::KafkaFlushed => "Kafka, flush.messages=1",
            Subject::Null => "null broker",
        }
    }
}

/// Which values are good ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Costs and times.
    Lower,
    /// Rates.
    Higher,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The case's number in the list of cases.
    pub row: &'static str,
    /// What is measured and under which load.
    pub name: &'static str,
    /// The unit.
    pub unit: &'static str,
    /// Which values are good ones.
    pub better: Better,
    /// Whether acknowledged writes are part of it, so that it matters when they are durable.
    pub writes: bool,
    /// With whom Ottla is compared, and which ratio Ottla/that one is the goal, if there is one.
    pub against: &'static [(Subject, Option<f64>)],
    /// What Ottla's own value is to reach, if that was set.
    pub mark: Option<f64>,
}

/// A figure compared with Kafka as it ships, for which lower is better, without goal; the others say what differs.
pub const PLAIN: Figure = Figure {
    row: "",
    name: "",
    unit: "",
    better: Better::Lower,
    writes: false,
    against: &[(Subject::Kafka, None)],
    mark: None,
};

impl Figure {
    /// Whether a ratio or value reaches a limit.
    pub fn reaches(&self, value: f64, limit: f64) -> bool {
        match self.better {
            Better::Lower => value <= limit,
            Better::Higher => value >= limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_reach_a_limit_from_above() {
        let rate = Figure {
            better: Better::Higher,
            ..PLAIN
        };
        assert!(rate.reaches(10.0, 10.0) && !rate.reaches(9.9, 10.0));
        assert!(PLAIN.reaches(0.3, 0.35) && !PLAIN.reaches(0.4, 0.35));
    }
}
