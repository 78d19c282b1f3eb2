//! The client libraries, their drivers, and what each is known to lack.

use crate::scene::Scene;
use crate::trouble::{Outcome, Trouble, unmet};
use clap::ValueEnum;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A client library with a driver in `tests/clients`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Client {
    /// Kafka's own Java client.
    Java,
    /// confluent-kafka for Python, that is librdkafka.
    Confluent,
    /// kafka-python.
    KafkaPython,
    /// franz-go.
    Franz,
    /// IBM's Sarama for Go.
    Sarama,
    /// kafkajs for Node.
    Kafkajs,
}

/// The repository's directory of tests.
pub fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| "tests".into(), Path::to_path_buf)
}

/// How a driver is run.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: &'static [&'static str],
}

/// Installs the driver in a directory of `tests/clients`. `Unsupported` if a toolchain is missing.
pub fn install(directory: &Path) -> Outcome<()> {
    let program = directory.join("install.sh");
    let output = match Command::new(&program).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => return unmet(format!("{}: {error}", program.display())),
    };
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => Ok(()),
        Some(3) => Err(Trouble::Unsupported(said)),
        _ => unmet(format!("{} failed ({}): {said}", program.display(), output.status)),
    }
}

impl Client {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Java => "java",
            Self::Confluent => "confluent",
            Self::KafkaPython => "kafka-python",
            Self::Franz => "franz",
            Self::Sarama => "sarama",
            Self::Kafkajs => "kafkajs",
        }
    }

    fn directory(self) -> PathBuf {
        let name = match self {
            Self::Java => "java",
            Self::Confluent | Self::KafkaPython => "python",
            Self::Franz | Self::Sarama => "go",
            Self::Kafkajs => "node",
        };
        tests().join("clients").join(name)
    }

    /// The program that runs the driver.
    pub fn program(self) -> Program {
        let arguments: &[&str] = match self {
            Self::Java | Self::Kafkajs => &[],
            Self::Confluent => &["confluent"],
            Self::KafkaPython => &["kafka-python"],
            Self::Franz => &["franz"],
            Self::Sarama => &["sarama"],
        };
        Program {
            path: self.directory().join("run.sh"),
            arguments,
        }
    }

    /// How much of the machine a scene with this client takes, in jobs.
    pub fn weight(self) -> usize {
        match self {
            Self::Java => 3,
            Self::KafkaPython => 2,
            Self::Confluent | Self::Franz | Self::Sarama | Self::Kafkajs => 1,
        }
    }

    /// Installs the driver. `Unsupported` if a toolchain is missing.
    pub fn install(self) -> Outcome<()> {
        install(&self.directory())
    }

    /// What the library is known to lack for a scene. A cell in this list must end with `UNSUPPORTED`, any other must
    /// not, so that no driver can skip a scene in silence.
    pub fn lacks(self, scene: Scene) -> Option<&'static str> {
        match (self, scene) {
            (Self::Kafkajs, Scene::Cooperative) => Some("no cooperative assignor"),
            (Self::Kafkajs, Scene::Static) => Some("no static membership"),
            (Self::Kafkajs, Scene::Manual) => Some("consumes in groups only"),
            (Self::KafkaPython | Self::Kafkajs, Scene::Transactions | Scene::Transform) => {
                Some("its driver has no transactions")
            }
            _ => None,
        }
    }

    /// Why the library may read committed records again after a rebalance, whatever the broker does. Nothing is lost.
    pub fn rereads(self) -> Option<&'static str> {
        match self {
            // Seen with 3.0.12 when rebalances follow each other closely: the answer to a join that comes between two
            // polls is dropped, the member joins once more, and keeps its old positions in partitions that another
            // member had in the meantime.
            Self::KafkaPython => Some("keeps positions over a generation it missed"),
            _ => None,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
