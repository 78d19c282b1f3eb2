//! What one durable write costs, by way of making it durable: the spike behind `docs/rfcs/0001-journal-flush.md`.
//!
//! `flush_variants <directory> [seconds per row]`; run it once alone and once beside a CPU-bound job.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

const FILE_BYTES: usize = 64 << 20;
const ALIGN: usize = 4096;

#[derive(Clone, Copy)]
struct Variant {
    name: &'static str,
    flags: i32,
    explicit: bool,
}

fn main() -> std::io::Result<()> {
    let directory = std::env::args()
        .nth(1)
        .expect("usage: flush_variants <directory> [seconds]");
    let seconds = std::env::args()
        .nth(2)
        .map_or(2.0, |text| text.parse::<f64>().expect("seconds is a number"));
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let dsync = rustix::fs::OFlags::DSYNC.bits() as i32;
    let variants = [
        Variant {
            name: "buffered + fdatasync",
            flags: 0,
            explicit: true,
        },
        Variant {
            name: "O_DIRECT + fdatasync",
            flags: direct,
            explicit: true,
        },
        Variant {
            name: "O_DIRECT + O_DSYNC",
            flags: direct | dsync,
            explicit: false,
        },
        Variant {
            name: "buffered + O_DSYNC",
            flags: dsync,
            explicit: false,
        },
    ];
    println!("| variant | bytes | flushes | p50 ms | p99 ms | CPU-s/GB |\n|---|---|---|---|---|---|");
    for size in [4 << 10, 64 << 10, 1 << 20] {
        for variant in variants {
            row(Path::new(&directory), variant, size, Duration::from_secs_f64(seconds))?;
        }
    }
    Ok(())
}

fn row(directory: &Path, variant: Variant, size: usize, time: Duration) -> std::io::Result<()> {
    let path = directory.join("flush_variants.tmp");
    fs::write(&path, vec![0; FILE_BYTES])?;
    File::open(&path)?.sync_all()?;
    let file = OpenOptions::new().write(true).custom_flags(variant.flags).open(&path)?;
    let space = vec![7u8; size + ALIGN];
    let skip = space.as_ptr().align_offset(ALIGN);
    let (mut times, mut at, start, cpu) = (Vec::new(), 0, Instant::now(), cpu_seconds());
    while start.elapsed() < time {
        let begin = Instant::now();
        file.write_all_at(&space[skip..skip + size], at as u64)?;
        if variant.explicit {
            rustix::fs::fdatasync(&file)?;
        }
        times.push(begin.elapsed());
        at = (at + size) % FILE_BYTES;
    }
    let cpu = cpu_seconds() - cpu;
    times.sort_unstable();
    let quantile = |q: f64| times[((times.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    let gigabytes = (times.len() * size) as f64 / 1e9;
    println!(
        "| {} | {size} | {} | {:.3} | {:.3} | {:.2} |",
        variant.name,
        times.len(),
        quantile(0.5),
        quantile(0.99),
        cpu / gigabytes
    );
    fs::remove_file(&path)
}

/// User and system time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(0.0)
        / 1e9
}
