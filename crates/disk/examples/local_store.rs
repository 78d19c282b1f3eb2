//! What opening, acknowledging and replaying cost on this machine: `local_store <empty directory> [MiB to replay]`.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use ottla_disk::{Identity, LocalStore, PartitionOpening, RealVfs, SegmentConfig, StoreOptions};
use ottla_log::{BatchBuilder, Lsn, Origin, Partition, PartitionConfig};
use ottla_model::{LeaderEpoch, Millis, PartitionId, PartitionIndex, TopicId, TopicName};

const PARTITIONS: i32 = 16;

fn main() {
    let root = std::env::args().nth(1).expect("usage: local_store <directory> [MiB]");
    let megabytes = std::env::args()
        .nth(2)
        .map_or(900, |text| text.parse::<usize>().expect("MiB is a number"));
    let root = Path::new(&root);
    let (store, partitions) = timed("open an empty directory", || open(root));
    single(&store, &partitions[0]);
    timed("stop cleanly with little data", || store.stop().expect("stops"));
    drop((store, partitions));
    let (store, partitions) = timed("open after a clean stop", || open(root));
    bulk(&store, &partitions, megabytes);
    drop((store, partitions));
    let (store, partitions) = timed("open after a kill, with all of that unsettled", || open(root));
    timed("stop cleanly (settled data is flushed)", || {
        store.stop().expect("stops")
    });
    drop((store, partitions));
    let (_store, _partitions) = timed("open after that", || open(root));
}

fn open(root: &Path) -> (LocalStore, Vec<Arc<Partition>>) {
    let mut options = StoreOptions::new(Identity {
        cluster_id: "measure".into(),
        node_id: 1,
        directory_id: "measure".into(),
    });
    options.journal.bytes_max = 4 << 30;
    options.settle_bytes = u64::MAX;
    options.settle_age = Duration::from_secs(3600);
    let (store, report) = timed("  look through the journal", || {
        LocalStore::open(Arc::new(RealVfs), root, options).expect("opens")
    });
    println!("  {} entries to replay", report.entries);
    let partition = |index| {
        let opening = PartitionOpening {
            id: PartitionId {
                topic: TopicId::METADATA,
                index: PartitionIndex(index),
            },
            topic: TopicName::from("measure"),
            leader_epoch: LeaderEpoch(0),
            segments: SegmentConfig::default(),
            config: PartitionConfig::default(),
            now: Millis(0),
        };
        store.open_partition(opening).expect("opens")
    };
    let partitions = timed("  open the partitions", || (0..PARTITIONS).map(partition).collect());
    (store, partitions)
}

fn single(store: &LocalStore, partition: &Partition) {
    let mut times = (0..2000).map(|_| {
        let begin = Instant::now();
        wait(store, append(partition, 1024));
        begin.elapsed()
    });
    let mut times = times.by_ref().collect::<Vec<_>>();
    times.sort_unstable();
    let at = |q: f64| times[(times.len() as f64 * q) as usize];
    println!("append 1 KiB and wait: p50 {:?} p99 {:?}", at(0.5), at(0.99));
}

fn bulk(store: &LocalStore, partitions: &[Arc<Partition>], megabytes: usize) {
    let (begin, cpu) = (Instant::now(), cpu());
    let mut last = Lsn(0);
    for turn in 0..megabytes * 16 {
        last = append(&partitions[turn % partitions.len()], 64 << 10);
        if turn % 256 == 255 {
            wait(store, last);
        }
    }
    wait(store, last);
    let (time, cpu) = (begin.elapsed().as_secs_f64(), self::cpu() - cpu);
    let gigabytes = megabytes as f64 / 1e3;
    println!(
        "{megabytes} MiB in 64 KiB batches: {:.0} MB/s, {:.2} CPU-s/GB",
        gigabytes * 1e3 / time,
        cpu / gigabytes
    );
}

fn append(partition: &Partition, size: usize) -> Lsn {
    let mut batch = BatchBuilder::new();
    batch.push(Millis(1), None, Some(&vec![7; size]));
    let appended = partition.append(batch.build(), Origin::Coordinator, Millis(1));
    appended.expect("the journal takes it").lsn
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait(store: &LocalStore, lsn: Lsn) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut waiting = std::pin::pin!(store.durability().wait(lsn));
    loop {
        match waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result.expect("the flush works"),
            Poll::Pending => std::thread::park(),
        }
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let (begin, before) = (Instant::now(), cpu());
    let result = work();
    println!("{what}: {:?}, {:.2} CPU-s", begin.elapsed(), cpu() - before);
    result
}

/// User and system time of the process, in seconds.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields
        .skip(11)
        .take(2)
        .filter_map(|text| text.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
