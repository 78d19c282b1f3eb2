//! The disk's read-ahead, as Linux has it unless told otherwise.
//!
//! Some machines set it to megabytes, for one reader of large files. Kafka writes its indexes through memory maps of files
//! that are mostly holes: the first write to each then has the kernel fill that many bytes with zeroes. With 8 MiB Kafka was
//! seen to append 340 small batches a second to 1,000 partitions, with 128 KiB 26,000.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::broker::left_behind;

/// What Linux sets for a disk (`VM_READAHEAD_PAGES`).
const DEFAULT_KIB: u32 = 128;

/// Lowers the read-ahead of the disk that brokers put their data on, if it is more than usual and may be changed, until
/// [`left_behind::put_back`]. Says what it is, for the table.
pub fn lower() -> String {
    let Some((setting, kib)) = current() else {
        return "read-ahead unknown".to_owned();
    };
    if kib <= DEFAULT_KIB {
        return format!("read-ahead {kib} KiB");
    }
    match fs::write(&setting, DEFAULT_KIB.to_string()) {
        Ok(()) => {
            left_behind::setting(&setting, &kib.to_string());
            format!("read-ahead {DEFAULT_KIB} KiB (this machine's {kib} KiB until the end of the run)")
        }
        Err(error) => {
            eprintln!("ottla-bench: Kafka suffers from {kib} KiB of read-ahead, which only root may change: {error}");
            format!("read-ahead {kib} KiB, from which Kafka suffers")
        }
    }
}

fn current() -> Option<(PathBuf, u32)> {
    let device = fs::metadata(std::env::temp_dir()).ok()?.dev();
    let disk = format!(
        "/sys/dev/block/{}:{}",
        rustix::fs::major(device),
        rustix::fs::minor(device)
    );
    // A partition has no queue of its own, its disk's is one level up.
    let settings = ["queue/read_ahead_kb", "../queue/read_ahead_kb"];
    settings.iter().find_map(|name| {
        let setting = Path::new(&disk).join(name);
        let kib = fs::read_to_string(&setting).ok()?.trim().parse().ok()?;
        Some((setting, kib))
    })
}
