//! A small data directory in memory, used and left as by a crash; the targets damage a copy of it and open that.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use ottla_disk::vfs::SimVfs;
use ottla_disk::{Identity, JournalLimits, LocalStore, PartitionOpening, SegmentConfig, StoreOptions, Vfs};
use ottla_log::{BatchBuilder, Batches, Isolation, Origin, PartitionConfig, Patience, ReadLimit, Reading};
use ottla_model::{LeaderEpoch, Millis, Offset, PartitionId, PartitionIndex, ProducerEpoch, ProducerId, TopicId};

/// Where it lies.
pub const ROOT: &str = "/data";
/// Where its one partition's files lie.
pub const PARTITION: &str = "/data/orders-0";
const NOW: Millis = Millis(1_000_000);
/// Reads made of one partition: damage must not make a reader go round in circles.
const READS_MAX: usize = 10_000;

/// A copy of the directory.
pub fn used() -> SimVfs {
    static USED: OnceLock<SimVfs> = OnceLock::new();
    USED.get_or_init(make).fork()
}

fn make() -> SimVfs {
    let vfs = SimVfs::new(Path::new("/"));
    let (store, _) =
        LocalStore::open(Arc::new(vfs.clone()), Path::new(ROOT), options()).expect("a new directory opens");
    let partition = store.open_partition(opening()).expect("a new partition opens");
    let write = |from: i32, to: i32| {
        for sequence in from..to {
            let mut batch = BatchBuilder::new().producer(ProducerId(5), ProducerEpoch(0), sequence);
            batch.push(NOW, Some(&sequence.to_be_bytes()), Some(&[b'v'; 60]));
            partition
                .append(batch.build(), Origin::Client, NOW)
                .expect("a good batch is taken");
        }
        while let Ok(ottla_disk::Flushed::UpTo(_)) = store.flush_once() {}
    };
    // Some of it in a segment that is whole, with its snapshot, some in one that is not, some in the journal alone.
    write(0, 12);
    store.checkpoint_once().expect("a checkpoint");
    write(12, 20);
    store.settle_once().expect("batches are settled");
    write(20, 26);
    drop(partition);
    drop(store);
    let left = vfs.fork();
    left.crash(KEEPS_EVERYTHING);
    left
}

/// A seed with which a simulated crash loses nothing.
const KEEPS_EVERYTHING: u64 = 2;

/// Opens the directory, reads everything that can be read, and stops. Faults are fine, panics are not.
pub fn open_and_read(vfs: SimVfs) {
    let vfs: Arc<dyn Vfs> = Arc::new(vfs);
    let Ok((store, report)) = LocalStore::open(vfs, Path::new(ROOT), options()) else {
        return;
    };
    let _ = report.damages.len();
    for id in store.partitions_with_pending() {
        if id != partition_id() {
            store.forget_topic(id.topic);
        }
    }
    if let Ok(partition) = store.open_partition(opening()) {
        read(&partition);
        let mut batch = BatchBuilder::new();
        batch.push(NOW, None, Some(b"after"));
        let _ = partition.append(batch.build(), Origin::Client, NOW);
        let _ = store.flush_once();
        read(&partition);
        let _ = partition.offset_for(
            ottla_log::OffsetSpec::MaxTimestamp,
            Isolation::ReadUncommitted,
            Patience::Wait,
        );
    }
    let _ = store.settle_once();
    let _ = store.checkpoint_once();
    let _ = store.stop();
}

fn read(partition: &ottla_log::Partition) {
    let limit = ReadLimit {
        bytes_max: 64 << 10,
        at_least_one: true,
        isolation: Isolation::ReadUncommitted,
        patience: Patience::Wait,
        before: None,
    };
    let mut next = partition.offsets().log_start;
    for _ in 0..READS_MAX {
        let Ok(Reading::Done(read)) = partition.read(next, limit) else {
            return;
        };
        for (header, _) in read.chunks.iter().flat_map(|chunk| Batches::new(chunk.clone())) {
            assert!(
                header.next_offset() <= read.high_watermark,
                "nothing above the high watermark is shown"
            );
        }
        if read.next <= next {
            return;
        }
        next = read.next;
    }
    panic!("reading does not come to an end at {next:?}");
}

fn options() -> StoreOptions {
    StoreOptions {
        journal: JournalLimits {
            bytes_max: 256 << 10,
            buffered_bytes_max: 64 << 10,
            file_bytes: 16 << 10,
            first_file_bytes: 16 << 10,
            group_bytes_max: 8 << 10,
        },
        bulk_bytes_min: 4 << 10,
        threads: false,
        ..StoreOptions::new(Identity {
            cluster_id: "c".into(),
            node_id: 1,
            directory_id: "d".into(),
        })
    }
}

fn partition_id() -> PartitionId {
    PartitionId {
        topic: TopicId(uuid::Uuid::from_u128(77)),
        index: PartitionIndex(0),
    }
}

fn opening() -> PartitionOpening {
    PartitionOpening {
        id: partition_id(),
        topic: "orders".into(),
        leader_epoch: LeaderEpoch(0),
        segments: SegmentConfig {
            roll: ottla_log::retention::RollRules {
                bytes_max: 900,
                time_max: Millis(i64::MAX),
                jitter: Millis(0),
            },
            index_interval_bytes: 200,
            ..SegmentConfig::default()
        },
        config: PartitionConfig::default(),
        now: NOW,
    }
}

/// Whether the store, undamaged, gives all that was written: or the targets would fuzz the refusal to open.
pub fn is_sound() -> bool {
    let vfs: Arc<dyn Vfs> = Arc::new(used());
    let Ok((store, report)) = LocalStore::open(vfs, Path::new(ROOT), options()) else {
        return false;
    };
    let Ok(partition) = store.open_partition(opening()) else {
        return false;
    };
    report.damages.is_empty() && partition.offsets().high_watermark == Offset(26)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_directory_is_sound_before_it_is_damaged() {
        assert!(super::is_sound());
    }
}
