//! The few things this crate asks of a file system, so that a crash can be simulated.
//!
//! Two implementations: [`RealVfs`] on the operating system, and `SimVfs` (feature `sim`), which forgets what was not
//! synced. Nothing outside this module touches a file.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ottla_log::StorageFault;

mod real;
#[cfg(any(test, feature = "sim"))]
mod sim;

pub use real::RealVfs;
#[cfg(any(test, feature = "sim"))]
pub use sim::{SimFaults, SimVfs};

/// How a file is opened. Every file is opened for reading and writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// It must exist.
    Existing,
    /// It is made if it is missing.
    Create,
    /// It is made if it is missing, emptied if it is not.
    Empty,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, without the directory.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
}

/// A lock on a file, given back when dropped.
pub type LockGuard = Box<dyn Any + Send + Sync>;

/// A file system.
pub trait Vfs: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>>;
    /// Opens a file to be written and read only in blocks: see [`VfsFile::write_block`].
    fn open_direct(&self, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>>;
    /// Gives a file another name, replacing what had it; durable once both directories are synced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// All names of a directory, in no order.
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>>;
    /// Makes the names of a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory; it is no fault if it is there.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// The file system that a path lies on.
    fn file_system(&self, path: &Path) -> io::Result<Arc<dyn FileSystem>>;
    /// Locks a file against other processes; `None` if another one holds it.
    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>>;
}

/// All files of one file system together.
pub trait FileSystem: Send + Sync {
    /// Makes everything durable that was written to it before, contents and names. Much cheaper than to sync many files one by
    /// one, dearer than a few. A failure may be that of a file of somebody else.
    fn sync(&self) -> io::Result<()>;
}

/// An open file. Positions are explicit; there is no cursor.
pub trait VfsFile: Send + Sync {
    /// Its length.
    fn len(&self) -> io::Result<u64>;
    /// Whether it holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Reads up to the length of `into`; fewer bytes only at the end of the file.
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// The same, but `None` if it would have to wait for the medium.
    fn read_now(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>>;
    /// All of it will be read soon: a system that can begins now, beside what the caller does.
    fn will_read(&self) {}
    /// Writes all parts, one after the other, from `at` on.
    fn write_at(&self, parts: &[Bytes], at: u64) -> io::Result<()>;
    /// Writes blocks past the page cache, where the file system can: position, length and address are multiples of
    /// [`crate::block::BLOCK`].
    fn write_block(&self, block: &[u8], at: u64) -> io::Result<()>;
    /// Reads blocks past the page cache, where the file system can, with positions as for [`VfsFile::write_block`]; fewer bytes only at the end of the file.
    fn read_block(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// Makes what was written durable, with the length that is needed to read it. After a failure what is in memory and
    /// what is on the medium may differ, and the next call may claim success: never ask twice.
    fn sync(&self) -> io::Result<()>;
    /// Reserves space up to `length` and extends the file to it with zeros.
    fn allocate(&self, length: u64) -> io::Result<()>;
    /// Cuts or extends the file to `length`.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

/// Reads `length` bytes at `at`, fewer at the end of the file.
pub(crate) fn read_bytes(file: &dyn VfsFile, at: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    let got = file.read_at(&mut bytes, at)?;
    bytes.truncate(got);
    Ok(bytes.into())
}

/// The whole of a file, `None` if there is no such file.
pub(crate) fn read_file(vfs: &dyn Vfs, path: &Path) -> Result<Option<Bytes>, StorageFault> {
    let file = match vfs.open(path, Open::Existing) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault("open", path, &error)),
    };
    let read = || read_bytes(&*file, 0, file.len()? as usize);
    read().map(Some).map_err(|error| fault("read", path, &error))
}

/// Small files that replace others: one by one, each durable before it gets its name, or together.
pub struct Replacements<'a> {
    vfs: &'a dyn Vfs,
    /// Temporary and final names, if they get those together.
    waiting: Option<Vec<(PathBuf, PathBuf)>>,
}

impl<'a> Replacements<'a> {
    /// Each file is in place when it is written.
    pub fn one_by_one(vfs: &'a dyn Vfs) -> Replacements<'a> {
        Replacements { vfs, waiting: None }
    }

    /// The caller syncs the file system before [`Replacements::put_in_place`], and again behind it.
    pub fn together(vfs: &'a dyn Vfs) -> Replacements<'a> {
        Replacements {
            vfs,
            waiting: Some(Vec::new()),
        }
    }

    /// Writes a file.
    pub fn write(&mut self, path: &Path, content: Bytes) -> Result<(), StorageFault> {
        let Some(waiting) = &mut self.waiting else {
            return replace_file(self.vfs, path, content);
        };
        let temporary = temporary_name(path);
        let file = self.vfs.open(&temporary, Open::Empty);
        let written = file.and_then(|file| file.write_at(&[content], 0));
        written.map_err(|error| fault("write", &temporary, &error))?;
        waiting.push((temporary, path.to_path_buf()));
        Ok(())
    }

    /// Gives the files that wait their names.
    pub fn put_in_place(self) -> Result<(), StorageFault> {
        for (temporary, path) in self.waiting.into_iter().flatten() {
            let renamed = self.vfs.rename(&temporary, &path);
            renamed.map_err(|error| fault("replace", &path, &error))?;
        }
        Ok(())
    }
}

fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Puts a file in place so that after a crash there is either the old or the new one, whole. The caller syncs the
/// directory where the new one must be durable on return.
pub(crate) fn replace_file(vfs: &dyn Vfs, path: &Path, content: Bytes) -> Result<(), StorageFault> {
    let temporary = temporary_name(path);
    let write = || {
        let file = vfs.open(&temporary, Open::Empty)?;
        file.write_at(&[content], 0)?;
        file.sync()?;
        vfs.rename(&temporary, path)
    };
    write().map_err(|error| fault("replace", path, &error))
}

/// A fault that trying again does not mend, whatever its cause: a failed flush.
pub(crate) fn final_fault(operation: &'static str, path: &Path, error: &io::Error) -> StorageFault {
    StorageFault::Io {
        operation,
        path: path.display().to_string(),
        cause: error.to_string(),
        out_of_space: false,
    }
}

/// An error of the file system as a storage fault.
pub(crate) fn fault(operation: &'static str, path: &Path, error: &io::Error) -> StorageFault {
    StorageFault::Io {
        operation,
        path: path.display().to_string(),
        cause: error.to_string(),
        out_of_space: is_out_of_space(error),
    }
}

/// Whether the cause is a lack of space, which may pass.
pub(crate) fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
