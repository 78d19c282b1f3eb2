//! The machine: what it is, and who else used it while something was measured.

use std::fs;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::broker::process::{self, Others, Process, TICKS_PER_SECOND};

/// A share of the CPU above which other work has spoilt a run.
pub const FOREIGN_SHARE_MAX: f64 = 0.04;

/// Seconds of others' work that may be none: times come in hundredths, and runs may be as short as that.
const READING_ERROR: f64 = 2.0 / TICKS_PER_SECOND;

/// One line for the table: processors, memory, kernel.
pub fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1)).unwrap_or("unknown CPU");
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = meminfo
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<f64>().ok());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} CPUs ({model}), {:.0} GiB of memory, Linux {}, {} under {}",
        processors(),
        kib.unwrap_or(f64::NAN) / 1024.0 / 1024.0,
        kernel.trim(),
        file_system(),
        std::env::temp_dir().display(),
    )
}

/// Lets this program, and the brokers it starts, open as many files as the machine allows without asking.
pub fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        eprintln!("ottla-bench: the limit of open files stays as it is: {error}");
    }
}

/// The version a program tells of itself, in one line.
pub fn version_of(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    let said = output
        .map(|output| [output.stdout, output.stderr].concat())
        .unwrap_or_default();
    String::from_utf8_lossy(&said)
        .lines()
        .next()
        .unwrap_or("not found")
        .to_owned()
}

/// The CPUs that may be used.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn file_system() -> String {
    let directory = std::env::temp_dir().display().to_string();
    let output = Command::new("stat")
        .args(["--file-system", "--format=%T", &directory])
        .output();
    let name = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&name).trim().to_owned()
}

/// Readings of the clocks, to be compared with later ones.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    broker: f64,
    own: f64,
    others: Others,
    steal: f64,
}

/// Watches broker and machine from its making to [`Watch::finish`].
pub struct Watch {
    before: Reading,
}

/// What was used meanwhile, in seconds of CPU.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// By the broker's process.
    pub broker: f64,
    /// By this program and the clients it started.
    pub own: f64,
    /// By the kernel's own threads, such as writeback.
    pub kernel: f64,
    /// By other processes, as a share of all CPUs.
    pub foreign_share: f64,
    /// Taken by the machine's host, as a share of all CPUs.
    pub steal_share: f64,
}

impl Watch {
    /// Begins with a broker that runs.
    pub fn start(broker: Process) -> Result<Watch, String> {
        let before = read(Some(broker))?;
        Ok(Watch { before })
    }

    /// Begins before a broker is started.
    pub fn before_start() -> Result<Watch, String> {
        let before = read(None)?;
        Ok(Watch { before })
    }

    /// Ends, while the broker still runs, and says what was used since the beginning.
    pub fn finish(self, broker: Process) -> Result<Usage, String> {
        Ok(between(&self.before, &read(Some(broker))?, processors()))
    }
}

impl Usage {
    /// Whether others used so much that the run tells nothing.
    pub fn is_noisy(&self) -> bool {
        self.foreign_share + self.steal_share > FOREIGN_SHARE_MAX
    }
}

fn read(broker: Option<Process>) -> Result<Reading, String> {
    let stat = fs::read_to_string("/proc/stat").map_err(|error| format!("/proc/stat: {error}"))?;
    let steal = steal(&stat).ok_or_else(|| format!("/proc/stat is not as proc(5) says: {stat:?}"))?;
    Ok(Reading {
        at: Instant::now(),
        broker: broker.map_or(Ok(0.0), Process::cpu_seconds)?,
        own: process::own_cpu_seconds()?,
        others: process::others_cpu_seconds(broker),
        steal,
    })
}

/// Seconds stolen by the host, of all CPUs together.
fn steal(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?;
    let ticks: f64 = line.split_whitespace().nth(8)?.parse().ok()?;
    Some(ticks / TICKS_PER_SECOND)
}

/// Others are counted one by one, not as what is left of the clock: handling the interrupts of a broker that flushes
/// thousands of times a second takes several percent, which the kernel accounts to nobody.
fn between(before: &Reading, after: &Reading, processors: usize) -> Usage {
    let seconds = (after.at - before.at).as_secs_f64();
    let all = seconds * processors as f64;
    let foreign = after.others.processes - before.others.processes - READING_ERROR;
    Usage {
        broker: after.broker - before.broker,
        own: after.own - before.own,
        kernel: after.others.kernel_since(&before.others),
        foreign_share: (foreign / all).max(0.0),
        steal_share: (after.steal - before.steal) / all,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_host_takes_what_the_eighth_number_says() {
        assert_eq!(steal("cpu  100 0 200 300 50 0 5 25 0 0\ncpu0 1 2 3\n"), Some(0.25));
        assert_eq!(steal("cpu 1 2"), None);
    }

    #[test]
    fn what_others_take_is_a_share_of_all_processors() {
        let before = Reading {
            at: Instant::now(),
            broker: 1.0,
            own: 1.0,
            others: Others {
                processes: 7.0,
                ..Others::default()
            },
            steal: 0.0,
        };
        let after = Reading {
            at: before.at + Duration::from_secs(10),
            broker: 5.0,
            own: 3.0,
            others: Others {
                processes: 9.0 + READING_ERROR,
                ..Others::default()
            },
            steal: 1.0,
        };
        let usage = between(&before, &after, 2);
        assert!((usage.foreign_share - 0.1).abs() < 1e-9, "{usage:?}");
        assert!((usage.steal_share - 0.05).abs() < 1e-9, "{usage:?}");
        assert!(usage.is_noisy());
        let quiet = Reading {
            at: after.at,
            ..before.clone()
        };
        assert!(!between(&before, &quiet, 2).is_noisy());
    }
}
