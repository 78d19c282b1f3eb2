//! Compaction from outside: what is read before, beside and after it.

use std::path::Path;

use ottla_log::retention::RollRules;
use ottla_log::{BatchBuilder, Marker, Origin, Patience, Replayed, SegmentRead};
use ottla_model::{ProducerEpoch, ProducerId};

use super::*;
use crate::text::Identity;
use crate::vfs::{SimFaults, SimVfs};

const ROOT: &str = "/data";
const DAY: i64 = 86_400_000;

fn opening() -> PartitionOpening {
    PartitionOpening {
        id: PartitionId::METADATA,
        topic: TopicName::from("__consumer_offsets"),
        leader_epoch: LeaderEpoch(0),
        segments: SegmentConfig {
            roll: RollRules {
                bytes_max: 2000,
                time_max: Millis(7 * DAY),
                jitter: Millis(0),
            },
            index_interval_bytes: 100,
            ..SegmentConfig::default()
        },
        config: PartitionConfig {
            compacted: true,
            retention: ottla_log::Retention::Keep,
            ..PartitionConfig::default()
        },
        now: Millis(0),
    }
}

fn open(vfs: &SimVfs) -> (LocalStore, Arc<Partition>) {
    // Nothing is read from memory that is in segments.
    open_with_tail(vfs, 0)
}

fn open_with_tail(vfs: &SimVfs, tail_cache_bytes: usize) -> (LocalStore, Arc<Partition>) {
    let options = StoreOptions {
        threads: false,
        bulk_bytes_min: 4 << 10,
        tail_cache_bytes,
        snapshot_bytes_min: 0,
        ..StoreOptions::new(Identity {
            cluster_id: "cluster".into(),
            node_id: 1,
            directory_id: "directory".into(),
        })
    };
    let (store, _) = LocalStore::open(Arc::new(vfs.clone()), Path::new(ROOT), options).unwrap();
    let partition = store.open_partition(opening()).unwrap();
    (store, partition)
}

/// A record with a value of 100 bytes.
fn put(partition: &Partition, key: &str, value: u8) {
    let mut batch = BatchBuilder::new();
    batch.push(Millis(1), Some(key.as_bytes()), Some(&[value; 100]));
    partition.append(batch.build(), Origin::Coordinator, Millis(1)).unwrap();
}

fn flush(store: &LocalStore) {
    store.flush_once().unwrap();
    store.settle_once().unwrap();
}

/// Key, first byte of the value, offset.
fn replayed(partition: &Partition) -> Vec<(String, u8, i64)> {
    let mut records = Vec::new();
    let visit = |entry: Result<Replayed, ottla_log::Unreadable>| {
        let Replayed::Record(record) = entry.unwrap() else {
            return;
        };
        let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
        records.push((key, record.value.unwrap()[0], record.offset.0));
    };
    partition.replay(visit).unwrap();
    records
}

fn last_of_each(records: &[(String, u8, i64)]) -> std::collections::BTreeMap<String, (u8, i64)> {
    let last = records
        .iter()
        .map(|(key, value, offset)| (key.clone(), (*value, *offset)));
    last.collect()
}

fn filled(vfs: &SimVfs) -> (LocalStore, Arc<Partition>) {
    let (store, partition) = open(vfs);
    for value in 0..60 {
        put(&partition, ["group-a", "group-b", "group-c"][value as usize % 3], value);
        flush(&store);
    }
    (store, partition)
}

#[test]
fn a_compacted_log_replays_the_last_of_each_key_also_after_reopening() {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, partition) = filled(&vfs);
    let before = replayed(&partition);
    let bytes = partition.size();
    store.housekeep(Millis(2)).unwrap();
    assert!(
        partition.size() < bytes / 2,
        "{} of {bytes} bytes are left",
        partition.size()
    );
    let after = replayed(&partition);
    assert!(after.len() < before.len() / 2);
    assert_eq!(last_of_each(&after), last_of_each(&before));
    let path = Path::new(ROOT).join(text::CLEANED);
    let cleaned = crate::vfs::read_file(&vfs, &path).unwrap().unwrap();
    let end = partition.offsets();
    drop((store, partition));
    let (store, partition) = open(&vfs);
    assert_eq!(replayed(&partition), after);
    assert_eq!(partition.offsets().log_end, end.log_end);
    let text = String::from_utf8(cleaned.to_vec()).unwrap();
    assert!(text.starts_with("0\n1\n__consumer_offsets 0 "), "{text:?}");
    let syncs = vfs.syncs();
    store.housekeep(Millis(2)).unwrap();
    assert_eq!(
        vfs.syncs(),
        syncs,
        "the dirty range survives a restart: there is nothing to clean"
    );
}

#[test]
fn a_reader_of_an_old_segment_is_not_given_the_new_ones_bytes() {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, partition) = filled(&vfs);
    let open = store.shared.open(PartitionId::METADATA).unwrap();
    let old = open.segments.complete_below(Offset(60));
    let read = |segment: &Arc<crate::segment::Segment>| {
        let SegmentRead::Batches(bytes) = segment
            .read(segment.base(), segment.next(), 4000, Patience::Wait)
            .unwrap()
        else {
            panic!("a patient read never waits")
        };
        bytes
    };
    let before = old.iter().map(read).collect::<Vec<_>>();
    store.housekeep(Millis(2)).unwrap();
    assert_eq!(old.iter().map(read).collect::<Vec<_>>(), before);
    let new = open.segments.complete_below(Offset(60));
    assert!(new.iter().map(read).ne(before), "another reader is given the new ones");
    drop(partition);
}

#[test]
fn an_old_segment_is_closed_by_the_clock_and_then_cleaned() {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, partition) = open(&vfs);
    for value in 0..5 {
        put(&partition, "group", value);
    }
    flush(&store);
    store.housekeep(Millis(7 * DAY)).unwrap();
    assert_eq!(replayed(&partition).len(), 5, "it is still written");
    store.housekeep(Millis(7 * DAY + 2)).unwrap();
    assert_eq!(replayed(&partition), [("group".to_owned(), 4, 4)]);
    put(&partition, "group", 5);
    flush(&store);
    drop((store, partition));
    let (_store, partition) = open(&vfs);
    assert_eq!(replayed(&partition).last(), Some(&("group".to_owned(), 5, 5)));
}

/// The entries of all `.txnindex` files.
fn entries_on_disk(vfs: &SimVfs) -> usize {
    let mut files = vfs.files();
    files.retain(|(path, _)| path.extension().is_some_and(|suffix| suffix == "txnindex"));
    files.iter().map(|(_, bytes)| bytes.len() / 34).sum()
}

/// Writes a record in a transaction that is aborted.
fn abort(partition: &Partition) {
    let mut batch = BatchBuilder::new()
        .producer(ProducerId(7), ProducerEpoch(0), 0)
        .transactional();
    batch.push(Millis(1), Some(b"group-a"), Some(&[0; 100]));
    let origin = Origin::Participant { begins_at_zero: false };
    partition.append(batch.build(), origin, Millis(1)).unwrap();
    let marker = Marker {
        committed: false,
        coordinator_epoch: 0,
    };
    // One that raises the epoch: the record's batch is not the last of its producer then.
    let marker = marker.build(ProducerId(7), ProducerEpoch(1), Millis(1));
    partition.append(marker, Origin::RaisingCoordinator, Millis(1)).unwrap();
}

fn fill(partition: &Partition, store: &LocalStore) {
    for value in 0..60 {
        put(partition, "group-b", value);
        flush(store);
    }
}

#[test]
fn an_entry_of_which_nothing_is_left_goes_from_its_file_also_after_a_restart() {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, partition) = open(&vfs);
    abort(&partition);
    fill(&partition, &store);
    store.checkpoint_once().unwrap();
    assert_eq!((partition.aborted().len(), entries_on_disk(&vfs)), (1, 1));
    store.stop().unwrap();
    drop((store, partition));
    // A first round takes the records, a second one sees that they are gone, each in a process of its own.
    for left in [1, 0] {
        let (store, partition) = open(&vfs);
        assert_eq!(partition.aborted().len(), 1);
        store.housekeep(Millis(DAY)).unwrap();
        assert_eq!((partition.aborted().len(), entries_on_disk(&vfs)), (left, left));
        fill(&partition, &store);
        store.stop().unwrap();
    }
    let (_store, partition) = open(&vfs);
    assert_eq!(partition.aborted(), []);
}

#[test]
fn records_of_an_aborted_transaction_stay_hidden_while_memory_has_them() {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, partition) = open_with_tail(&vfs, 1 << 20);
    abort(&partition);
    for left in [1, 0] {
        fill(&partition, &store);
        store.housekeep(Millis(DAY)).unwrap();
        assert_eq!(partition.aborted().len(), left);
        let read = super::committed::committed_records(&partition);
        let first = read.first().map(|(offset, ..)| *offset);
        assert!(first > Some(Offset(0)), "{first:?} is of an aborted transaction");
    }
}

#[test]
fn a_swap_that_fails_half_way_is_finished_before_the_next() {
    let mut failed = 0;
    for (space, syncs) in (0..60)
        .map(|step| (Some(step * 40), None))
        .chain((0..30).map(|syncs| (None, Some(syncs))))
    {
        let vfs = SimVfs::new(Path::new("/"));
        let (store, partition) = open(&vfs);
        let write = |store: &LocalStore, names: &str, count: u8, different: u8| {
            for value in 0..count {
                put(&partition, &format!("{names}-{}", value % different), value);
                flush(store);
            }
        };
        // A full segment, and behind it some of which little is left.
        write(&store, "first", 12, 12);
        write(&store, "second", 60, 7);
        store.housekeep(Millis(DAY)).unwrap();
        // Nothing is left of the first one either, but when this round plans its groups it is full still.
        write(&store, "first", 12, 12);
        write(&store, "third", 14, 2);
        store.checkpoint_once().unwrap();
        vfs.set_faults(SimFaults {
            space_left: space,
            syncs_left: syncs,
            ..SimFaults::default()
        });
        failed += u64::from(store.housekeep(Millis(2 * DAY)).is_err());
        vfs.set_faults(SimFaults::default());
        write(&store, "third", 14, 2);
        let expected = last_of_each(&replayed(&partition));
        let _ = store.housekeep(Millis(3 * DAY));
        assert_eq!(last_of_each(&replayed(&partition)), expected, "{space:?} {syncs:?}");
        drop(store);
        let (_store, partition) = open(&vfs);
        assert_eq!(last_of_each(&replayed(&partition)), expected, "{space:?} {syncs:?}");
    }
    assert!(failed > 20, "only {failed} rounds failed");
}
