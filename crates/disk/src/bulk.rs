//! Large pieces of segments, written and read past the page cache.
//!
//! A copy into fresh pages of the cache costs more CPU than all else that happens to a produced batch, and pages written
//! by the settler are rarely read again soon: whoever is near the end of the log reads from memory. See
//! `docs/rfcs/0002-segments-past-the-page-cache.md`.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::block::{BLOCK, BlockBuffer, round_up};
use crate::vfs::VfsFile;

/// Bytes given to one direct write.
const WRITE_MAX: usize = 1 << 20;
/// Read buffers are of sizes divisible by this, so that one fits the next read too.
const BUFFER_STEP: usize = 64 << 10;
/// Bytes of read buffers that are kept for the next read.
const KEPT_MAX: usize = 32 << 20;

/// The buffers for direct writes and for reads, shared by all segments of a store.
#[derive(Debug)]
pub struct Bulk {
    bytes_min: usize,
    staging: Mutex<BlockBuffer>,
    spare: Arc<Mutex<Spare>>,
}

#[derive(Debug, Default)]
struct Spare {
    buffers: Vec<BlockBuffer>,
    bytes: usize,
    /// How many of them no reader has needed since they were last thinned out.
    unneeded: usize,
}

/// A buffer that goes back to the spare ones when its last reader is done.
struct Lent {
    buffer: BlockBuffer,
    home: Arc<Mutex<Spare>>,
}

impl Bulk {
    /// Pieces of at least `bytes_min` bytes go past the page cache.
    pub fn new(bytes_min: usize) -> Bulk {
        Bulk {
            bytes_min: bytes_min.max(BLOCK),
            staging: Mutex::default(),
            spare: Arc::default(),
        }
    }

    /// Whether a piece of this size goes past the page cache.
    pub fn is_for(&self, size: usize) -> bool {
        size >= self.bytes_min
    }

    /// Writes `parts` at `at`: whole blocks directly, what shares its block with bytes before or after through the page
    /// cache. So, with pages of one block, no page of the cache is ever written past, and none must be thrown away.
    pub fn write(&self, file: &dyn VfsFile, parts: &[Bytes], at: u64) -> io::Result<()> {
        let size = parts.iter().map(Bytes::len).sum::<usize>();
        let head = round_up(at as usize) - at as usize;
        let whole = size.saturating_sub(head) / BLOCK * BLOCK;
        let mut rest = Parts::new(parts);
        let first = rest.take(head.min(size));
        if !first.is_empty() {
            file.write_at(&first, at)?;
        }
        self.write_blocks(file, &mut rest, whole, at + head as u64)?;
        let last = rest.take(usize::MAX);
        if !last.is_empty() {
            file.write_at(&last, at + (head + whole) as u64)?;
        }
        Ok(())
    }

    fn write_blocks(&self, file: &dyn VfsFile, rest: &mut Parts<'_>, whole: usize, at: u64) -> io::Result<()> {
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < whole {
            let now = WRITE_MAX.min(whole - done);
            staging.reset(now)?;
            for part in rest.take(now) {
                staging.push(&part);
            }
            file.write_block(staging.bytes(), at + done as u64)?;
            done += now;
        }
        Ok(())
    }

    /// Reads `length` bytes at `at` past the page cache; fewer at the end of the file.
    pub fn read(&self, file: &dyn VfsFile, at: u64, length: usize) -> io::Result<Bytes> {
        let skipped = at as usize % BLOCK;
        self.read_into(skipped + length, |buffer| {
            let got = file.read_block(buffer.fill(round_up(skipped + length)), at - skipped as u64)?;
            Ok(Some(got))
        })
        .map(|bytes| {
            let bytes = bytes.unwrap_or_default();
            bytes.slice(skipped.min(bytes.len())..(skipped + length).min(bytes.len()))
        })
    }

    /// Reads `length` bytes at `at` from the page cache; fewer at the end of the file, `None` if not all of it is there.
    pub fn read_now(&self, file: &dyn VfsFile, at: u64, length: usize) -> io::Result<Option<Bytes>> {
        self.read_into(length, |buffer| file.read_now(buffer.fill(length), at))
    }

    /// Gives back the memory of read buffers that were not needed since the last call.
    pub fn release_unneeded(&self) {
        self.lock_spare().release_unneeded();
    }

    fn read_into(
        &self,
        length: usize,
        read: impl FnOnce(&mut BlockBuffer) -> io::Result<Option<usize>>,
    ) -> io::Result<Option<Bytes>> {
        let mut lent = Lent {
            buffer: self.lock_spare().take(length),
            home: Arc::clone(&self.spare),
        };
        lent.buffer.reset(length.next_multiple_of(BUFFER_STEP))?;
        let got = read(&mut lent.buffer)?;
        Ok(got.map(|got| Bytes::from_owner(lent).slice(..got)))
    }

    fn lock_spare(&self) -> MutexGuard<'_, Spare> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spare {
    /// A buffer that has room for `length` bytes, or an empty one.
    fn take(&mut self, length: usize) -> BlockBuffer {
        let fits = |buffer: &BlockBuffer| buffer.room() >= length && buffer.room() / 4 <= length.max(BUFFER_STEP);
        // The one that was given back last is warm.
        let Some(place) = self.buffers.iter().rposition(fits) else {
            return BlockBuffer::default();
        };
        let buffer = self.buffers.remove(place);
        self.bytes -= buffer.room();
        self.unneeded = self.unneeded.min(place);
        buffer
    }

    fn put(&mut self, buffer: BlockBuffer) {
        if self.bytes + buffer.room() <= KEPT_MAX {
            self.bytes += buffer.room();
            self.buffers.push(buffer);
        }
    }

    fn release_unneeded(&mut self) {
        self.buffers.drain(..self.unneeded);
        self.bytes = self.buffers.iter().map(BlockBuffer::room).sum();
        self.unneeded = self.buffers.len();
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.buffer.bytes()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.home.lock().unwrap_or_else(PoisonError::into_inner).put(buffer);
    }
}

/// Parts, taken from the front byte by byte without copying.
struct Parts<'a> {
    left: &'a [Bytes],
    /// How much of the first is taken.
    taken: usize,
}

impl<'a> Parts<'a> {
    fn new(parts: &'a [Bytes]) -> Parts<'a> {
        Parts { left: parts, taken: 0 }
    }

    /// The next `size` bytes, or all that are left.
    fn take(&mut self, size: usize) -> Vec<Bytes> {
        let (mut wanted, mut parts) = (size, Vec::new());
        while let Some((first, others)) = self.left.split_first()
            && wanted > 0
        {
            let now = wanted.min(first.len() - self.taken);
            if now > 0 {
                parts.push(first.slice(self.taken..self.taken + now));
            }
            wanted -= now;
            self.taken += now;
            if self.taken == first.len() {
                self.left = others;
                self.taken = 0;
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::vfs::{Open, SimVfs, Vfs};

    fn parts(sizes: &[usize]) -> Vec<Bytes> {
        let mut next = 0u8;
        let mut part = |size: &usize| {
            let bytes = (0..*size).map(|_| {
                next = next.wrapping_add(1);
                next
            });
            bytes.collect::<Vec<_>>().into()
        };
        sizes.iter().map(&mut part).collect()
    }

    #[test]
    fn what_is_written_in_pieces_is_read_as_one() {
        let vfs = SimVfs::new(Path::new("/"));
        let file = vfs.open(Path::new("/log"), Open::Create).unwrap();
        let bulk = Bulk::new(2 * BLOCK);
        let mut expected = Vec::new();
        for sizes in [
            &[10, 5 * BLOCK, 7][..],
            &[BLOCK - 17],
            &[3 * BLOCK],
            &[1],
            &[2, 2 * BLOCK, 9 * BLOCK],
        ] {
            let parts = parts(sizes);
            bulk.write(&*file, &parts, expected.len() as u64).unwrap();
            parts.iter().for_each(|part| expected.extend_from_slice(part));
        }
        for (at, length) in [
            (0, expected.len()),
            (1, 5),
            (BLOCK, BLOCK),
            (4_000, 20_000),
            (expected.len() - 3, 50),
        ] {
            let wanted = &expected[at..(at + length).min(expected.len())];
            assert_eq!(bulk.read(&*file, at as u64, length).unwrap(), wanted);
            assert_eq!(bulk.read_now(&*file, at as u64, length).unwrap().unwrap(), wanted);
        }
    }

    #[test]
    fn a_buffer_comes_back_when_its_reader_is_done() {
        let vfs = SimVfs::new(Path::new("/"));
        let file = vfs.open(Path::new("/log"), Open::Create).unwrap();
        file.write_at(&parts(&[3 * BLOCK]), 0).unwrap();
        let bulk = Bulk::new(BLOCK);
        let first = bulk.read(&*file, 0, 2 * BLOCK).unwrap();
        let slice = first.slice(5..10);
        drop(first);
        assert_eq!(bulk.lock_spare().buffers.len(), 0);
        drop(slice);
        assert_eq!(bulk.lock_spare().buffers.len(), 1);
        let again = bulk.read(&*file, 100, 2 * BLOCK).unwrap();
        assert_eq!(bulk.lock_spare().buffers.len(), 0, "it is used again");
        drop(again);
        bulk.release_unneeded();
        assert_eq!(bulk.lock_spare().buffers.len(), 1, "it was needed");
        bulk.release_unneeded();
        assert_eq!(bulk.lock_spare().buffers.len(), 0, "it was not");
    }
}
