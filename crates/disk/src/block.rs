//! A growing buffer whose bytes lie where direct reads and writes want them.

use std::io;

use memmap2::{Advice, MmapMut};

/// The unit of direct access. No group of frames shares a block with another, so that no durable block is written again.
pub const BLOCK: usize = 4096;

/// Bytes that an emptied buffer keeps.
const KEPT_MAX: usize = 8 << 20;
/// From this size on a buffer lies on pages of this size, which cost less to hand to the kernel than many small ones.
const HUGE: usize = 2 << 20;

/// A buffer that starts at an address divisible by [`BLOCK`].
#[derive(Debug, Default)]
pub struct BlockBuffer {
    space: Option<MmapMut>,
    length: usize,
}

impl BlockBuffer {
    /// Empties it and makes room for `capacity` bytes; fails for want of memory.
    pub fn reset(&mut self, capacity: usize) -> io::Result<()> {
        let wanted = room_for(capacity);
        // One huge entry must not keep its memory for ever.
        let wasteful = self.room() > KEPT_MAX && wanted <= KEPT_MAX;
        if self.room() < wanted || wasteful {
            let space = MmapMut::map_anon(wanted)?;
            if wanted >= HUGE {
                // Where the system has no such pages, small ones do.
                let _ = space.advise(Advice::HugePage);
            }
            self.space = Some(space);
        }
        self.length = 0;
        Ok(())
    }

    /// Appends bytes; there must be room.
    pub fn push(&mut self, bytes: &[u8]) {
        let at = self.length;
        self.length += bytes.len();
        self.tail_mut(at).copy_from_slice(bytes);
    }

    /// Fills up with zeros to a whole block.
    pub fn pad(&mut self) {
        let from = self.length;
        self.length = round_up(from);
        self.tail_mut(from).fill(0);
    }

    /// Makes it `length` bytes long, whatever they are, to be written into. There must be room.
    pub fn fill(&mut self, length: usize) -> &mut [u8] {
        self.length = length;
        self.tail_mut(0)
    }

    /// The bytes that fit in without new memory.
    pub fn room(&self) -> usize {
        self.space.as_ref().map_or(0, |space| space.len())
    }

    /// Bytes held.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.space.as_ref().map_or(&[], |space| &space[..self.length])
    }

    /// The bytes from `from` on, to be changed in place.
    pub fn tail_mut(&mut self, from: usize) -> &mut [u8] {
        let length = self.length;
        self.space.as_mut().map_or(&mut [], |space| &mut space[from..length])
    }
}

/// `length` made up to whole blocks.
pub fn round_up(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

fn room_for(capacity: usize) -> usize {
    let unit = if capacity > HUGE / 2 { HUGE } else { BLOCK };
    capacity.max(1).next_multiple_of(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned_and_padded_with_zeros() {
        let mut buffer = BlockBuffer::default();
        for size in [1, BLOCK, 3 * BLOCK + 5, HUGE + 1] {
            buffer.reset(size).unwrap();
            buffer.push(&vec![7; size]);
            buffer.pad();
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK), 0);
            assert_eq!(buffer.len() % BLOCK, 0);
            assert!(buffer.bytes()[size..].iter().all(|byte| *byte == 0));
        }
    }
}
