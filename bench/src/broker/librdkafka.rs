//! librdkafka as a load, through confluent-kafka from `tests/clients/python`.

use std::process::{Command, Stdio};

/// Installs the client, quick when it is there.
const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/clients/python/install.sh");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/.cache/python/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/librdkafka_load.py");
const SECONDS_MAX: &str = "120";

/// What it did.
#[derive(Clone, Copy, Debug)]
pub struct Said {
    /// Bytes of the records' values.
    pub bytes: u64,
    /// How long it took, connecting aside.
    pub seconds: f64,
}

/// Produces so many records of 1 KiB and waits for their acknowledgement.
pub fn produce(address: &str, topic: &str, partitions: i32, records: u64) -> Result<Said, String> {
    load("produce", address, topic, partitions, records)
}

/// Reads so many records from the beginning of a topic.
pub fn consume(address: &str, topic: &str, partitions: i32, records: u64) -> Result<Said, String> {
    load("consume", address, topic, partitions, records)
}

/// The version of librdkafka.
pub fn version() -> String {
    let output = Command::new(PYTHON)
        .args(["-c", "import confluent_kafka as c; print(c.libversion()[0])"])
        .output();
    let said = output.map(|output| output.stdout).unwrap_or_default();
    match String::from_utf8_lossy(&said).trim() {
        "" => "not installed".to_owned(),
        version => version.to_owned(),
    }
}

fn load(verb: &str, address: &str, topic: &str, partitions: i32, records: u64) -> Result<Said, String> {
    run(&mut Command::new(INSTALL))?;
    let (partitions, records) = (partitions.to_string(), records.to_string());
    let mut command = Command::new("timeout");
    command.args([
        SECONDS_MAX,
        PYTHON,
        "-B",
        SCRIPT,
        verb,
        address,
        topic,
        &partitions,
        &records,
    ]);
    let printed = run(&mut command)?;
    said(&printed).ok_or_else(|| format!("librdkafka's load did not say what it did: {printed}"))
}

fn said(printed: &str) -> Option<Said> {
    let said: serde_json::Value = serde_json::from_str(printed.lines().last()?).ok()?;
    Some(Said {
        bytes: said["bytes"].as_u64()?,
        seconds: said["seconds"].as_f64()?,
    })
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}: {said}", output.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_what_it_did() {
        let said = said("starting\n{\"bytes\": 1024, \"seconds\": 0.5}\n").unwrap();
        assert_eq!((said.bytes, said.seconds), (1024, 0.5));
        assert!(super::said("").is_none());
    }
}
