//! The raw comparison: every request, good and bad, in every group state, answered by Ottla as by Kafka.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::step::{self, Outcome, root};

/// What the recorded Kafka was started with, and what both must agree on.
const SETTINGS: &[&str] = &[
    "group.min.session.timeout.ms=100",
    "offsets.topic.num.partitions=5",
    "auto.create.topics.enable=true",
];
/// Cases put to a live Kafka beside Ottla within the test command.
const SUBSET: &str = "300";

/// All cases against what Kafka was recorded to answer.
pub fn with_recording() -> Outcome {
    let ottla = Ottla::start()?;
    step::run(
        "comparison with Kafka's recorded answers",
        COMPARE,
        &["check", "--bootstrap", &ottla.address],
    )
}

/// Some cases against a real Kafka, so that the recording cannot grow stale unnoticed.
pub fn with_kafka() -> Outcome {
    let kafka = Kafka::start()?;
    let ottla = Ottla::start()?;
    let arguments = [
        "run",
        "--left",
        &kafka.address,
        "--right",
        &ottla.address,
        "--subset",
        SUBSET,
    ];
    step::run("comparison with a live Kafka", COMPARE, &arguments)
}

const COMPARE: &str = "target/release/ottla-compare";

/// An Ottla for the comparison; gone when dropped.
struct Ottla {
    child: Child,
    address: String,
    directory: PathBuf,
}

impl Ottla {
    fn start() -> Result<Ottla, String> {
        let directory = std::env::temp_dir().join(format!("ottla-compare-{}", std::process::id()));
        let mut command = Command::new(root().join("target/release/ottla"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&directory);
        for setting in SETTINGS {
            command.args(["--set", setting]);
        }
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = started.map_err(|error| format!("ottla cannot be started: {error}"))?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("ottla has no stdout")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let address = line.split('"').find(|part| part.starts_with("127.0.0.1:"));
        let address = address
            .ok_or_else(|| format!("ottla did not get ready: {line:?}"))?
            .to_string();
        Ok(Ottla {
            child,
            address,
            directory,
        })
    }
}

impl Drop for Ottla {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A real Kafka for the comparison; stopped when dropped.
struct Kafka {
    directory: PathBuf,
    address: String,
}

impl Kafka {
    fn start() -> Result<Kafka, String> {
        let directory = std::env::temp_dir().join(format!("ottla-oracle-{}", std::process::id()));
        let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let port = free.map_err(|error| error.to_string())?.port();
        let kafka = Kafka {
            directory,
            address: format!("127.0.0.1:{port}"),
        };
        let (place, port) = (kafka.directory.display().to_string(), port.to_string());
        let mut arguments = vec!["start", place.as_str(), port.as_str()];
        arguments.extend(SETTINGS);
        step::run_quietly("start Kafka", "tests/oracle/kafka.sh", &arguments)?;
        Ok(kafka)
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = step::run_quietly(
            "stop Kafka",
            "tests/oracle/kafka.sh",
            &["stop", &self.directory.display().to_string()],
        );
        let _ = fs::remove_dir_all(&self.directory);
    }
}
