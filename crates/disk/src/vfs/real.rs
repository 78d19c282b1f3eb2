//! The operating system's files.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rustix::fs::{FallocateFlags, FlockOperation, OFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::{DirEntry, FileSystem, LockGuard, Open, Vfs, VfsFile};
use crate::block::BLOCK;

/// Parts given to one `pwritev`: the kernel's own limit.
const PARTS_MAX: usize = 1024;

/// The file system of this machine.
#[derive(Debug, Default)]
pub struct RealVfs;

impl Vfs for RealVfs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(how != Open::Existing)
            .truncate(how == Open::Empty)
            .open(path)?;
        Ok(Arc::new(RealFile::cached(file)))
    }

    fn open_direct(&self, path: &Path, how: Open) -> io::Result<Arc<dyn VfsFile>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(how != Open::Existing)
            .truncate(how == Open::Empty);
        match options.custom_flags(DIRECT).open(path) {
            Ok(file) => Ok(Arc::new(RealFile::direct(file))),
            // Some file systems have no direct path; the page cache is the slower way to the same place.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.open(path, how),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                let is_dir = entry.file_type()?.is_dir();
                entries.push(DirEntry { name, is_dir });
            }
        }
        Ok(entries)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        match std::fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            result => result,
        }
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }

    fn file_system(&self, path: &Path) -> io::Result<Arc<dyn FileSystem>> {
        Ok(Arc::new(RealFileSystem(File::open(path)?)))
    }

    fn lock(&self, path: &Path) -> io::Result<Option<LockGuard>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Kept open, because the system tells of failures since then.
struct RealFileSystem(File);

impl FileSystem for RealFileSystem {
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(&self.0)?)
    }
}

/// The flag of direct access, as the standard library takes it.
const DIRECT: i32 = OFlags::DIRECT.bits() as i32;

/// An open file, with a second descriptor for access past the page cache.
struct RealFile {
    file: File,
    /// The same file once more, opened when it is first needed; `None` where there is no direct access.
    direct: OnceLock<Option<File>>,
}

impl RealFile {
    fn cached(file: File) -> RealFile {
        RealFile {
            file,
            direct: OnceLock::new(),
        }
    }

    /// A file whose only descriptor is one for direct access.
    fn direct(file: File) -> RealFile {
        RealFile {
            file,
            direct: OnceLock::from(None),
        }
    }

    /// The descriptor for blocks. It is found by descriptor, not by name, which may belong to another file by now.
    fn blocks(&self) -> &File {
        let direct = self.direct.get_or_init(|| {
            let same = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            let mut options = OpenOptions::new();
            options.read(true).write(true).custom_flags(DIRECT).open(same).ok()
        });
        direct.as_ref().unwrap_or(&self.file)
    }
}

/// Bytes asked for ahead in one call.
const AHEAD: NonZeroU64 = NonZeroU64::new(512 << 10).expect("not 0");

impl VfsFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], at + done as u64) {
                Ok(0) => break,
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn will_read(&self) {
        // One call begins no more than the disk's read-ahead or its largest request, however much it asks for.
        for at in (0..self.len().unwrap_or_default()).step_by(AHEAD.get() as usize) {
            // Only a hint: what it cannot do, the reads do.
            let _ = rustix::fs::fadvise(&self.file, at, Some(AHEAD), rustix::fs::Advice::WillNeed);
        }
    }

    fn read_now(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        let mut done = 0;
        while done < into.len() {
            let mut parts = [std::io::IoSliceMut::new(&mut into[done..])];
            match rustix::io::preadv2(&self.file, &mut parts, at + done as u64, ReadWriteFlags::NOWAIT) {
                Ok(0) => break,
                Ok(got) => done += got,
                Err(Errno::INTR) => {}
                // Not every file system can say whether it would wait.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Some(done))
    }

    fn write_at(&self, parts: &[Bytes], at: u64) -> io::Result<()> {
        let mut at = at;
        for chunk in parts.chunks(PARTS_MAX) {
            let mut slices = chunk.iter().map(|part| IoSlice::new(part)).collect::<Vec<_>>();
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, 0);
            while !left.is_empty() {
                match rustix::io::pwritev(&self.file, left, at) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(done) => {
                        at += done as u64;
                        IoSlice::advance_slices(&mut left, done);
                    }
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
        }
        Ok(())
    }

    fn write_block(&self, block: &[u8], at: u64) -> io::Result<()> {
        self.blocks().write_all_at(block, at)
    }

    fn read_block(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut done = 0;
        // Behind a read that ends within a block there is nothing more, or only the page cache can tell.
        while done < into.len() && done % BLOCK == 0 {
            match self.blocks().read_at(&mut into[done..], at + done as u64) {
                Ok(0) => return Ok(done),
                Ok(got) => done += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(&self.file)?)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(()),
            // Without the call there is no reservation, and a full disk shows itself at the write.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.truncate(length.max(self.len()?)),
            Err(errno) => Err(errno.into()),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}
