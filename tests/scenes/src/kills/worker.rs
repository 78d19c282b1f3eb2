//! Who is killed amid its work, and what is known of it.

use crate::client::{self, Client, Program, tests};
use crate::trouble::Outcome;
use clap::ValueEnum;
use std::fmt;
use std::path::PathBuf;

/// Who reads, transforms and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Worker {
    /// Kafka's own Java client.
    Java,
    /// confluent-kafka for Python, that is librdkafka.
    Confluent,
    /// franz-go.
    Franz,
    /// IBM's Sarama for Go.
    Sarama,
    /// Kafka Streams, counting words.
    Words,
    /// Kafka Streams, summing over an explicit repartitioning.
    Sums,
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Worker {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Confluent => "confluent",
            Self::Franz => "franz",
            Self::Sarama => "sarama",
            Self::Words => "words",
            Self::Sums => "sums",
        }
    }

    /// Its part of the kills among all workers, in percent: less for those whose kills cost much, by JVMs to start or by
    /// time-outs to wait for.
    pub(super) fn share(self) -> u32 {
        match self {
            Self::Java | Self::Franz => 25,
            Self::Sarama => 20,
            Self::Confluent | Self::Words | Self::Sums => 10,
        }
    }

    /// The client that puts in and reads out.
    pub(super) fn client(self) -> Client {
        match self {
            Self::Java | Self::Words | Self::Sums => Client::Java,
            Self::Confluent => Client::Confluent,
            Self::Franz => Client::Franz,
            Self::Sarama => Client::Sarama,
        }
    }

    /// Why the library may hang for ever after the broker was killed, whatever the broker does. It is killed then, and the
    /// run tells how often.
    pub(super) fn hangs(self) -> Option<&'static str> {
        match self {
            // librdkafka 2.16.1: send_offsets_to_transaction waits for a coordinator's connection beyond its time-out
            // (issues 5456 and 5511 of confluentinc/librdkafka, open). Between `sending` and `ending`, that is.
            Self::Confluent => Some("send_offsets_to_transaction ignores its time-out"),
            _ => None,
        }
    }

    /// Whether it is a Kafka Streams application.
    pub(super) fn is_streams(self) -> bool {
        matches!(self, Self::Words | Self::Sums)
    }

    /// The program of a member.
    pub(super) fn program(self) -> Program {
        if self.is_streams() {
            return Program {
                path: streams().join("run.sh"),
                arguments: &[],
            };
        }
        self.client().program()
    }

    /// Fetches and builds what is played with.
    pub(super) fn install(self) -> Outcome<()> {
        self.client().install()?;
        if self.is_streams() {
            client::install(&streams())?;
        }
        Ok(())
    }
}

fn streams() -> PathBuf {
    tests().join("clients").join("streams")
}
