//! The broker under measurement, as a process seen from outside.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A running broker; killed, and its directory removed, when dropped.
pub struct Broker {
    child: Child,
    address: String,
    directory: PathBuf,
    keep: bool,
}

impl Broker {
    /// Starts the binary and waits for its line of JSON.
    pub fn start(binary: &Path, directory: PathBuf) -> Result<Broker, String> {
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the broker has no stdout")?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let ready: serde_json::Value = serde_json::from_str(&line).map_err(|_| format!("no broker: {line:?}"))?;
        let address = ready["ready"]["bootstrap"]
            .as_str()
            .ok_or("no bootstrap address")?
            .to_string();
        Ok(Broker {
            child,
            address,
            directory,
            keep: false,
        })
    }

    /// Where clients reach it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// SIGKILL; the directory stays.
    pub fn kill(&mut self) -> Result<(), String> {
        self.keep = true;
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// User and system time so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64, String> {
        let text = self.proc("stat")?;
        let fields: Vec<&str> = text.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let ticks = |index: usize| {
            fields
                .get(index)
                .and_then(|field| field.parse::<f64>().ok())
                .unwrap_or(f64::NAN)
        };
        // Fields 14 and 15 of proc(5), counted behind the command's name; Linux counts in hundredths of a second.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// Resident memory in MB.
    pub fn resident_mb(&self) -> Result<f64, String> {
        let text = self.proc("status")?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        let kib = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse::<f64>().ok());
        kib.map(|kib| kib * 1024.0 / 1e6).ok_or_else(|| "no VmRSS".to_string())
    }

    /// Open descriptors.
    pub fn open_files(&self) -> Result<usize, String> {
        let path = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(&path)
            .map(Iterator::count)
            .map_err(|error| format!("{path}: {error}"))
    }

    fn proc(&self, name: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{name}", self.child.id());
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !self.keep {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A directory of its own for each broker, below the system's temporary one.
pub fn fresh_directory() -> Result<PathBuf, String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("ottla-bench-{}-{number}", std::process::id()));
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", directory.display())),
        _ => Ok(directory),
    }
}
