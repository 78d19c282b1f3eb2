//! The broker under test as a process: started, watched, killed, stopped. Ottla, or a real Kafka to hold it against.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::trouble::{During, Trouble, expect};

/// How long a broker may take to start.
const START: Duration = Duration::from_secs(60);
/// How long a broker may take to stop when asked to.
const STOP: Duration = Duration::from_secs(30);
/// Settings every broker under test gets.
const SETTINGS: &[&str] = &["group.initial.rebalance.delay.ms=0", "auto.create.topics.enable=false"];

/// Which program is started.
#[derive(Clone, Debug)]
pub enum Program {
    /// Ottla, by its binary.
    Ottla(PathBuf),
    /// Kafka, by the script `tests/oracle/kafka.sh`.
    Kafka(PathBuf),
}

/// How a broker is started, again and again with the same data.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What is started.
    pub program: Program,
    /// Holds `data/` and `broker.stderr`.
    pub dir: PathBuf,
    /// Where it listens on the loopback interface.
    pub port: u16,
    /// Properties as `name=value`.
    pub settings: Vec<String>,
    /// A program and its arguments that run the broker, such as strace. Only for Ottla.
    pub wrapper: Vec<String>,
}

impl Launch {
    /// A broker with its data below `dir`, on a port nobody uses.
    pub fn new(program: &Program, dir: &Path) -> Result<Launch, Trouble> {
        Ok(Launch {
            program: program.clone(),
            dir: dir.to_owned(),
            port: free_port()?,
            settings: SETTINGS.iter().map(ToString::to_string).collect(),
            wrapper: Vec::new(),
        })
    }

    /// The address of the broker.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What the broker said on stderr so far, over all its starts.
    pub fn talk(&self) -> String {
        let bytes = std::fs::read(self.dir.join("broker.stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Starts the broker and waits until it accepts clients.
    pub fn start(&self) -> Result<Broker, Trouble> {
        match &self.program {
            Program::Ottla(binary) => {
                let mut broker = self.spawn(binary)?;
                broker.wait_until_ready()?;
                Ok(broker)
            }
            Program::Kafka(script) => self.start_kafka(script),
        }
    }

    /// Starts the broker without waiting for it. A Kafka is waited for.
    pub fn begin(&self) -> Result<Broker, Trouble> {
        match &self.program {
            Program::Ottla(binary) => self.spawn(binary),
            Program::Kafka(script) => self.start_kafka(script),
        }
    }

    fn spawn(&self, binary: &Path) -> Result<Broker, Trouble> {
        std::fs::create_dir_all(&self.dir)?;
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("broker.stderr"))?;
        let mut words = self.wrapper.iter().map(Into::into).collect::<Vec<std::ffi::OsString>>();
        words.push(binary.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").arg("--data").arg(self.data());
        command.arg("--listen").arg(self.address().to_string());
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .during(words[0].display())?;
        let stdout = child
            .stdout
            .take()
            .ok_or_else(|| Trouble::new("the broker has no stdout"))?;
        let (tell, ready) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on after the first line, so that the broker never waits for a reader.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let pid = child.id();
        Ok(Broker {
            child: Some(child),
            pid,
            ready: Some(ready),
            launch: self.clone(),
        })
    }

    fn start_kafka(&self, script: &Path) -> Result<Broker, Trouble> {
        std::fs::create_dir_all(&self.dir)?;
        let said = self.dir.join("kafka.start");
        let mut command = Command::new(script);
        command.arg("start").arg(&self.dir).arg(self.port.to_string());
        command.args(&self.settings).arg("offsets.topic.num.partitions=4");
        // The broker inherits stdout and stderr, so they must not be pipes that are waited on.
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("broker.stderr"))?;
        let status = command
            .stdin(Stdio::null())
            .stdout(File::create(&said)?)
            .stderr(log)
            .status()?;
        expect(status.success(), || {
            format!("Kafka did not start, see {}", self.dir.display())
        })?;
        let pid = std::fs::read_to_string(&said)?
            .trim()
            .parse::<u32>()
            .during("the pid of Kafka")?;
        Ok(Broker {
            child: None,
            pid,
            ready: None,
            launch: self.clone(),
        })
    }
}

/// A broker that was started. It is killed when dropped.
#[derive(Debug)]
pub struct Broker {
    child: Option<Child>,
    pid: u32,
    ready: Option<mpsc::Receiver<String>>,
    launch: Launch,
}

impl Broker {
    /// The process of the broker itself, also under a wrapper.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    fn wait_until_ready(&mut self) -> Result<(), Trouble> {
        let Some(ready) = &self.ready else { return Ok(()) };
        let Ok(line) = ready.recv_timeout(START) else {
            let dir = self.launch.dir.clone();
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            let last = last_lines(&self.launch.talk(), 3);
            let how = ended.map_or("did not get ready".to_owned(), |status| {
                format!("ended at its start ({status})")
            });
            return Err(Trouble::new(format!(
                "the broker {how}: {last} (see {}/broker.stderr)",
                dir.display()
            )));
        };
        let line: serde_json::Value = serde_json::from_str(&line).during(format!("the ready line `{line}`"))?;
        if let Some(pid) = line["ready"]["pid"].as_u64() {
            self.pid = pid as u32;
        }
        Ok(())
    }

    /// Ends the process as a crash would.
    pub fn kill(mut self) -> Result<(), Trouble> {
        self.end(Signal::KILL)?;
        Ok(())
    }

    /// Asks the process to stop, and waits; an exit code other than 0 is a trouble.
    pub fn stop(mut self) -> Result<(), Trouble> {
        match self.end(Signal::TERM)? {
            Some(status) if !status.success() => Err(Trouble::new(format!("the broker stopped with {status}"))),
            _ => Ok(()),
        }
    }

    /// How the process ended, if it did by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Memory in bytes: what is resident now, and the most that ever was.
    pub fn resident(&self) -> Result<(u64, u64), Trouble> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim()
                .trim_end_matches(" kB")
                .trim()
                .parse::<u64>()
                .ok()
                .map(|kib| kib * 1024)
        };
        field("VmRSS:")
            .zip(field("VmHWM:"))
            .ok_or_else(|| Trouble::new("the broker's process has ended"))
    }

    fn end(&mut self, signal: Signal) -> Result<Option<ExitStatus>, Trouble> {
        let pid = Pid::from_raw(self.pid as i32).ok_or_else(|| Trouble::new("a process number of 0"))?;
        let gone = self.ended();
        if gone.is_none() {
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + STOP;
        loop {
            if let Some(child) = &mut self.child {
                if let Some(status) = child.try_wait()? {
                    self.child = None;
                    return Ok(Some(status));
                }
            } else if !is_running(self.pid) && TcpStream::connect(self.launch.address()).is_err() {
                // The last thread of a killed process may hold the port a little longer than its first lives.
                return Ok(None);
            }
            expect(Instant::now() < deadline, || {
                format!("the broker outlived signal {signal:?} by {STOP:?}")
            })?;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let started_kafka = matches!(self.launch.program, Program::Kafka(_)) && is_running(self.pid);
        if let Some(pid) = Pid::from_raw(self.pid as i32)
            && (self.child.is_some() && self.ended().is_none() || started_kafka)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn is_running(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = state.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}

/// The last lines of a text, in one line.
pub fn last_lines(text: &str, count: usize) -> String {
    let mut lines = text.lines().rev().take(count).collect::<Vec<_>>();
    lines.reverse();
    lines.join(" | ")
}

/// A port nobody listens on, below the range from which outgoing connections take theirs: a client that keeps dialling a
/// dead broker's port in that range can end up connected to itself.
pub fn free_port() -> Result<u16, Trouble> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = (std::process::id() % 11_000) as u16;
    for _ in 0..1_000 {
        let port = 20_000 + (from + NEXT.fetch_add(13, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Trouble::new("no free port between 20000 and 32000"))
}
