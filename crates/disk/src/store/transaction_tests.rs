//! What readers of committed records see after a crash at a bad moment.

use std::path::Path;

use ottla_log::retention::RollRules;
use ottla_log::{BatchBuilder, Marker, Origin};
use ottla_model::{PartitionIndex, ProducerEpoch, ProducerId};

use super::committed::committed_records;
use super::*;
use crate::text::Identity;
use crate::vfs::{SimFaults, SimVfs};

const ROOT: &str = "/data";
const NOW: Millis = Millis(1);
/// Two partitions: a checkpoint syncs one after the other.
const IDS: [PartitionId; 2] = [
    PartitionId::METADATA,
    PartitionId {
        index: PartitionIndex(1),
        ..PartitionId::METADATA
    },
];

fn opening(id: PartitionId) -> PartitionOpening {
    PartitionOpening {
        id,
        topic: TopicName::from("orders"),
        leader_epoch: LeaderEpoch(0),
        segments: SegmentConfig {
            roll: RollRules {
                bytes_max: 400,
                time_max: Millis(i64::MAX),
                jitter: Millis(0),
            },
            index_interval_bytes: 100,
            ..SegmentConfig::default()
        },
        config: PartitionConfig {
            retention: ottla_log::Retention::Keep,
            ..PartitionConfig::default()
        },
        now: NOW,
    }
}

/// A store over simulated files, with its two partitions.
struct Fixture {
    vfs: SimVfs,
    store: LocalStore,
    sequences: HashMap<(PartitionId, i64), i32>,
}

impl Fixture {
    fn over(vfs: SimVfs, sync_together_min: usize) -> Result<Fixture, OpenFault> {
        let options = StoreOptions {
            threads: false,
            tail_cache_bytes: 0,
            snapshot_bytes_min: 0,
            sync_together_min,
            ..StoreOptions::new(Identity {
                cluster_id: "cluster".into(),
                node_id: 1,
                directory_id: "directory".into(),
            })
        };
        let (store, _) = LocalStore::open(Arc::new(vfs.clone()), Path::new(ROOT), options)?;
        for id in IDS {
            store.open_partition(opening(id))?;
        }
        Ok(Fixture {
            vfs,
            store,
            sequences: HashMap::new(),
        })
    }

    fn new() -> Fixture {
        Fixture::over(SimVfs::new(Path::new("/")), 64).unwrap()
    }

    fn partition(&self, index: usize) -> Arc<Partition> {
        self.store.partition(IDS[index]).unwrap()
    }

    /// A record of a producer's transaction.
    fn put(&mut self, index: usize, producer: i64, key: u8) {
        let sequence = self.sequences.entry((IDS[index], producer)).or_default();
        let batch = BatchBuilder::new().producer(ProducerId(producer), ProducerEpoch(0), *sequence);
        *sequence += 1;
        let mut batch = batch.transactional();
        batch.push(NOW, Some(&[key]), Some(b"value"));
        let origin = Origin::Participant { begins_at_zero: false };
        self.partition(index).append(batch.build(), origin, NOW).unwrap();
    }

    fn end(&self, index: usize, producer: i64, committed: bool) {
        let marker = Marker {
            committed,
            coordinator_epoch: 0,
        };
        let batch = marker.build(ProducerId(producer), ProducerEpoch(0), NOW);
        self.partition(index).append(batch, Origin::Coordinator, NOW).unwrap();
    }

    fn aborts(&mut self, index: usize, producer: i64, key: u8) {
        self.put(index, producer, key);
        self.end(index, producer, false);
    }

    fn flush(&self) {
        self.store.flush_once().unwrap();
        self.store.settle_once().unwrap();
    }

    fn checkpoint(&self) {
        self.store.flush_once().unwrap();
        self.store.checkpoint_once().unwrap();
    }

    /// The process is gone, and the power; what was not synced may be lost.
    fn crashed(self, seed: u64) -> Fixture {
        let vfs = self.vfs.clone();
        drop(self.store);
        vfs.crash(seed);
        Fixture::over(vfs, 64).unwrap()
    }

    fn committed_keys(&self, index: usize) -> Vec<u8> {
        let records = committed_records(&self.partition(index));
        records.into_iter().map(|(_, key, _)| key).collect()
    }
}

#[test]
fn an_abort_that_meets_a_checkpoint_is_known_after_a_crash() {
    let mut log = Fixture::new();
    log.put(0, 7, b'a');
    log.flush();
    // The marker is appended, not durable: not in segments, and below the producer snapshot.
    log.end(0, 7, false);
    log.store.checkpoint_once().unwrap();
    log.put(0, 8, b'b');
    log.end(0, 8, true);
    log.flush();
    assert_eq!(log.committed_keys(0), b"b");
    for _ in 0..2 {
        log = log.crashed(0);
        assert_eq!(log.committed_keys(0), b"b");
        log.checkpoint();
        assert_eq!(log.committed_keys(0), b"b");
    }
}

/// A crash in a checkpoint.
#[derive(Clone, Copy, Debug)]
struct PowerCut {
    /// After so many changes.
    changes: u64,
    seed: u64,
    sync_together_min: usize,
    /// Whether a marker is on its way to the disk.
    in_flight: bool,
}

/// Aborts in both partitions, over several segments, with a checkpoint between; the power goes in the next. Gives whether
/// it did.
fn power_goes(cut: PowerCut) -> bool {
    let vfs = SimVfs::new(Path::new("/"));
    let mut log = Fixture::over(vfs, cut.sync_together_min).unwrap();
    for round in 0..2 {
        for index in 0..2 {
            for key in b'a'..b'e' {
                log.aborts(index, i64::from(key), key);
            }
            log.put(index, 1, b'0' + round);
            log.end(index, 1, true);
            log.put(index, 2, b'x');
        }
        if round == 0 {
            log.checkpoint();
        }
        log.flush();
        log.end(0, 2, false);
        log.end(1, 2, false);
    }
    if !cut.in_flight {
        log.store.flush_once().unwrap();
    }
    log.vfs.set_faults(SimFaults {
        power_left: Some(cut.changes),
        ..SimFaults::default()
    });
    let gone = log.store.checkpoint_once().is_err();
    log = log.crashed(cut.seed);
    for checkpoint in [true, false] {
        for index in 0..2 {
            let keys = log.committed_keys(index);
            assert_eq!(keys, b"01", "partition {index}, {cut:?}");
        }
        if checkpoint {
            log.checkpoint();
            log = log.crashed(cut.seed + 1);
        }
    }
    gone
}

#[test]
fn power_may_go_at_any_point_of_a_checkpoint() {
    for (seed, in_flight) in [(0, true), (1, true), (2, false), (3, false)] {
        for sync_together_min in [64, 2] {
            let cut = |changes| PowerCut {
                changes,
                seed,
                sync_together_min,
                in_flight,
            };
            let cuts = (0..).take_while(|changes| power_goes(cut(*changes)));
            assert!(cuts.count() > 30);
        }
    }
}

#[test]
fn what_was_aborted_after_records_were_deleted_is_known_after_a_restart() {
    let mut log = Fixture::new();
    // All in one segment: one entry takes the place of another.
    log.aborts(0, 7, b'a');
    log.checkpoint();
    log.partition(0).delete_records(Offset(2)).unwrap();
    log.aborts(0, 8, b'b');
    log.flush();
    log.put(0, 1, b'0');
    log.end(0, 1, true);
    log.checkpoint();
    assert_eq!(log.committed_keys(0), b"0");
    log.store.stop().unwrap();
    log = log.crashed(0);
    assert_eq!(log.committed_keys(0), b"0");
}

#[test]
fn a_log_start_that_was_not_durable_takes_no_entry_with_it() {
    let mut log = Fixture::new();
    log.aborts(0, 7, b'a');
    log.aborts(0, 8, b'b');
    log.checkpoint();
    log.put(0, 1, b'0');
    log.end(0, 1, true);
    log.flush();
    let mut left = 0;
    loop {
        let vfs = log.vfs.fork();
        let mut again = Fixture::over(vfs, 64).unwrap();
        again.sequences = log.sequences.clone();
        again.put(0, 9, b'c');
        again.end(0, 9, false);
        again.store.flush_once().unwrap();
        again.partition(0).delete_records(Offset(2)).unwrap();
        again.vfs.set_faults(SimFaults {
            power_left: Some(left),
            ..SimFaults::default()
        });
        let gone = again.store.checkpoint_once().is_err();
        again = again.crashed(0);
        assert_eq!(again.committed_keys(0), b"0", "after {left} changes");
        if !gone {
            break;
        }
        left += 1;
    }
}

#[test]
fn producers_and_aborts_are_known_without_whole_snapshots() {
    let mut log = Fixture::new();
    for key in b'a'..b'e' {
        log.aborts(0, i64::from(key), key);
        log.checkpoint();
    }
    log.put(0, 1, b'0');
    log.end(0, 1, true);
    log.flush();
    log.put(0, 2, b'x');
    // On its way to the disk: the last checkpoint does not cover the snapshot it writes.
    log.store.checkpoint_once().unwrap();
    log.flush();
    let (vfs, producers) = (log.vfs.clone(), log.partition(0).producers());
    drop(log.store);
    let mut snapshots = vfs.files().into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    snapshots.retain(|path| path.to_string_lossy().ends_with(".snapshot"));
    assert!(snapshots.len() > 1, "one that is covered and one that is not");
    for (damaged, gone) in [(0, 1), (0, 2), (1, 0), (2, 0), (1, 1)] {
        let vfs = vfs.fork();
        for path in &snapshots[snapshots.len() - damaged - gone..snapshots.len() - gone] {
            vfs.damage(path, |bytes| bytes[8] ^= 1);
        }
        for path in &snapshots[snapshots.len() - gone..] {
            vfs.unlink(path).unwrap();
        }
        vfs.crash(1);
        let mut again = Fixture::over(vfs, 64).unwrap();
        for _ in 0..2 {
            assert_eq!(
                again.partition(0).producers(),
                producers,
                "{damaged} damaged, {gone} gone"
            );
            assert_eq!(again.committed_keys(0), b"0");
            assert_eq!(again.partition(0).offsets().last_stable, Offset(10));
            again.checkpoint();
            again = again.crashed(1);
        }
    }
}
