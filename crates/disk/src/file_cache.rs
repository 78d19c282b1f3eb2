//! The open segment files of all partitions: few, closed when others are needed more.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bulk::Bulk;
use crate::vfs::{Open, Vfs, VfsFile};

/// Names one file for as long as the process runs: a file that was replaced under its path has another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey(u64);

/// See the module's head.
pub struct FileCache {
    vfs: Arc<dyn Vfs>,
    bulk: Bulk,
    open_max: usize,
    next_key: AtomicU64,
    open: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    clock: u64,
    files: HashMap<FileKey, (u64, Arc<dyn VfsFile>)>,
}

impl FileCache {
    /// A cache of at most `open_max` files. A file that is also accessed directly has two descriptors.
    pub fn new(vfs: Arc<dyn Vfs>, open_max: usize, bulk: Bulk) -> FileCache {
        FileCache {
            vfs,
            bulk,
            open_max: open_max.max(1),
            next_key: AtomicU64::new(0),
            open: Mutex::default(),
        }
    }

    /// The file system.
    pub fn vfs(&self) -> &Arc<dyn Vfs> {
        &self.vfs
    }

    /// How large pieces are written and read.
    pub fn bulk(&self) -> &Bulk {
        &self.bulk
    }

    /// A key for a file.
    pub fn key(&self) -> FileKey {
        FileKey(self.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// The file, opened if it is not.
    pub fn get(&self, key: FileKey, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>> {
        {
            let mut files = self.lock();
            files.clock += 1;
            let now = files.clock;
            if let Some((used, file)) = files.files.get_mut(&key) {
                *used = now;
                return Ok(Arc::clone(file));
            }
        }
        let file = self.vfs.open(path, how)?;
        let mut files = self.lock();
        let now = files.clock;
        files.files.insert(key, (now, Arc::clone(&file)));
        if files.files.len() > self.open_max {
            let oldest = files.files.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                files.files.remove(&oldest);
            }
        }
        Ok(file)
    }

    /// Closes a file that is gone.
    pub fn forget(&self, key: FileKey) {
        self.lock().files.remove(&key);
    }

    /// Files open now.
    pub fn open_files(&self) -> usize {
        self.lock().files.len()
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
