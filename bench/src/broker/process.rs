//! A process seen from outside: what /proc says of its time, its memory and its files.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Hundredths of a second, in which Linux tells times in /proc whatever the kernel counts in.
pub const TICKS_PER_SECOND: f64 = 100.0;

/// A process by its number.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    id: u32,
}

/// Memory of a process, in MB (a million bytes).
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Its resident pages, pages shared with other processes counted in part.
    pub proportional_mb: f64,
    /// The most that was ever resident.
    pub peak_mb: f64,
}

impl Process {
    /// The process with this number.
    pub fn new(id: u32) -> Process {
        Process { id }
    }

    /// Its number.
    pub fn id(self) -> u32 {
        self.id
    }

    /// User and system time so far, in seconds, with that of children that have ended and were waited for.
    pub fn cpu_seconds(self) -> Result<f64, String> {
        cpu_seconds(&self.id.to_string())
    }

    /// When it began, to a hundredth of a second.
    pub fn began(self) -> Result<Instant, String> {
        let uptime = fs::read_to_string("/proc/uptime").map_err(|error| format!("/proc/uptime: {error}"))?;
        let now = Instant::now();
        let age = age_seconds(&self.read("stat")?, &uptime).ok_or("/proc is not as proc(5) says")?;
        Ok(now.checked_sub(Duration::from_secs_f64(age.max(0.0))).unwrap_or(now))
    }

    /// What it occupies.
    pub fn memory(self) -> Result<Memory, String> {
        Ok(Memory {
            proportional_mb: field_mb(&self.read("smaps_rollup")?, "Pss:")?,
            peak_mb: field_mb(&self.read("status")?, "VmHWM:")?,
        })
    }

    /// Open descriptors.
    pub fn open_files(self) -> Result<usize, String> {
        let path = format!("/proc/{}/fd", self.id);
        fs::read_dir(&path)
            .map(Iterator::count)
            .map_err(|error| format!("{path}: {error}"))
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(self) -> Result<(), String> {
        self.signal(Signal::KILL, Duration::from_secs(30))
    }

    /// SIGTERM, and waits until it is gone: minutes for a broker that flushes ten thousand partitions one by one.
    pub fn terminate(self) -> Result<(), String> {
        self.signal(Signal::TERM, Duration::from_secs(240))
    }

    fn signal(self, signal: Signal, patience: Duration) -> Result<(), String> {
        let pid = Pid::from_raw(self.id as i32).ok_or("a process has no number 0")?;
        // It may have ended by itself.
        let _ = kill_process(pid, signal);
        self.wait_until_gone(patience)
    }

    fn wait_until_gone(self, patience: Duration) -> Result<(), String> {
        let deadline = Instant::now() + patience;
        while self.is_running() {
            if Instant::now() > deadline {
                return Err(format!("process {} does not end", self.id));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Whether it runs; one that only waits for its parent's interest does not.
    pub fn is_running(self) -> bool {
        let state = self.read("stat").ok();
        let state = state.as_deref().and_then(|stat| stat.rsplit(") ").next());
        state.is_some_and(|fields| !fields.starts_with('Z'))
    }

    fn read(self, name: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{name}", self.id);
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

/// User and system time of this program and of its ended children, in seconds.
pub fn own_cpu_seconds() -> Result<f64, String> {
    cpu_seconds("self")
}

/// What those who are neither this program nor its children have taken so far, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Others {
    /// The kernel's own threads by number: writeback and the like, which belongs to no process. They come and go.
    pub kernel: BTreeMap<u32, f64>,
    /// Every other process, with its children that have ended: so nobody is missed who came and went in between.
    pub processes: f64,
}

impl Others {
    /// What the kernel's threads have taken since then, as far as they are still there.
    pub fn kernel_since(&self, before: &Others) -> f64 {
        let since = |(id, time): (&u32, &f64)| time - before.kernel.get(id).unwrap_or(&0.0);
        // A number may have gone to another thread.
        self.kernel.iter().map(since).map(|time| time.max(0.0)).sum()
    }
}

/// What others have taken so far; `broker` is none of them.
pub fn others_cpu_seconds(broker: Option<Process>) -> Others {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Others::default();
    };
    let stats = entries
        .flatten()
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    others(stats, std::process::id(), broker.map(Process::id))
}

fn others(stats: impl Iterator<Item = String>, own: u32, broker: Option<u32>) -> Others {
    let mut others = Others::default();
    for stat in stats {
        let (Some(id), Some(parent), Some(time)) = (id_of(&stat), parent_of(&stat), times(&stat)) else {
            continue;
        };
        // Kernel threads are the children of kthreadd, process 2.
        if parent == 2 {
            others.kernel.insert(id, time);
        } else if id != own && parent != own && Some(id) != broker {
            others.processes += time;
        }
    }
    others
}

fn cpu_seconds(id: &str) -> Result<f64, String> {
    let path = format!("/proc/{id}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    times(&text).ok_or_else(|| format!("{path} is not as proc(5) says: {text:?}"))
}

/// Fields 14 to 17 of proc(5) together; the command's name before them may hold anything.
fn times(stat: &str) -> Option<f64> {
    let fields = stat.rsplit(") ").next()?.split(' ').skip(11).take(4);
    let ticks = fields.map(str::parse::<f64>).collect::<Result<Vec<_>, _>>().ok()?;
    (ticks.len() == 4).then(|| ticks.iter().sum::<f64>() / TICKS_PER_SECOND)
}

/// Field 22 of proc(5) is when it began, counted from the machine's start as the uptime is.
fn age_seconds(stat: &str, uptime: &str) -> Option<f64> {
    let ticks: f64 = stat.rsplit(") ").next()?.split(' ').nth(19)?.parse().ok()?;
    let now: f64 = uptime.split(' ').next()?.parse().ok()?;
    Some(now - ticks / TICKS_PER_SECOND)
}

fn id_of(stat: &str) -> Option<u32> {
    stat.split(' ').next()?.parse().ok()
}

fn parent_of(stat: &str) -> Option<u32> {
    stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
}

fn field_mb(text: &str, name: &str) -> Result<f64, String> {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    let kib = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0 / 1e6)
        .ok_or_else(|| format!("no {name} in {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "77 (a) b) S 2 7 7 0 -1 64 1 2 3 4 250 50 30 20 20 0 1 0 100 200 300";

    #[test]
    fn times_stand_behind_a_name_with_brackets() {
        assert_eq!(times(STAT), Some(3.5));
        assert_eq!(times("77 (short) S 2"), None);
    }

    #[test]
    fn age_is_counted_from_the_machines_start() {
        assert_eq!(age_seconds(STAT, "11.5 20.0"), Some(10.5));
    }

    #[test]
    fn others_are_neither_we_nor_our_children_nor_the_broker() {
        let process = |id: u32, parent: u32| {
            STAT.replace("77 (", &format!("{id} ("))
                .replace(" S 2 ", &format!(" S {parent} "))
        };
        let all = [
            process(50, 2),
            process(1, 0),
            process(60, 1),
            process(61, 60),
            process(70, 1),
        ];
        let seen = others(all.into_iter(), 60, Some(70));
        let expected = Others {
            kernel: [(50, 3.5)].into(),
            processes: 3.5,
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_kernel_thread_that_ended_takes_nothing_back() {
        let seen = |kernel: &[(u32, f64)]| Others {
            kernel: kernel.iter().copied().collect(),
            processes: 0.0,
        };
        let (before, after) = (seen(&[(5, 100.0), (6, 1.0)]), seen(&[(6, 1.5), (9, 0.25)]));
        assert!((after.kernel_since(&before) - 0.75).abs() < 1e-9);
    }

    #[test]
    fn memory_is_told_in_megabytes() {
        assert_eq!(field_mb("Rss: 1 kB\nPss:   1000 kB\n", "Pss:"), Ok(1.024));
        assert!(field_mb("Rss: 1 kB", "Pss:").is_err());
    }
}
