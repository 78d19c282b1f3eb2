//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::case::{CASES, Case};
use crate::stage::{Extent, Rules};

/// Measures Ottla, and if wanted Apache Kafka beside it, and writes a table.
#[derive(Parser)]
pub struct Arguments {
    /// Cases to measure [default: all of the extent]; a wrong name lists them
    cases: Vec<String>,
    /// Measure this broker beside Ottla
    #[arg(long, value_name = "BROKER")]
    pub against: Option<Against>,
    /// Fewer cases, fewer and shorter runs
    #[arg(long)]
    quick: bool,
    /// Keep runs that other work on the machine has disturbed, and mark them
    #[arg(long)]
    noisy: bool,
    /// Passes over each broker [default: 5, quick 2]
    #[arg(long, value_name = "NUMBER")]
    pairs: Option<usize>,
    /// Ottla's binary
    #[arg(long, value_name = "FILE", default_value = "target/release/ottla")]
    pub binary: PathBuf,
    /// Name of the files the results go to [default: made of the other options]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Directory of the results
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    pub results: PathBuf,
}

/// With whom Ottla can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// Apache Kafka.
    Kafka,
}

impl Arguments {
    /// The cases meant.
    pub fn cases(&self) -> Result<Vec<Case>, String> {
        for name in &self.cases {
            if !CASES.iter().any(|case| case.name == name) {
                let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
                return Err(format!("no case {name:?}; there are {}", known.join(", ")));
            }
        }
        let wanted = |case: &&Case| match self.cases.is_empty() {
            true => case.quick || !self.quick,
            false => self.cases.iter().any(|name| name == case.name),
        };
        Ok(CASES.iter().filter(wanted).copied().collect())
    }

    /// How to measure.
    pub fn rules(&self) -> Rules {
        Rules {
            extent: if self.quick { Extent::Quick } else { Extent::Full },
            keep_noisy: self.noisy,
        }
    }

    /// Passes over each broker.
    pub fn pairs(&self) -> usize {
        let pairs = self.pairs.unwrap_or(self.rules().extent.of(5, 2));
        pairs.max(1)
    }

    /// The name of the results.
    pub fn name(&self) -> String {
        let against = self.against.map_or("alone", |_| "against-kafka");
        let quick = if self.quick { "-quick" } else { "" };
        let cases: String = self.cases.iter().map(|case| format!("-{case}")).collect();
        self.name.clone().unwrap_or_else(|| format!("{against}{quick}{cases}"))
    }

    /// The command that does the same again.
    pub fn command(&self) -> String {
        let mut command = "cargo xtask bench".to_owned();
        self.cases.iter().for_each(|case| command += &format!(" {case}"));
        if self.against.is_some() {
            command += " --against kafka";
        }
        for (flag, set) in [(" --quick", self.quick), (" --noisy", self.noisy)] {
            if set {
                command += flag;
            }
        }
        if let Some(pairs) = self.pairs {
            command += &format!(" --pairs {pairs}");
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_that_does_not_exist_is_named() {
        let wrong = Arguments::parse_from(["bench", "prodduce"]);
        assert!(wrong.cases().err().unwrap().contains("prodduce"));
    }

    #[test]
    fn names_tell_what_was_measured() {
        let arguments = Arguments::parse_from(["bench", "produce", "--against", "kafka", "--quick", "--pairs", "3"]);
        assert_eq!(arguments.name(), "against-kafka-quick-produce");
        assert_eq!(
            arguments.command(),
            "cargo xtask bench produce --against kafka --quick --pairs 3"
        );
        assert_eq!(arguments.cases().unwrap().len(), 1);
    }
}
