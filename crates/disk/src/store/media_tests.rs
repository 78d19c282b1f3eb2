//! The conformance suite of `log` over the local media, and what a damaged journal comes to.

use std::path::Path;

use bytes::Bytes;
use ottla_log::conformance::{self, Media};
use ottla_log::retention::RollRules;
use ottla_log::{BatchBuilder, Journal, Origin};

use super::*;
use crate::text::Identity;
use crate::vfs::{RealVfs, SimVfs};

fn options() -> StoreOptions {
    StoreOptions {
        journal: crate::journal::JournalLimits {
            file_bytes: 64 << 10,
            first_file_bytes: 64 << 10,
            ..Default::default()
        },
        bulk_bytes_min: 4 << 10,
        threads: false,
        ..StoreOptions::new(Identity {
            cluster_id: "cluster".into(),
            node_id: 1,
            directory_id: "directory".into(),
        })
    }
}

fn opening(segment_bytes: u64) -> PartitionOpening {
    PartitionOpening {
        id: PartitionId::METADATA,
        topic: TopicName::from("__cluster_metadata"),
        leader_epoch: LeaderEpoch(0),
        segments: SegmentConfig {
            roll: RollRules {
                bytes_max: segment_bytes,
                time_max: Millis(i64::MAX),
                jitter: Millis(0),
            },
            index_interval_bytes: 100,
            ..SegmentConfig::default()
        },
        config: PartitionConfig::default(),
        now: Millis(0),
    }
}

/// The journal of a store and segments beside it.
struct Local {
    store: LocalStore,
    segments: Arc<DiskSegments>,
    segment_bytes: u64,
    root: PathBuf,
}

impl Local {
    fn new(vfs: Arc<dyn Vfs>, root: &Path, segment_bytes: u64) -> Local {
        let (store, _) = LocalStore::open(vfs, root, options()).unwrap();
        let segments = open_segments(&store, segment_bytes);
        Local {
            store,
            segments,
            segment_bytes,
            root: root.to_path_buf(),
        }
    }
}

fn open_segments(store: &LocalStore, segment_bytes: u64) -> Arc<DiskSegments> {
    let shared = &store.shared;
    let name = TopicPartition::new("__cluster_metadata", 0);
    let dir = PartitionDir::new(Arc::clone(&shared.vfs), &shared.root, &name, TopicId::METADATA);
    let opening = SegmentsOpening {
        config: opening(segment_bytes).segments,
        start: Offset::ZERO,
        replay_from: None,
        check: true,
    };
    Arc::new(DiskSegments::open(dir, Arc::clone(&shared.files), opening).unwrap())
}

impl Media for Local {
    fn journal(&self) -> Arc<dyn Journal> {
        self.store.journal()
    }

    fn segments(&self) -> Arc<dyn Segments> {
        Arc::clone(&self.segments) as Arc<dyn Segments>
    }

    fn flush(&self) {
        while matches!(self.store.flush_once(), Ok(crate::journal::Flushed::UpTo(_))) {}
    }

    fn reopen(&mut self) {
        self.segments.sync().unwrap();
        self.segments = open_segments(&self.store, self.segment_bytes);
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

#[test]
fn the_suite_passes_on_simulated_files() {
    conformance::run(|segment_bytes| {
        let vfs = Arc::new(SimVfs::new(Path::new("/")));
        Local::new(vfs, Path::new("/data"), segment_bytes)
    });
}

#[test]
fn the_suite_passes_on_real_files() {
    let count = std::cell::Cell::new(0);
    conformance::run(|segment_bytes| {
        count.set(count.get() + 1);
        let name = format!("ottla-disk-{}-{}", std::process::id(), count.get());
        Local::new(Arc::new(RealVfs), &std::env::temp_dir().join(name), segment_bytes)
    });
}

/// A store that was killed after flushing `groups` groups of two batches each.
fn killed(groups: i32) -> SimVfs {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, _) = LocalStore::open(Arc::new(vfs.clone()), Path::new("/data"), options()).unwrap();
    let partition = store.open_partition(opening(1 << 20)).unwrap();
    for group in 0..groups {
        for part in 0..2 {
            let mut batch = BatchBuilder::new();
            let value = vec![(group * 2 + part) as u8; 300];
            batch.push(Millis(1), Some(b"key"), Some(&value));
            partition.append(batch.build(), Origin::Client, Millis(1)).unwrap();
        }
        store.flush_once().unwrap();
    }
    drop((store, partition));
    vfs.crash(1);
    vfs
}

fn journal_file(vfs: &SimVfs) -> (PathBuf, Vec<u8>) {
    let mut files = vfs.files();
    files.retain(|(path, _)| path.extension().is_some_and(|suffix| suffix == "journal"));
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn reopened(vfs: &SimVfs) -> (RecoveryReport, Vec<i64>) {
    let (store, report) = LocalStore::open(Arc::new(vfs.clone()), Path::new("/data"), options()).unwrap();
    let partition = store.open_partition(opening(1 << 20)).unwrap();
    let open = store.shared.open(PartitionId::METADATA).unwrap();
    let end = partition.offsets().log_end;
    let mut offsets = Vec::new();
    let mut at = Offset::ZERO;
    while at < end {
        let read = open.segments.read(at, end, 1 << 20, ottla_log::Patience::Wait).unwrap();
        let ottla_log::SegmentRead::Batches(bytes) = read else {
            panic!("a patient read never waits")
        };
        for (header, _) in ottla_log::Batches::new(bytes) {
            offsets.push(header.base_offset.0);
            at = header.next_offset();
        }
    }
    (report, offsets)
}

#[test]
fn a_journal_cut_anywhere_keeps_what_came_before() {
    let original = killed(3);
    let (path, bytes) = journal_file(&original);
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut lengths = std::collections::BTreeSet::new();
    // The last record ends with a zero byte, its count of headers.
    for cut in 0..=used + 1 {
        let vfs = original.fork();
        vfs.damage(&path, |bytes| bytes.truncate(cut));
        let (report, offsets) = reopened(&vfs);
        let whole = (0..offsets.len() as i64).collect::<Vec<_>>();
        assert_eq!(offsets, whole, "cut at {cut}: a prefix is left");
        // The mark in the last group that is left says what was acknowledged before it.
        let known = offsets.len() as u64;
        assert!(report.damages.iter().all(|damage| damage.entries.0.0 > known));
        lengths.insert(offsets.len());
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn damage_before_the_mark_is_reported_and_the_rest_is_served() {
    let original = killed(4);
    let (path, bytes) = journal_file(&original);
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let marked = used.next_multiple_of(crate::block::BLOCK) - crate::block::BLOCK;
    let mut seen = 0;
    for at in (0..marked).step_by(11) {
        let vfs = original.fork();
        vfs.damage(&path, |bytes| bytes[at] ^= 0x10);
        let (report, offsets) = reopened(&vfs);
        if bytes[at..].len() > used && report.damages.is_empty() {
            assert_eq!(offsets.len(), 8, "byte {at}: nothing is dropped in silence");
            continue;
        }
        seen += 1;
        let [damage] = &report.damages[..] else {
            panic!("byte {at}: one range, not {:?}", report.damages)
        };
        assert!(damage.bytes.contains(&(at as u64)), "byte {at}: {damage:?}");
        let lost = damage.entries.1.0 - damage.entries.0.0 + 1;
        assert_eq!(offsets.len() as u64 + lost, 8, "byte {at}: exactly the range is lost");
        let copies = vfs.files();
        assert!(copies.iter().any(|(path, _)| path.starts_with("/data/quarantine")));
    }
    assert!(seen > 50);
}

#[test]
fn a_failed_flush_ends_the_journal_and_acknowledges_nothing() {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, _) = LocalStore::open(Arc::new(vfs.clone()), Path::new("/data"), options()).unwrap();
    let partition = store.open_partition(opening(1 << 20)).unwrap();
    let append = || {
        let mut batch = BatchBuilder::new();
        batch.push(Millis(1), Some(b"key"), Some(b"value"));
        partition.append(batch.build(), Origin::Client, Millis(1))
    };
    append().unwrap();
    store.flush_once().unwrap();
    append().unwrap();
    vfs.set_faults(crate::vfs::SimFaults {
        syncs_left: Some(0),
        ..Default::default()
    });
    assert!(store.flush_once().is_err());
    assert!(store.durability().has_failed());
    assert_eq!(partition.offsets().high_watermark, Offset(1));
    assert!(append().is_err());
    assert!(store.flush_once().is_err());
}

#[test]
fn without_space_appends_are_refused_and_taken_up_again() {
    let vfs = SimVfs::new(Path::new("/"));
    let mut small = options();
    small.journal.bytes_max = 64 << 10;
    small.journal.file_bytes = 16 << 10;
    small.journal.first_file_bytes = 16 << 10;
    let (store, _) = LocalStore::open(Arc::new(vfs.clone()), Path::new("/data"), small).unwrap();
    let partition = store.open_partition(opening(1 << 20)).unwrap();
    let append = || {
        let mut batch = BatchBuilder::new();
        batch.push(Millis(1), Some(b"key"), Some(&Bytes::from(vec![7; 1000])));
        partition.append(batch.build(), Origin::Client, Millis(1))
    };
    vfs.set_faults(crate::vfs::SimFaults {
        space_left: Some(40 << 10),
        ..Default::default()
    });
    let mut refused = false;
    for _ in 0..200 {
        refused |= append().is_err();
        store.flush_once().unwrap();
        let _ = store.settle_once();
    }
    assert!(refused);
    assert!(!store.durability().has_failed());
    let acknowledged = partition.offsets().high_watermark;
    vfs.set_faults(Default::default());
    while store.flush_once().unwrap() != crate::journal::Flushed::Nothing {}
    store.checkpoint_once().unwrap();
    append().expect("it goes on by itself");
    assert!(partition.offsets().high_watermark >= acknowledged);
}

#[test]
fn a_second_process_is_refused() {
    let vfs = SimVfs::new(Path::new("/"));
    let open = || LocalStore::open(Arc::new(vfs.clone()), Path::new("/data"), options());
    let first = open().unwrap();
    let fault = open().err().unwrap();
    assert_eq!(
        fault.to_string(),
        "the data directory /data is in use by another process"
    );
    drop(first);
    assert!(open().is_ok());
}

#[test]
fn threads_flush_settle_and_stop() {
    let root = std::env::temp_dir().join(format!("ottla-disk-threads-{}", std::process::id()));
    let open = || {
        let threaded = StoreOptions {
            threads: true,
            settle_bytes: 4 << 10,
            ..options()
        };
        LocalStore::open(Arc::new(RealVfs), &root, threaded).unwrap()
    };
    for round in 1..4 {
        let (store, report) = open();
        assert!(report.clean, "the stop before was clean");
        let partition = store.open_partition(opening(8 << 10)).unwrap();
        for _ in 0..100 {
            let mut batch = BatchBuilder::new();
            batch.push(Millis(1), Some(b"key"), Some(&[7; 500]));
            partition.append(batch.build(), Origin::Client, Millis(1)).unwrap();
        }
        store.stop().unwrap();
        let offsets = partition.offsets();
        assert_eq!(
            (offsets.high_watermark, offsets.settled_end),
            (Offset(round * 100), Offset(round * 100))
        );
        assert!(root.join(text::CLEAN_SHUTDOWN).exists());
    }
    std::fs::remove_dir_all(&root).unwrap();
}
