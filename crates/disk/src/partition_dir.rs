//! The directory of one partition and the small files beside its segments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ottla_log::{EndedTransaction, Epochs, Producers, StorageFault};
use ottla_model::{Offset, ProducerId, TopicId, TopicPartition};

use crate::segment::name_of;
use crate::text::{partition_metadata, topic_of_metadata};
use crate::vfs::{Replacements, Vfs, fault, final_fault, read_file};

const METADATA: &str = "partition.metadata";
const EPOCHS: &str = "leader-epoch-checkpoint";
/// Bytes of an entry of `.txnindex`.
const ABORTED_LENGTH: usize = 34;

/// See the module's head.
#[derive(Clone)]
pub struct PartitionDir {
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    topic: TopicId,
}

impl PartitionDir {
    /// The directory of a partition below the data directory; it may not exist.
    pub fn new(vfs: Arc<dyn Vfs>, root: &Path, partition: &TopicPartition, topic: TopicId) -> PartitionDir {
        PartitionDir {
            vfs,
            path: root.join(partition.to_string()),
            topic,
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which topic the directory on disk belongs to; `None` if there is no directory, or none that says so.
    pub fn owner(&self) -> Result<Option<TopicId>, StorageFault> {
        let text = read_file(&*self.vfs, &self.path.join(METADATA))?;
        Ok(text.and_then(|text| topic_of_metadata(&String::from_utf8_lossy(&text))))
    }

    /// All names in it; none if it does not exist.
    pub fn names(&self) -> Result<Vec<String>, StorageFault> {
        match self.vfs.read_dir(&self.path) {
            Ok(entries) => Ok(entries.into_iter().map(|entry| entry.name).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(fault("list", &self.path, &error)),
        }
    }

    /// Makes the directory with its metadata, durable on return: no segment ever lies in a directory that does not say
    /// whose it is, so that a new topic never takes over what is left of an old one of its name.
    pub fn create(&self) -> Result<(), StorageFault> {
        self.make(&mut self.replacements())?;
        self.sync()?;
        let root = self.path.parent().unwrap_or(&self.path);
        self.vfs.sync_dir(root).map_err(|error| fault("sync", root, &error))
    }

    /// The same, durable when the files are.
    pub fn make(&self, files: &mut Replacements<'_>) -> Result<(), StorageFault> {
        self.vfs
            .make_dir(&self.path)
            .map_err(|error| fault("create", &self.path, &error))?;
        files.write(&self.path.join(METADATA), Bytes::from(partition_metadata(self.topic)))
    }

    /// Files that replace others in it, one by one.
    pub fn replacements(&self) -> Replacements<'_> {
        Replacements::one_by_one(&*self.vfs)
    }

    /// Makes its names durable.
    pub fn sync(&self) -> Result<(), StorageFault> {
        self.vfs
            .sync_dir(&self.path)
            .map_err(|error| final_fault("sync", &self.path, &error))
    }

    /// The offsets that files with `suffix` are named after, ascending.
    pub fn offsets_of(names: &[String], suffix: &str) -> Vec<Offset> {
        let offset = |name: &String| {
            let digits = name.strip_suffix(suffix)?.strip_suffix('.')?;
            (digits.len() == 20).then(|| digits.parse().ok().map(Offset))?
        };
        let mut offsets = names.iter().filter_map(offset).collect::<Vec<_>>();
        offsets.sort_unstable();
        offsets
    }

    /// Removes a file of the given offset and suffix.
    pub fn remove(&self, offset: Offset, suffix: &str) -> Result<(), StorageFault> {
        let path = name_of(&self.path, offset, suffix);
        match self.vfs.unlink(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fault("remove", &path, &error)),
            _ => Ok(()),
        }
    }

    /// The producer snapshots at or below `usable_end`, ascending. Those beyond `end` go, durably: they would become lies
    /// when other batches take the offsets that were lost. Those between may go.
    pub fn snapshots_below(
        &self,
        names: &[String],
        usable_end: Offset,
        end: Offset,
    ) -> Result<Vec<Offset>, StorageFault> {
        let snapshots = PartitionDir::offsets_of(names, "snapshot");
        let (usable, others) = snapshots.split_at(snapshots.partition_point(|at| *at <= usable_end));
        others.iter().try_for_each(|at| self.remove(*at, "snapshot"))?;
        if others.last().is_some_and(|last| *last > end) {
            self.sync()?;
        }
        Ok(usable.to_vec())
    }

    /// Reads the newest of these producer snapshots that is whole. The damaged ones go, from the list too.
    pub fn newest_snapshot(&self, snapshots: &mut Vec<Offset>) -> Result<Option<(Offset, Bytes)>, StorageFault> {
        while let Some(newest) = snapshots.last().copied() {
            let path = name_of(&self.path, newest, "snapshot");
            let bytes = read_file(&*self.vfs, &path)?.unwrap_or_default();
            let Err(fault) = Producers::check_snapshot(&bytes) else {
                return Ok(Some((newest, bytes)));
            };
            tracing::warn!(path = %path.display(), %fault, "the producers are learnt from an older snapshot or all batches");
            self.remove(newest, "snapshot")?;
            snapshots.pop();
        }
        Ok(None)
    }

    /// Writes a producer snapshot; durable once the directory is synced.
    pub fn write_producer_snapshot(
        &self,
        at: Offset,
        snapshot: Bytes,
        files: &mut Replacements<'_>,
    ) -> Result<(), StorageFault> {
        files.write(&name_of(&self.path, at, "snapshot"), snapshot)
    }

    /// The leader epochs; none if the file is missing or makes no sense, since the batches carry them too.
    pub fn epochs(&self) -> Result<Epochs, StorageFault> {
        let Some(bytes) = read_file(&*self.vfs, &self.path.join(EPOCHS))? else {
            return Ok(Epochs::default());
        };
        Ok(Epochs::from_checkpoint(&String::from_utf8_lossy(&bytes)).unwrap_or_default())
    }

    /// Writes the leader epochs; durable once the directory is synced.
    pub fn write_epochs(&self, epochs: &Epochs, files: &mut Replacements<'_>) -> Result<(), StorageFault> {
        files.write(&self.path.join(EPOCHS), Bytes::from(epochs.to_checkpoint()))
    }

    /// The `.txnindex` of a segment; nothing if there is none.
    pub fn aborted(&self, base: Offset) -> Result<Bytes, StorageFault> {
        let bytes = read_file(&*self.vfs, &name_of(&self.path, base, "txnindex"))?;
        Ok(bytes.unwrap_or_default())
    }

    /// Writes the `.txnindex` of a segment; durable once the directory is synced.
    pub fn write_aborted(&self, base: Offset, bytes: Bytes, files: &mut Replacements<'_>) -> Result<(), StorageFault> {
        files.write(&name_of(&self.path, base, "txnindex"), bytes)
    }

    /// Gives the directory a name that says that it goes, or that nobody knows whose it is ([`STRAY`]); the name is
    /// durable on return.
    pub fn set_aside(&self, root: &Path, owner: TopicId, suffix: &str) -> Result<PathBuf, StorageFault> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let target = root.join(format!("{name}.{}{suffix}", owner.0.simple()));
        let rename = || {
            self.vfs.rename(&self.path, &target)?;
            self.vfs.sync_dir(root)
        };
        rename().map_err(|error| fault("set aside", &self.path, &error))?;
        Ok(target)
    }
}

/// The suffix of a partition's directory that goes.
pub const DELETED: &str = "-delete";
/// The suffix of a directory that does not say whose it is. It stays until a person looks at it.
pub const STRAY: &str = "-stray";

/// Removes a directory and its files.
pub fn remove_dir(vfs: &dyn Vfs, path: &Path) -> Result<(), StorageFault> {
    let remove = || {
        for entry in vfs.read_dir(path)? {
            vfs.unlink(&path.join(entry.name))?;
        }
        vfs.remove_dir(path)
    };
    match remove() {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fault("remove", path, &error)),
        _ => Ok(()),
    }
}

/// The content of a `.txnindex` file, in Kafka's format.
pub fn aborted_bytes(aborted: &[EndedTransaction]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(aborted.len() * ABORTED_LENGTH);
    for ended in aborted {
        bytes.put_i16(0);
        bytes.put_i64(ended.producer.0);
        bytes.put_i64(ended.first.0);
        bytes.put_i64(ended.last.0);
        bytes.put_i64(ended.last_stable.0);
    }
    bytes.freeze()
}

/// The transactions in a `.txnindex` file; what follows the last whole entry is left out.
pub fn aborted_of(bytes: &[u8]) -> impl Iterator<Item = EndedTransaction> {
    bytes.chunks_exact(ABORTED_LENGTH).filter_map(|entry| {
        let number = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(entry.get(at..at + 8)?);
            Some(i64::from_be_bytes(field))
        };
        Some(EndedTransaction {
            producer: ProducerId(number(2)?),
            first: Offset(number(10)?),
            last: Offset(number(18)?),
            aborted: true,
            last_stable: Offset(number(26)?),
        })
    })
}
