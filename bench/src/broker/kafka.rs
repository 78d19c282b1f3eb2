//! Apache Kafka, started by `tests/oracle/kafka.sh` with the JVM that it would have in earnest.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// The broker's JVM: Kafka's own choice of heap and collector; nothing that makes it start faster and run slower.
pub const JVM: &str = "-Xms1g -Xmx1g -XX:+UseG1GC";
/// The JVM of Kafka's tools.
pub const TOOL_JVM: &str = "-Xmx512m -XX:+UseG1GC";

/// What a tool may take; one that waits for a broker that is gone would wait for longer.
const TOOL_SECONDS_MAX: &str = "150";

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/oracle/kafka.sh");

/// Starts a broker; gives its process's number and the address at which it will answer.
pub fn start(directory: &Path, settings: &[String]) -> Result<(u32, String), String> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let port = free.map_err(|error| error.to_string())?.port();
    let mut command = Command::new(SCRIPT);
    command.arg("start").arg(directory).arg(port.to_string()).args(settings);
    let printed = run(command.env("ORACLE_JVM", JVM).env("ORACLE_WAIT", "0"))?;
    let pid = printed.trim().lines().last().unwrap_or_default().parse();
    let pid = pid.map_err(|_| format!("kafka.sh start printed no process id: {printed:?}"))?;
    Ok((pid, format!("127.0.0.1:{port}")))
}

/// What a broker has said on its way, its last lines.
pub fn last_words(directory: &Path) -> String {
    let log = fs::read_to_string(directory.join("broker.log")).unwrap_or_default();
    let from = log.char_indices().rev().nth(2_000).map_or(0, |(at, _)| at);
    log[from..].to_owned()
}

/// Runs one of Kafka's tools and gives what it printed.
pub fn tool(class: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("timeout");
    command.args([TOOL_SECONDS_MAX, SCRIPT, "run", class]).args(arguments);
    run(command.env("ORACLE_TOOL_JVM", TOOL_JVM))
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {}\n{printed}{said}", output.status))
}
