//! What an interrupted run would leave behind: brokers that are not its children, their directories, settings of the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::process::Process;

static KNOWN: Mutex<Known> = Mutex::new(Known {
    processes: BTreeSet::new(),
    directories: BTreeSet::new(),
    settings: BTreeMap::new(),
});

struct Known {
    processes: BTreeSet<u32>,
    directories: BTreeSet<PathBuf>,
    /// Files of the kernel, and what they said.
    settings: BTreeMap<PathBuf, String>,
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

/// A setting of the machine was changed; this is what it was.
pub fn setting(path: &Path, was: &str) {
    known().settings.insert(path.to_path_buf(), was.to_owned());
}

/// Puts the machine's settings back.
pub fn put_back() {
    known().put_back();
}

/// Kills every broker that runs, removes every directory, whoever still uses it, and ends the program with this exit code. No
/// other broker can be started meanwhile.
pub fn end_all(code: i32) -> ! {
    let mut known = known();
    known.put_back();
    for id in &known.processes {
        let _ = Process::new(*id).kill();
    }
    for path in &known.directories {
        let _ = fs::remove_dir_all(path);
    }
    std::process::exit(code)
}

impl Known {
    fn put_back(&mut self) {
        for (path, was) in std::mem::take(&mut self.settings) {
            if let Err(error) = fs::write(&path, &was) {
                eprintln!("ottla-bench: {} should be {was} again: {error}", path.display());
            }
        }
    }
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}
