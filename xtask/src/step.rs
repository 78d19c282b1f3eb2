//! One command of many, with its time and, if it fails, its output.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What went wrong, as a sentence.
pub type Outcome = Result<(), String>;

/// The workspace's root, wherever the command was called from.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask lies in the workspace")
        .to_path_buf()
}

/// Runs a command in the workspace's root with its output shown.
pub fn run(name: &str, program: &str, arguments: &[&str]) -> Outcome {
    let started = Instant::now();
    eprintln!("==> {name}: {program} {}", arguments.join(" "));
    let status = Command::new(program).args(arguments).current_dir(root()).status();
    finish(name, started, status.map(|status| status.success()))
}

/// Runs a command in the workspace's root and shows its output only if it fails: for steps that run side by side.
pub fn run_quietly(name: &str, program: &str, arguments: &[&str]) -> Outcome {
    let started = Instant::now();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output();
    let success = output.map(|output| {
        if !output.status.success() {
            eprintln!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        output.status.success()
    });
    finish(name, started, success)
}

fn finish(name: &str, started: Instant, success: std::io::Result<bool>) -> Outcome {
    let seconds = started.elapsed().as_secs_f32();
    match success {
        Ok(true) => {
            eprintln!("<== {name}: {seconds:.1} s");
            Ok(())
        }
        Ok(false) => Err(format!("{name} failed after {seconds:.1} s")),
        Err(error) => Err(format!("{name} cannot be started: {error}")),
    }
}
