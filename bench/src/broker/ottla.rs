//! Ottla, started from its binary.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts the binary and waits for its line of JSON; gives the child and its address.
pub fn start(binary: &Path, data: &Path, settings: &[String]) -> Result<(Child, String), String> {
    let mut command = Command::new(binary);
    command
        .args(["serve", "--profile", "production", "--listen", "127.0.0.1:0", "--data"])
        .arg(data);
    for setting in settings {
        command.args(["--set", setting]);
    }
    first_line(&mut command)
}

/// Starts a program that tells its address in a first line of JSON.
pub fn first_line(command: &mut Command) -> Result<(Child, String), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = started.map_err(|error| format!("{name}: {error}"))?;
    match address(&mut child) {
        Ok(address) => Ok((child, address)),
        Err(failure) => {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("{name}: {failure}"))
        }
    }
}

fn address(child: &mut Child) -> Result<String, String> {
    let mut line = String::new();
    let stdout = child.stdout.take().ok_or("no stdout")?;
    BufReader::new(stdout)
        .read_line(&mut line)
        .map_err(|error| error.to_string())?;
    let ready: serde_json::Value =
        serde_json::from_str(&line).map_err(|_| format!("it did not get ready: {line:?}"))?;
    let address = ready["ready"]["bootstrap"].as_str().ok_or("no bootstrap address")?;
    Ok(address.to_owned())
}
