//! The `.txnindex` files of one partition: which there are, and what they hold.

use std::collections::BTreeMap;

use bytes::Bytes;
use ottla_log::{EndedTransaction, SegmentInfo, StorageFault};
use ottla_model::Offset;

use crate::partition_dir::{PartitionDir, aborted_bytes, aborted_of};
use crate::vfs::Replacements;

/// What the files hold, by the base offset of their segment.
#[derive(Debug, Default)]
pub(super) struct AbortedFiles {
    files: BTreeMap<Offset, Held>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    /// Bytes of this length and CRC-32C.
    Bytes(usize, u32),
    /// The old or the new.
    Unknown,
}

impl AbortedFiles {
    /// Of the files in a directory, and the transactions in them by the offset of their marker.
    pub(super) fn read(
        dir: &PartitionDir,
        names: &[String],
    ) -> Result<(AbortedFiles, Vec<EndedTransaction>), StorageFault> {
        let (mut files, mut aborted) = (BTreeMap::new(), Vec::new());
        for base in PartitionDir::offsets_of(names, "txnindex") {
            let bytes = dir.aborted(base)?;
            files.insert(base, Held::of(&bytes));
            aborted.extend(aborted_of(&bytes));
        }
        // A crash while segments were put together leaves some of them in two files.
        aborted.sort_by_key(|ended| ended.last);
        aborted.dedup_by_key(|ended| ended.last);
        Ok((AbortedFiles { files }, aborted))
    }

    /// Writes the files of the segments as far as they do not hold the transactions whose markers lie in them, and removes
    /// those of segments that are gone; whether there were any. Durable once the directory is synced, the removals too.
    pub(super) fn write(
        &mut self,
        dir: &PartitionDir,
        segments: &[SegmentInfo],
        aborted: &[EndedTransaction],
        replacements: &mut Replacements<'_>,
    ) -> Result<bool, StorageFault> {
        let mut changed = false;
        for segment in segments {
            let from = aborted.partition_point(|ended| ended.last < segment.base_offset);
            let to = aborted.partition_point(|ended| ended.last < segment.next_offset);
            let bytes = aborted_bytes(&aborted[from..to]);
            let held = self.files.get(&segment.base_offset).copied();
            if held.unwrap_or(Held::Nothing) != Held::of(&bytes) {
                let new = Held::of(&bytes);
                dir.write_aborted(segment.base_offset, bytes, replacements)?;
                self.files.insert(segment.base_offset, new);
                changed = true;
            }
        }
        let is_gone = |base: &Offset| segments.binary_search_by_key(base, |info| info.base_offset).is_err();
        let gone = self.files.keys().copied().filter(is_gone).collect::<Vec<_>>();
        for base in gone {
            dir.remove(base, "txnindex")?;
            self.files.remove(&base);
            changed = true;
        }
        Ok(changed)
    }

    /// What was written may not be there.
    pub(super) fn not_placed(&mut self) {
        self.files.values_mut().for_each(|held| *held = Held::Unknown);
    }
}

impl Held {
    fn of(bytes: &Bytes) -> Held {
        match bytes.len() {
            0 => Held::Nothing,
            length => Held::Bytes(
                length,
                crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32,
            ),
        }
    }
}
