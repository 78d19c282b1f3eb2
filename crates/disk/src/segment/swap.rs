//! A cleaned segment on its way into the place of those it was made of.
//!
//! ```text
//! 1  <base>.log.cleaned                written, flushed                       after a crash: it goes
//! 2  <base>.log.swap                   renamed; counts once its name is safe  after a crash: steps 3 to 5 again
//! 3  files of the other old segments   go
//! 4  <base>.index, <base>.timeindex    replaced by new ones
//! 5  <base>.log                        renamed, which replaces the old one
//! ```
//!
//! The directory is flushed after 2, after 4 and after 5, so that a segment never has another one's indexes. Once 2 is begun
//! nothing but 3 to 5 is right, whatever fails: before that nothing else may be done to the segments.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use ottla_log::StorageFault;
use ottla_model::Offset;

use super::{built_indexes, name_of};
use crate::partition_dir::PartitionDir;
use crate::vfs::{Open, Vfs, VfsFile, fault, replace_file};

const CLEANED: &str = "log.cleaned";
const SWAP: &str = "log.swap";
/// Bytes written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Batches below this size are copied while they wait.
const COPIED_MAX: usize = 64 << 10;

/// A segment being written, which replaces others or goes.
pub struct CleanedFile {
    vfs: Arc<dyn Vfs>,
    dir: PathBuf,
    base: Offset,
    file: Arc<dyn VfsFile>,
    written: u64,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

impl CleanedFile {
    /// Begins a file.
    pub fn create(vfs: Arc<dyn Vfs>, dir: &Path, base: Offset) -> Result<CleanedFile, StorageFault> {
        let path = name_of(dir, base, CLEANED);
        let file = vfs.open(&path, Open::Empty);
        Ok(CleanedFile {
            file: file.map_err(|error| fault("create", &path, &error))?,
            dir: dir.to_path_buf(),
            vfs,
            base,
            written: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    /// Adds a batch.
    pub fn push(&mut self, batch: Bytes) -> Result<(), StorageFault> {
        self.waiting_bytes += batch.len();
        // Where little of much is kept, the read buffers of all of it would wait here.
        let batch = if batch.len() < COPIED_MAX {
            Bytes::copy_from_slice(&batch)
        } else {
            batch
        };
        self.waiting.push(batch);
        if self.waiting_bytes >= WRITE_BYTES {
            self.write()?;
        }
        Ok(())
    }

    /// Makes what was pushed durable, not yet under a name that counts.
    pub fn flush(&mut self) -> Result<(), StorageFault> {
        self.write()?;
        let synced = self.file.sync();
        synced.map_err(|error| fault("flush", &name_of(&self.dir, self.base, CLEANED), &error))
    }

    /// It was not needed.
    pub fn discard(self) {
        // What stays is removed at the next opening.
        let _ = self.vfs.unlink(&name_of(&self.dir, self.base, CLEANED));
    }

    /// Begins to put the flushed file in the place of others: [`finish`] is to follow.
    pub fn begin(self) -> Result<(), StorageFault> {
        let (from, to) = (
            name_of(&self.dir, self.base, CLEANED),
            name_of(&self.dir, self.base, SWAP),
        );
        let renamed = self.vfs.rename(&from, &to);
        renamed.map_err(|error| fault("rename", &from, &error))
    }

    fn write(&mut self) -> Result<(), StorageFault> {
        let parts = std::mem::take(&mut self.waiting);
        let written = self.file.write_at(&parts, self.written);
        written.map_err(|error| fault("write", &name_of(&self.dir, self.base, CLEANED), &error))?;
        self.written += std::mem::take(&mut self.waiting_bytes) as u64;
        Ok(())
    }
}

/// Finishes or takes back what a crash interrupted; says whether there was anything.
pub fn resolve(vfs: &dyn Vfs, dir: &PartitionDir, index_interval: u64) -> Result<bool, StorageFault> {
    let names = dir.names()?;
    let cleaned = PartitionDir::offsets_of(&names, CLEANED);
    for base in &cleaned {
        dir.remove(*base, CLEANED)?;
    }
    let swaps = PartitionDir::offsets_of(&names, SWAP);
    for base in &swaps {
        let path = name_of(dir.path(), *base, SWAP);
        let end = || Ok(built_indexes(&*vfs.open(&path, Open::Existing)?, *base, index_interval)?.next);
        let end = end().map_err(|error: io::Error| fault("read", &path, &error))?;
        // An old segment behind the last batch that stayed is left: all it holds is superseded, the next round drops it.
        let covered = |other: &Offset| *other > *base && *other < end;
        let others = PartitionDir::offsets_of(&names, "log").into_iter().filter(covered);
        finish(vfs, dir, *base, &others.collect::<Vec<_>>(), index_interval)?;
    }
    Ok(!cleaned.is_empty() || !swaps.is_empty())
}

/// Steps 3 to 5 of the swap of the segments with these bases; may be called until it succeeds.
pub fn finish(
    vfs: &dyn Vfs,
    dir: &PartitionDir,
    base: Offset,
    others: &[Offset],
    index_interval: u64,
) -> Result<(), StorageFault> {
    dir.sync()?;
    if !PartitionDir::offsets_of(&dir.names()?, SWAP).contains(&base) {
        return Ok(());
    }
    for other in others.iter().rev() {
        for suffix in ["index", "timeindex", "txnindex", "log"] {
            dir.remove(*other, suffix)?;
        }
    }
    let from = name_of(dir.path(), base, SWAP);
    let built = || built_indexes(&*vfs.open(&from, Open::Existing)?, base, index_interval);
    let built = built().map_err(|error| fault("read", &from, &error))?;
    replace_file(vfs, &name_of(dir.path(), base, "index"), built.offsets)?;
    replace_file(vfs, &name_of(dir.path(), base, "timeindex"), built.times)?;
    dir.sync()?;
    vfs.rename(&from, &name_of(dir.path(), base, "log"))
        .map_err(|error| fault("rename", &from, &error))?;
    dir.sync()
}
