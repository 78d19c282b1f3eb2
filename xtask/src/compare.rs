//! The raw comparison: every request, good and bad, in every group state, answered by Ottla as by Kafka.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::ottla::Ottla;
use crate::step::{self, Outcome};

/// What the recorded Kafka was started with, and what both must agree on.
const SETTINGS: &[&str] = &[
    "group.min.session.timeout.ms=100",
    "offsets.topic.num.partitions=5",
    "auto.create.topics.enable=true",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
];
/// Cases put to a live Kafka beside Ottla within the test command.
const SUBSET: &str = "300";

/// All cases against what Kafka was recorded to answer.
pub fn with_recording() -> Outcome {
    let ottla = Ottla::start(SETTINGS)?;
    step::run(
        "comparison with Kafka's recorded answers",
        COMPARE,
        &["check", "--bootstrap", &ottla.address],
    )
}

/// Some cases against a real Kafka, so that the recording cannot grow stale unnoticed.
pub fn with_kafka() -> Outcome {
    let kafka = Kafka::start()?;
    let ottla = Ottla::start(SETTINGS)?;
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
