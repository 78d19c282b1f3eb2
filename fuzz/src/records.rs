//! The records of whole batches, however they are compressed.

use bytes::Bytes;
use ottla_log::{Batches, Unpacked};

/// Records looked at in one batch: a bomb may hold many, and each is as good as the next.
const RECORDS_MAX: usize = 100_000;

/// Walks over all batches in the bytes and over all of their records.
pub fn run(data: &[u8]) {
    for (header, bytes) in Batches::new(Bytes::copy_from_slice(data)) {
        // Whoever adds to an offset has looked at it before: a log has none near the ends of the range.
        if !(0..1 << 62).contains(&header.base_offset.0) {
            continue;
        }
        let _ = header.last_offset();
        if let Ok(unpacked) = Unpacked::open(&bytes) {
            for record in unpacked.records().take(RECORDS_MAX).flatten() {
                let _ = record.offset(header.base_offset);
                let _ = record.timestamp(header.base_timestamp);
                let _ = record.headers.iter().count();
            }
        }
    }
    let _ = Unpacked::open(data).map(|unpacked| unpacked.records().take(RECORDS_MAX).count());
}

/// One batch of each kind, and all of them in a row.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = crate::batch::batches()
        .iter()
        .map(|batch| batch.to_vec())
        .collect::<Vec<_>>();
    seeds.push(seeds.concat());
    seeds
}
