//! The broker under measurement, whichever it is: started, looked at from outside, stopped; never spoken to from here.

pub mod kafka;
pub mod left_behind;
pub mod librdkafka;
pub mod null;
mod ottla;
pub mod process;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use process::Process;

/// Settings both brokers get, so that rows compare the same: groups form at once, and a deleted topic's files go soon.
const SETTINGS: &[&str] = &["group.initial.rebalance.delay.ms=0", "log.segment.delete.delay.ms=1000"];

/// Which broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The binary built here.
    Ottla,
    /// Apache Kafka.
    Kafka,
    /// One that accepts everything and keeps nothing, which shows what the client alone costs.
    Null,
}

/// A running broker; killed, and its directory removed, when dropped.
pub struct Broker {
    kind: Kind,
    process: Process,
    child: Option<Child>,
    address: String,
    directory: PathBuf,
    began: Instant,
    keep: bool,
}

impl Broker {
    /// Starts a broker on a fresh directory. `binary` is Ottla's, `settings` are properties beside the common ones.
    pub fn start(kind: Kind, binary: &Path, settings: &[&str]) -> Result<Broker, String> {
        Broker::start_in(kind, binary, fresh_directory()?, settings)
    }

    /// Starts a broker on a directory that may have been used by the same kind before.
    pub fn start_in(kind: Kind, binary: &Path, directory: PathBuf, settings: &[&str]) -> Result<Broker, String> {
        let settings: Vec<String> = SETTINGS.iter().chain(settings).map(|one| (*one).to_owned()).collect();
        left_behind::directory(&directory);
        let spawned = Instant::now();
        let (child, id, address) = match kind {
            Kind::Ottla => from_child(ottla::start(binary, &directory, &settings)?),
            Kind::Null => {
                let own = std::env::current_exe().map_err(|error| error.to_string())?;
                from_child(ottla::first_line(Command::new(own).arg(null::COMMAND))?)
            }
            Kind::Kafka => {
                let (id, address) = kafka::start(&directory, &settings)?;
                (None, id, address)
            }
        };
        left_behind::process(id);
        let process = Process::new(id);
        let broker = Broker {
            kind,
            process,
            began: child.as_ref().map_or_else(|| process.began(), |_| Ok(spawned))?,
            child,
            address,
            directory,
            keep: false,
        };
        broker.wait_until_open()?;
        Ok(broker)
    }

    /// Waits until it takes connections; that it serves them is for the caller to find out.
    fn wait_until_open(&self) -> Result<(), String> {
        let deadline = self.began + OPEN_MAX;
        while TcpStream::connect(&self.address).is_err() {
            if !self.process.is_running() || Instant::now() > deadline {
                return Err(format!(
                    "the broker did not start:\n{}",
                    kafka::last_words(&self.directory)
                ));
            }
            thread::sleep(OPEN_STEP);
        }
        Ok(())
    }

    /// When its process began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients reach it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Waits until it has nothing to do any more, such as work put off by the load before; not longer than a few seconds.
    pub fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + SETTLE_MAX;
        let mut before = self.process.cpu_seconds()?;
        while Instant::now() < deadline {
            thread::sleep(SETTLE_STEP);
            let now = self.process.cpu_seconds()?;
            if now - before <= SETTLE_STEP.as_secs_f64() * SETTLED_SHARE {
                return Ok(());
            }
            before = now;
        }
        Ok(())
    }

    /// SIGKILL; the directory stays, for a broker that is started on it again.
    pub fn kill(self) -> Result<PathBuf, String> {
        self.leave()
    }

    fn leave(mut self) -> Result<PathBuf, String> {
        self.keep = true;
        self.end()?;
        Ok(self.directory.clone())
    }

    /// SIGTERM, and waits for its end; the directory stays, for a broker that is started on it again.
    pub fn stop(self) -> Result<PathBuf, String> {
        self.process.terminate()?;
        self.leave()
    }

    fn end(&mut self) -> Result<(), String> {
        match &mut self.child {
            Some(child) => {
                // It may have ended by itself.
                let _ = child.kill();
                child.wait().map_err(|error| error.to_string())?;
            }
            None => self.process.kill()?,
        }
        left_behind::gone(self.process.id());
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let ended = self.end();
        if !self.keep {
            // Whatever is left of it lies under the system's temporary directory.
            let _ = fs::remove_dir_all(&self.directory);
        }
        if let Err(failure) = ended {
            eprintln!("ottla-bench: {failure}");
        }
    }
}

fn from_child((child, address): (Child, String)) -> (Option<Child>, u32, String) {
    let id = child.id();
    (Some(child), id, address)
}

/// A directory of its own for each broker, below the system's temporary one.
fn fresh_directory() -> Result<PathBuf, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("ottla-bench-{}-{number}", std::process::id()));
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", directory.display())),
        _ => Ok(directory),
    }
}

/// How often a starting broker is asked for a connection, and how long.
const OPEN_STEP: Duration = Duration::from_millis(2);
const OPEN_MAX: Duration = Duration::from_secs(180);
/// How often a broker is looked at to see whether it rests.
const SETTLE_STEP: Duration = Duration::from_millis(200);
/// The share of one CPU below which it rests.
const SETTLED_SHARE: f64 = 0.05;
/// How long it is waited for.
const SETTLE_MAX: Duration = Duration::from_secs(8);
