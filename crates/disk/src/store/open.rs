//! Opening a data directory.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ottla_log::StorageFault;

use super::{Pending, Shared, Work};
use crate::bulk::Bulk;
use crate::checkpoint::Checkpoint;
use crate::file_cache::FileCache;
use crate::journal::scan::{Damage, Scan, scan};
use crate::journal::shelf::{LiveFile, Shelf};
use crate::journal::{DiskJournal, JournalStart};
use crate::options::{OpenFault, RecoveryReport, StoreOptions};
use crate::partition_dir::DELETED;
use crate::text::{self, Identity};
use crate::vfs::{Open, Vfs, fault, read_bytes};

/// Bytes copied at once into the quarantine.
const COPY_CHUNK: usize = 1 << 20;

pub(super) fn open(
    vfs: Arc<dyn Vfs>,
    root: &Path,
    options: StoreOptions,
) -> Result<(Shared, RecoveryReport), OpenFault> {
    let io = |operation, error| OpenFault::Storage(fault(operation, root, &error));
    vfs.make_dir(root).map_err(|error| io("create", error))?;
    let lock = vfs.lock(&root.join("lock")).map_err(|error| io("lock", error))?;
    let lock = lock.ok_or_else(|| OpenFault::InUse(root.to_path_buf()))?;
    let journal_dir = root.join("journal");
    vfs.make_dir(&journal_dir).map_err(|error| io("create", error))?;
    let identity = identify(&*vfs, root, &options.identity)?;
    let deleted = leftovers(&*vfs, root, &journal_dir)?;
    vfs.sync_dir(root).map_err(|error| io("sync", error))?;

    let checkpoint = read_checkpoint(&*vfs, root)?;
    let scan = scan(&*vfs, &journal_dir, checkpoint)?;
    report_damages(&*vfs, root, &scan.damages)?;
    let report = RecoveryReport {
        identity,
        clean: scan.entries.is_empty() && scan.damages.is_empty(),
        last: scan.last,
        entries: scan.entries.len(),
        partitions: scan
            .entries
            .iter()
            .map(|found| found.partition)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        damages: scan.damages.clone(),
    };
    let log_starts = text::read_offsets(&*vfs, root, text::LOG_STARTS)?;
    let cleaned = text::read_offsets(&*vfs, root, text::CLEANED).unwrap_or_else(|fault| {
        tracing::warn!(%fault, "all of the compacted topics counts as dirty");
        text::Offsets::new()
    });
    let (pending, start) = resume(&vfs, &journal_dir, scan, &options)?;
    let journal = DiskJournal::new(Arc::clone(&vfs), options.journal, options.settle_bytes, start);
    let shared = Shared {
        files: Arc::new(FileCache::new(
            Arc::clone(&vfs),
            options.open_files_max,
            Bulk::new(options.bulk_bytes_min),
        )),
        journal: Arc::new(journal),
        file_system: vfs.file_system(root).map_err(|error| fault("open", root, &error))?,
        root: root.to_path_buf(),
        clean: report.clean,
        partitions: Mutex::new(HashMap::new()),
        pending: Mutex::new(pending),
        touched: Mutex::new(BTreeSet::new()),
        log_starts: Mutex::new(log_starts.clone()),
        settling_fails: std::sync::atomic::AtomicBool::new(false),
        cleaned: Mutex::new(cleaned),
        cleaning: Mutex::new(()),
        work: Mutex::new(Work {
            checkpoint,
            log_starts_written: log_starts,
            cached: VecDeque::new(),
            cached_bytes: 0,
            flush_failed: false,
            deleted,
        }),
        options,
        vfs,
        _lock: lock,
    };
    Ok((shared, report))
}

fn identify(vfs: &dyn Vfs, root: &Path, new: &Identity) -> Result<Identity, OpenFault> {
    if let Some(identity) = Identity::read(vfs, root)? {
        return Ok(identity);
    }
    let path = root.join(text::META_PROPERTIES);
    if crate::vfs::read_file(vfs, &path)?.is_some() {
        return Err(OpenFault::NoIdentity(path));
    }
    // A new directory: its own name must last as well.
    if let Some(parent) = root.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        vfs.sync_dir(parent).map_err(|error| fault("sync", parent, &error))?;
    }
    new.write(vfs, root)?;
    Ok(new.clone())
}

/// Removes what an earlier stop left half done; gives the directories on their way out.
fn leftovers(vfs: &dyn Vfs, root: &Path, journal: &Path) -> Result<Vec<std::path::PathBuf>, StorageFault> {
    let list = |path: &Path| vfs.read_dir(path).map_err(|error| fault("list", path, &error));
    let mut deleted = Vec::new();
    for entry in list(root)? {
        let path = root.join(&entry.name);
        if entry.is_dir && entry.name.ends_with(DELETED) {
            deleted.push(path);
        } else if entry.name == text::CLEAN_SHUTDOWN || (!entry.is_dir && entry.name.ends_with(".tmp")) {
            vfs.unlink(&path).map_err(|error| fault("remove", &path, &error))?;
        }
    }
    for entry in list(journal)? {
        let path = journal.join(&entry.name);
        if entry.name.ends_with(".tmp") {
            vfs.unlink(&path).map_err(|error| fault("remove", &path, &error))?;
        }
    }
    Ok(deleted)
}

/// An unreadable checkpoint is put aside: the journal then says itself how far back it reaches.
fn read_checkpoint(vfs: &dyn Vfs, root: &Path) -> Result<Option<Checkpoint>, StorageFault> {
    match Checkpoint::read(vfs, root) {
        Err(StorageFault::Corrupt { path, what, .. }) => {
            tracing::error!(
                path,
                what,
                "the checkpoint is unreadable; all of the journal is replayed"
            );
            let from = root.join(crate::checkpoint::NAME);
            let to = root.join("checkpoint.damaged");
            vfs.rename(&from, &to)
                .map_err(|error| fault("quarantine", &from, &error))?;
            Ok(None)
        }
        result => result,
    }
}

/// Says loudly what is lost, and keeps a copy of the file for those who want to look.
fn report_damages(vfs: &dyn Vfs, root: &Path, damages: &[Damage]) -> Result<(), StorageFault> {
    for damage in damages {
        tracing::error!(
            path = %damage.path.display(),
            from = damage.bytes.start,
            to = damage.bytes.end,
            entries = ?damage.entries,
            partitions = ?damage.partitions,
            "acknowledged entries in the journal are unreadable; the rest is served, a copy is kept in quarantine"
        );
        let quarantine = root.join("quarantine");
        let copy = quarantine.join(damage.path.file_name().unwrap_or_default());
        let keep = || {
            vfs.make_dir(&quarantine)?;
            let (from, to) = (vfs.open(&damage.path, Open::Existing)?, vfs.open(&copy, Open::Empty)?);
            let (length, mut at) = (from.len()?, 0);
            while at < length {
                let bytes = read_bytes(&*from, at, COPY_CHUNK)?;
                let got = bytes.len() as u64;
                to.write_at(&[bytes], at)?;
                at += got.max(1);
            }
            to.sync()?;
            vfs.sync_dir(&quarantine)
        };
        if let Err(error) = keep() {
            // The log line stands; a full disk must not keep the rest from being served.
            tracing::error!(copy = %copy.display(), %error, "the damaged journal file could not be copied");
        }
    }
    vfs.sync_dir(root).map_err(|error| fault("sync", root, &error))
}

/// Where journal and replay go on.
fn resume(
    vfs: &Arc<dyn Vfs>,
    dir: &Path,
    scan: Scan,
    options: &StoreOptions,
) -> Result<(Pending, JournalStart), StorageFault> {
    let file_bytes = options.journal.file_bytes;
    let mut shelf = Shelf::new(Arc::clone(vfs), dir.to_path_buf(), file_bytes, scan.next_use);
    for (use_number, size) in scan.spares {
        shelf.add_spare(use_number, size);
    }
    for file in &scan.files {
        let live = LiveFile {
            use_number: file.use_number,
            size: file.size,
            last: file.last,
        };
        if file.last == ottla_log::Lsn(0) {
            shelf.add_spare(file.use_number, file.size);
            continue;
        }
        // What a process wrote and did not flush before it died counts from now on, so it must become durable.
        file.file.sync().map_err(|error| fault("flush", &file.path, &error))?;
        shelf.add_live(live);
    }
    crate::journal::shelf::remove_all(&**vfs, &shelf.take_surplus());
    let files = scan.files.into_iter().map(|file| file.file).collect();
    let start = JournalStart { last: scan.last, shelf };
    Ok((Pending::new(files, scan.entries), start))
}

/// The text of Kafka's mark of a clean stop.
pub(super) fn clean_mark() -> Bytes {
    Bytes::from_static(b"{\"version\":0,\"brokerEpoch\":-1}")
}
