//! Where the replay of the journal begins.
//!
//! ```text
//! 0 magic "OTC" + version u8 │ 4 crc u32 │ 8 lsn u64 │ 16 first use u64 │ 24 next use u64
//! ```
//!
//! Big-endian; the CRC-32C covers everything from byte 8 on. Everything up to `lsn` is durable in the segments. Files of
//! uses below `first use` hold nothing that is needed; `next use` was never given to a file when this was written.

use std::path::Path;

use bytes::Bytes;
use ottla_log::{Lsn, StorageFault};

use crate::vfs::{Vfs, read_file, replace_file};

/// The file's name in the data directory.
pub const NAME: &str = "checkpoint";
const MAGIC: [u8; 4] = *b"OTC\x01";
const LENGTH: usize = 32;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last entry that need not be replayed.
    pub lsn: Lsn,
    /// The first file use to look at.
    pub first_use: u64,
    /// A file use not yet given.
    pub next_use: u64,
}

impl Checkpoint {
    /// Reads the checkpoint of a data directory. `None` if there is none.
    pub fn read(vfs: &dyn Vfs, dir: &Path) -> Result<Option<Checkpoint>, StorageFault> {
        let path = dir.join(NAME);
        let Some(bytes) = read_file(vfs, &path)? else {
            return Ok(None);
        };
        Checkpoint::decode(&bytes).map(Some).ok_or(StorageFault::Corrupt {
            path: path.display().to_string(),
            position: 0,
            what: "not a checkpoint of this version, or its CRC is wrong",
        })
    }

    /// Puts the checkpoint in place, durably.
    pub fn write(&self, vfs: &dyn Vfs, dir: &Path) -> Result<(), StorageFault> {
        replace_file(vfs, &dir.join(NAME), self.encode())?;
        vfs.sync_dir(dir)
            .map_err(|error| crate::vfs::fault("sync", dir, &error))
    }

    fn encode(&self) -> Bytes {
        let mut bytes = [0; LENGTH];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.lsn.0.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.first_use.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.next_use.to_be_bytes());
        let crc = crc(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_be_bytes());
        Bytes::copy_from_slice(&bytes)
    }

    fn decode(bytes: &[u8]) -> Option<Checkpoint> {
        let bytes = <&[u8; LENGTH]>::try_from(bytes).ok()?;
        let number = |at: usize| {
            let mut field = [0; 8];
            field.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(field)
        };
        let right = bytes[0..4] == MAGIC && bytes[4..8] == crc(&bytes[8..]).to_be_bytes();
        right.then(|| Checkpoint {
            lsn: Lsn(number(8)),
            first_use: number(16),
            next_use: number(24),
        })
    }
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKPOINT: Checkpoint = Checkpoint {
        lsn: Lsn(0x1122),
        first_use: 3,
        next_use: 5,
    };

    #[test]
    fn the_format_is_pinned() {
        let golden = include_str!("../golden/checkpoint.hex");
        let bytes = CHECKPOINT.encode();
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        let lines = hex.chunks(16).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n");
        assert_eq!(lines, golden.trim_end());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = CHECKPOINT.encode().to_vec();
        assert_eq!(Checkpoint::decode(&bytes), Some(CHECKPOINT));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Checkpoint::decode(&flipped), None, "bit {bit}");
        }
    }
}
