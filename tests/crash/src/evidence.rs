//! The directory a check works in: removed when the check passes, kept and named when it does not.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::trouble::{During, Trouble};

/// A directory of its own for one check.
#[derive(Debug)]
pub struct Evidence {
    path: PathBuf,
    keep: bool,
}

/// Runs a check in a directory of its own. If it fails, the directory stays and the trouble names it.
pub fn within<T>(name: &str, check: impl FnOnce(&Evidence) -> Result<T, Trouble>) -> Result<T, Trouble> {
    let mut evidence = Evidence::new(name)?;
    let outcome = check(&evidence);
    evidence.keep = outcome.is_err();
    outcome.map_err(|trouble| Trouble::new(format!("{trouble} (kept in {})", evidence.path.display())))
}

impl Evidence {
    fn new(name: &str) -> Result<Evidence, Trouble> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let parent = std::env::var_os("OTTLA_CRASH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("ottla-crash-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).during(path.display())?;
        Ok(Evidence { path, keep: true })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if !self.keep {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
