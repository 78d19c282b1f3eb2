//! The journal's files: the one in use comes from here, those no longer needed go back.
//!
//! A file is named after its *use* (see [`super::frame`]). Filling a file with zeros beforehand lets flushes overwrite
//! blocks instead of allocating them; used files are renamed and used again. The flusher finds the next file prepared;
//! only if it outruns the preparer does it make one itself.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ottla_log::{Lsn, StorageFault};

use crate::block::{BLOCK, BlockBuffer, round_up};
use crate::vfs::{Open, Vfs, VfsFile, fault};

/// Bytes zeroed with one write.
const ZERO_CHUNK: usize = 1 << 20;
/// Files kept for another use; more are removed.
const SPARES_MAX: usize = 2;
const SUFFIX: &str = ".journal";

/// A file that is ready to be written.
pub struct JournalFile {
    /// The number of this use.
    pub use_number: u64,
    /// Where it lies.
    pub path: PathBuf,
    /// The open file.
    pub file: Arc<dyn VfsFile>,
    /// Bytes it was made for.
    pub capacity: u64,
}

/// A file that holds entries still needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveFile {
    /// The number of its use.
    pub use_number: u64,
    /// Bytes it takes.
    pub size: u64,
    /// The last entry in it.
    pub last: Lsn,
}

/// All files that no flush is writing to.
pub struct Shelf {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    file_bytes: u64,
    next_use: u64,
    prepared: Option<JournalFile>,
    /// Files whose content is no longer needed, by the number of their last use.
    spares: VecDeque<(u64, u64)>,
    /// Files left by the flusher whose entries are not all settled, oldest first.
    live: VecDeque<LiveFile>,
    surplus: Vec<PathBuf>,
}

/// What is needed to fill a file with zeros without holding the shelf.
pub struct Blank {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    size: u64,
}

impl Shelf {
    /// A shelf over the files that recovery found.
    pub fn new(vfs: Arc<dyn Vfs>, dir: PathBuf, file_bytes: u64, next_use: u64) -> Shelf {
        Shelf {
            vfs,
            dir,
            file_bytes: round_up(file_bytes as usize) as u64,
            next_use,
            prepared: None,
            spares: VecDeque::new(),
            live: VecDeque::new(),
            surplus: Vec::new(),
        }
    }

    /// Adds a file that recovery found needed.
    pub fn add_live(&mut self, file: LiveFile) {
        self.live.push_back(file);
    }

    /// Adds a file that may be used again, or marks it for removal if there are enough.
    pub fn add_spare(&mut self, use_number: u64, size: u64) {
        if self.spares.len() < SPARES_MAX && size >= self.file_bytes {
            self.spares.push_back((use_number, size));
        } else {
            self.surplus.push(path_of(&self.dir, use_number));
        }
    }

    /// Files to be removed, which takes longer than a flush may wait: call [`remove_all`] without holding the shelf.
    pub fn take_surplus(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.surplus)
    }

    /// Bytes of the files that hold entries still needed.
    pub fn live_bytes(&self) -> u64 {
        self.live.iter().map(|file| file.size).sum()
    }

    /// Whether no file is ready.
    pub fn wants_file(&self) -> bool {
        self.prepared.is_none()
    }

    /// Makes the next file ready if that is quick; otherwise says what must be filled first, without holding the shelf.
    pub fn prepare(&mut self) -> Result<Option<Blank>, StorageFault> {
        if self.prepared.is_some() {
            return Ok(None);
        }
        if self.spares.is_empty() {
            return Ok(Some(Blank {
                vfs: Arc::clone(&self.vfs),
                path: self.dir.join("prepared.tmp"),
                size: self.file_bytes,
            }));
        }
        self.prepared = Some(self.make(self.file_bytes)?);
        Ok(None)
    }

    /// Takes a filled file as the next one.
    pub fn place_prepared(&mut self, blank: &Blank) -> Result<(), StorageFault> {
        self.prepared = Some(self.place(&blank.path)?);
        Ok(())
    }

    /// A file for at least `needed` bytes: the prepared one, or one made on the spot with `size` bytes.
    pub fn take(&mut self, needed: u64, size: u64) -> Result<JournalFile, StorageFault> {
        match self.prepared.take() {
            Some(file) if file.capacity >= needed => Ok(file),
            other => {
                // Uses follow the order of entries, so a file that is passed over cannot keep its number.
                if let Some(unused) = other {
                    self.add_spare(unused.use_number, unused.capacity);
                }
                self.make(round_up(needed.max(size) as usize) as u64)
            }
        }
    }

    /// The flusher leaves a file.
    pub fn retire(&mut self, file: LiveFile) {
        self.live.push_back(file);
    }

    /// Frees the files that hold nothing after `settled`.
    pub fn recycle(&mut self, settled: Lsn) {
        while self.live.front().is_some_and(|file| file.last <= settled) {
            if let Some(file) = self.live.pop_front() {
                self.add_spare(file.use_number, file.size);
            }
        }
    }

    /// The first use whose file a replay must look at, given the use being written.
    pub fn first_use(&self, settled: Lsn, current: Option<u64>) -> u64 {
        let needed = self.live.iter().find(|file| file.last > settled);
        let needed = needed.map(|file| file.use_number).or(current);
        needed.unwrap_or(self.next_use)
    }

    /// The number of the next use.
    pub fn next_use(&self) -> u64 {
        self.next_use
    }

    fn make(&mut self, size: u64) -> Result<JournalFile, StorageFault> {
        let spare = self.spares.iter().position(|(_, capacity)| *capacity >= size);
        match spare.and_then(|position| self.spares.remove(position)) {
            Some((old, _)) => self.place(&path_of(&self.dir, old)),
            None => {
                let path = self.dir.join("next.tmp");
                let blank = Blank {
                    vfs: Arc::clone(&self.vfs),
                    path,
                    size,
                };
                blank.allocate()?;
                self.place(&blank.path)
            }
        }
    }

    /// Gives a file the name of its next use.
    fn place(&mut self, from: &Path) -> Result<JournalFile, StorageFault> {
        let use_number = self.next_use;
        let path = path_of(&self.dir, use_number);
        let place = || {
            self.vfs.rename(from, &path)?;
            self.vfs.sync_dir(&self.dir)?;
            let file = self.vfs.open_direct(&path, Open::Existing)?;
            let capacity = file.len()?;
            Ok((file, capacity))
        };
        let (file, capacity) = place().map_err(|error| fault("prepare", &path, &error))?;
        self.next_use += 1;
        Ok(JournalFile {
            use_number,
            path,
            file,
            capacity,
        })
    }
}

impl Blank {
    /// Reserves the space: quick, but flushes into it have to mark blocks as written.
    fn allocate(&self) -> Result<(), StorageFault> {
        self.make(|file| file.allocate(self.size))
    }

    /// Fills the file with zeros and brings them to the medium, so that no later flush pays for that.
    pub fn fill(&self) -> Result<(), StorageFault> {
        self.make(|file| {
            file.allocate(self.size)?;
            let mut zeros = BlockBuffer::default();
            zeros.reset(ZERO_CHUNK.min(self.size as usize))?;
            while zeros.len() < ZERO_CHUNK.min(self.size as usize) {
                zeros.push(&[0; BLOCK]);
            }
            let mut at = 0;
            while at < self.size {
                let length = (self.size - at).min(ZERO_CHUNK as u64) as usize;
                file.write_block(&zeros.bytes()[..length], at)?;
                at += length as u64;
            }
            file.sync()
        })
    }

    fn make(&self, content: impl FnOnce(&dyn VfsFile) -> io::Result<()>) -> Result<(), StorageFault> {
        let made = self
            .vfs
            .open_direct(&self.path, Open::Empty)
            .and_then(|file| content(&*file));
        made.map_err(|error| {
            // Half a file would take the very space that is missing.
            let _ = self.vfs.unlink(&self.path);
            fault("create", &self.path, &error)
        })
    }
}

/// Removes files that are no longer needed; one that stays is tried again at the next start.
pub fn remove_all(vfs: &dyn Vfs, paths: &[PathBuf]) {
    for path in paths {
        if let Err(error) = vfs.unlink(path) {
            tracing::warn!(path = %path.display(), %error, "a journal file could not be removed");
        }
    }
}

/// Where the file of a use lies.
pub fn path_of(dir: &Path, use_number: u64) -> PathBuf {
    dir.join(format!("{use_number:020}{SUFFIX}"))
}

/// The use a file is named after.
pub fn use_of(name: &str) -> Option<u64> {
    name.strip_suffix(SUFFIX)?.parse().ok()
}
