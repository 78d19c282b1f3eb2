//! The toolchains that the clients' languages need. A missing one is a failure that names it, never a skip.

use std::process::{Command, Stdio};

use crate::step::Outcome;

/// Program, the argument that makes it say its version, and what it is for.
const NEEDED: &[(&str, &str, &str)] = &[
    (
        "java",
        "-version",
        "the Java client and the real Kafka (a JDK, 17 or newer)",
    ),
    (
        "mvn",
        "--version",
        "installing the Java client and the real Kafka (Maven 3)",
    ),
    (
        "python3",
        "--version",
        "confluent-kafka and kafka-python (Python 3.11 or newer, with venv)",
    ),
    ("go", "version", "franz-go and Sarama (Go 1.26 or newer)"),
    ("node", "--version", "kafkajs (Node 20 or newer)"),
    ("npm", "--version", "installing kafkajs"),
    ("strace", "--version", "counting flushes from outside"),
];

/// Fails with one line for each that is missing.
pub fn check() -> Outcome {
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|(program, argument, _)| !answers(program, argument))
        .map(|(program, _, purpose)| format!("  {program}: {purpose}"))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("these toolchains are missing:\n{}", missing.join("\n")))
    }
}

/// Whether a program starts and says its version.
pub fn answers(program: &str, argument: &str) -> bool {
    let status = Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
