//! Walking over the batches of a `.log` file by their headers.

use std::io;

use bytes::Bytes;
use ottla_log::batch::{BatchHeader, HEADER_LENGTH, LENGTH_OVERHEAD, MAGIC, crc_of};

use crate::vfs::{VfsFile, read_bytes};

/// Bytes read at once.
const CHUNK: usize = 256 * 1024;

/// A batch's header, if one can stand at the start of `bytes` in a segment that continues at `at_least`.
pub fn sane(bytes: &[u8], at_least: i64) -> Option<(BatchHeader, usize)> {
    let header = BatchHeader::read(bytes)?;
    let size = header.size()?;
    let sane = header.magic == MAGIC
        && size >= HEADER_LENGTH
        && header.base_offset.0 >= at_least
        && header.last_offset_delta >= 0
        && header.length >= (HEADER_LENGTH - LENGTH_OVERHEAD) as i32;
    sane.then_some((header, size))
}

/// How far a walk got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walked {
    /// The end of the last good batch.
    pub position: u64,
    /// Whether the walk ended there because what follows is no batch, or not a whole one.
    pub broken: bool,
}

/// Calls `visit` with every batch's position, header and size from `from` to `to` until it says `false`. With `check`,
/// a batch whose CRC is wrong ends the walk too.
pub fn walk(
    file: &dyn VfsFile,
    range: std::ops::Range<u64>,
    check: bool,
    mut visit: impl FnMut(u64, &BatchHeader, usize) -> bool,
) -> io::Result<Walked> {
    let (mut position, mut at_least) = (range.start, 0);
    let mut chunk = Chunk::default();
    while position < range.end {
        let head = chunk.get(file, position, HEADER_LENGTH, range.end)?;
        let good = match sane(&head, at_least) {
            Some((header, size)) if position + size as u64 <= range.end => {
                let whole = !check || crc_of(&chunk.get(file, position, size, range.end)?) == header.crc;
                whole.then_some((header, size))
            }
            _ => None,
        };
        let Some((header, size)) = good else {
            return Ok(Walked { position, broken: true });
        };
        if !visit(position, &header, size) {
            break;
        }
        position += size as u64;
        at_least = header.next_offset().0;
    }
    Ok(Walked {
        position,
        broken: false,
    })
}

#[derive(Default)]
struct Chunk {
    at: u64,
    bytes: Bytes,
}

impl Chunk {
    fn get(&mut self, file: &dyn VfsFile, at: u64, length: usize, end: u64) -> io::Result<Bytes> {
        let covered = at >= self.at && at + length as u64 <= self.at + self.bytes.len() as u64;
        if !covered {
            let want = length.max(CHUNK).min((end - at) as usize);
            self.bytes = read_bytes(file, at, want)?;
            self.at = at;
        }
        let from = (at - self.at) as usize;
        Ok(self.bytes.slice(from..(from + length).min(self.bytes.len())))
    }
}
