//! What an interrupted run would leave behind: brokers that are not its children, and their directories.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::process::Process;

static KNOWN: Mutex<Known> = Mutex::new(Known {
    processes: BTreeSet::new(),
    directories: BTreeSet::new(),
});

struct Known {
    processes: BTreeSet<u32>,
    directories: BTreeSet<PathBuf>,
}

/// A broker's directory was made.
pub fn directory(path: &Path) {
    known().directories.insert(path.to_path_buf());
}

/// A broker was started.
pub fn process(id: u32) {
    known().processes.insert(id);
}

/// A broker has ended; its number may soon be another's.
pub fn gone(id: u32) {
    known().processes.remove(&id);
}

/// Kills every broker that runs, removes every directory, whoever still uses it, and ends the program with this exit code. No
/// other broker can be started meanwhile.
pub fn end_all(code: i32) -> ! {
    let known = known();
    for id in &known.processes {
        let _ = Process::new(*id).kill();
    }
    for path in &known.directories {
        let _ = fs::remove_dir_all(path);
    }
    std::process::exit(code)
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}
