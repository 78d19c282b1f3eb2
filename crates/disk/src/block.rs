//! A growing buffer whose bytes lie where direct writes want them.

/// The unit of direct writes. No group of frames shares a block with another, so that no durable block is written again.
pub const BLOCK: usize = 4096;

/// Bytes that an emptied buffer keeps.
const KEPT_MAX: usize = 8 << 20;

/// A buffer that starts at an address divisible by [`BLOCK`].
#[derive(Debug, Default)]
pub struct BlockBuffer {
    space: Vec<u8>,
    start: usize,
    length: usize,
}

impl BlockBuffer {
    /// Empties it and makes room for `capacity` bytes.
    pub fn reset(&mut self, capacity: usize) {
        let wanted = round_up(capacity) + BLOCK;
        // One huge entry must not keep its memory for ever.
        let wasteful = self.space.len() > KEPT_MAX && wanted <= KEPT_MAX;
        if self.space.len() < wanted || wasteful {
            self.space = vec![0; wanted];
            self.start = self.space.as_ptr().align_offset(BLOCK);
        }
        self.length = 0;
    }

    /// Appends bytes; there must be room.
    pub fn push(&mut self, bytes: &[u8]) {
        let at = self.start + self.length;
        self.space[at..at + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Fills up with zeros to a whole block.
    pub fn pad(&mut self) {
        let (from, to) = (self.start + self.length, self.start + round_up(self.length));
        self.space[from..to].fill(0);
        self.length = to - self.start;
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
        &self.space[self.start..self.start + self.length]
    }

    /// The bytes from `from` on, to be changed in place.
    pub fn tail_mut(&mut self, from: usize) -> &mut [u8] {
        &mut self.space[self.start + from..self.start + self.length]
    }
}

/// `length` made up to whole blocks.
pub fn round_up(length: usize) -> usize {
    length.next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_aligned_and_padded_with_zeros() {
        let mut buffer = BlockBuffer::default();
        for size in [1, BLOCK, 3 * BLOCK + 5] {
            buffer.reset(size);
            buffer.push(&vec![7; size]);
            buffer.pad();
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK), 0);
            assert_eq!(buffer.len() % BLOCK, 0);
            assert!(buffer.bytes()[size..].iter().all(|byte| *byte == 0));
        }
    }
}
