//! An Ottla of the test command's own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::step::root;

/// A running broker; it and its directory are gone when it is dropped.
pub struct Ottla {
    child: Child,
    /// Where it listens.
    pub address: String,
    directory: PathBuf,
}

impl Ottla {
    /// Starts the built binary on a free port with these properties.
    pub fn start(settings: &[&str]) -> Result<Ottla, String> {
        let directory = std::env::temp_dir().join(format!("ottla-xtask-{}", std::process::id()));
        let mut command = Command::new(root().join("target/release/ottla"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&directory);
        for setting in settings {
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
