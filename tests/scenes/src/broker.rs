//! The broker under test: Ottla, or a real Kafka to hold it against.

use crate::client::tests;
use crate::trouble::{Outcome, expect, unmet};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a broker may take to start.
const START: Duration = Duration::from_secs(60);

/// Settings of a broker for tests: members must not wait for each other longer than the scenes are about.
const OTTLA: &[&str] = &["group.initial.rebalance.delay.ms=0"];
const KAFKA: &[&str] = &["offsets.topic.num.partitions=4", "auto.create.topics.enable=false"];
/// Sessions as short as the kills want them, and transactions of the dead found soon.
const BOTH: &[&str] = &[
    "group.min.session.timeout.ms=1000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
];

/// A running broker with its data in a directory.
#[derive(Debug)]
pub enum Broker {
    /// The program under test.
    Ottla {
        binary: PathBuf,
        dir: PathBuf,
        port: u16,
        child: Child,
    },
    /// Kafka, by `tests/oracle/kafka.sh`.
    Kafka { dir: PathBuf, port: u16 },
}

impl Broker {
    /// Starts Ottla on a port of the system's choice, or on one that is still free after a crash.
    pub fn ottla(binary: &Path, dir: &Path, port: u16) -> Outcome<Self> {
        std::fs::create_dir_all(dir)?;
        let (child, port) = launch(binary, dir, port)?;
        Ok(Self::Ottla {
            binary: binary.to_owned(),
            dir: dir.to_owned(),
            port,
            child,
        })
    }

    /// Starts a Kafka.
    pub fn kafka(dir: &Path) -> Outcome<Self> {
        let broker = Self::Kafka {
            dir: dir.to_owned(),
            port: free_port()?,
        };
        broker.start_kafka()?;
        Ok(broker)
    }

    /// The address clients begin with.
    pub fn bootstrap(&self) -> String {
        let (Self::Ottla { port, .. } | Self::Kafka { port, .. }) = self;
        format!("127.0.0.1:{port}")
    }

    /// Ends the broker's process as a crash would.
    pub fn kill(&mut self) -> Outcome<()> {
        match self {
            Self::Ottla { child, .. } => {
                child.kill()?;
                child.wait()?;
            }
            Self::Kafka { dir, port } => {
                let pid = std::fs::read_to_string(dir.join("pid"))?;
                Command::new("kill").args(["-KILL", pid.trim()]).status()?;
                let deadline = Instant::now() + START;
                while TcpStream::connect(("127.0.0.1", *port)).is_ok() {
                    expect(Instant::now() < deadline, || "Kafka survived SIGKILL".to_owned())?;
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
        Ok(())
    }

    /// Starts a killed broker again, in the same directory and on the same port.
    pub fn restart(&mut self) -> Outcome<()> {
        match self {
            Self::Ottla {
                binary,
                dir,
                port,
                child,
            } => {
                *child = launch(binary, dir, *port)?.0;
                Ok(())
            }
            Self::Kafka { .. } => self.start_kafka(),
        }
    }

    fn start_kafka(&self) -> Outcome<()> {
        let Self::Kafka { dir, port } = self else { return Ok(()) };
        std::fs::create_dir_all(dir)?;
        let mut command = oracle("start", dir);
        command.arg(port.to_string()).args(KAFKA).args(BOTH);
        // The broker inherits stdout and stderr, so they must not be pipes that are waited on.
        let out = dir.join("start.log");
        let status = command
            .stdout(File::create(&out)?)
            .stderr(File::options().append(true).open(&out)?)
            .status()?;
        expect(status.success(), || {
            format!("Kafka did not start, see {}", out.display())
        })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        match self {
            Self::Ottla { child, .. } => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Kafka { dir, .. } => {
                let _ = oracle("stop", dir).stdout(Stdio::null()).stderr(Stdio::null()).status();
            }
        }
    }
}

fn oracle(verb: &str, dir: &Path) -> Command {
    let mut command = Command::new(tests().join("oracle").join("kafka.sh"));
    command.arg(verb).arg(dir).stdin(Stdio::null());
    command
}

/// Starts the binary and waits for its `ready` line; its stderr is appended to a file beside the data.
fn launch(binary: &Path, dir: &Path, port: u16) -> Outcome<(Child, u16)> {
    let stderr = OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join("broker.stderr"))?;
    let mut command = Command::new(binary);
    command
        .arg("serve")
        .arg("--data")
        .arg(dir.join("data"))
        .arg("--listen")
        .arg(format!("127.0.0.1:{port}"));
    for setting in OTTLA.iter().chain(BOTH) {
        command.args(["--set", setting]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()?;
    let Some(stdout) = child.stdout.take() else {
        return unmet("the broker has no stdout");
    };
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        // Reads on after the address, so that the broker never waits for a reader.
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(port) = ready(&line) {
                let _ = tell.send(port);
            }
        }
    });
    match told.recv_timeout(START) {
        Ok(port) => Ok((child, port)),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            unmet(format!(
                "the broker did not get ready, see {}",
                dir.join("broker.stderr").display()
            ))
        }
    }
}

/// The port in `{"ready":{"bootstrap":"127.0.0.1:PORT"}}` or `{"bootstrap":"127.0.0.1:PORT"}`.
fn ready(line: &str) -> Option<u16> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = line["ready"]["bootstrap"].as_str().or(line["bootstrap"].as_str())?;
    address.rsplit(':').next()?.parse().ok()
}

/// A port nobody listens on, below the range from which outgoing connections take theirs: a client that keeps dialling a
/// dead broker's port in that range can end up connected to itself.
pub fn free_port() -> Outcome<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let seed = u16::try_from(std::process::id() % 10_000).unwrap_or_default();
    for _ in 0..1000 {
        let port = 20_000 + (seed + NEXT.fetch_add(7, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    unmet("no free port between 20000 and 32000")
}

#[cfg(test)]
mod tests {
    use super::ready;

    #[test]
    fn the_ready_line_names_the_port() {
        assert_eq!(
            ready(r#"{"ready":{"bootstrap":"127.0.0.1:4711","node":1}}"#),
            Some(4711)
        );
        assert_eq!(ready(r#"{"bootstrap":"127.0.0.1:4712"}"#), Some(4712));
        assert_eq!(ready("listening"), None);
    }
}
