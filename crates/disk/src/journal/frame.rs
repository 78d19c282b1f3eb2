//! How one entry lies in a journal file.
//!
//! ```text
//!  0 magic "OTJ" + version u8 │ 4 crc u32 │ 8 length u32 │ 12 kind u8, 3 zero bytes
//! 16 use u64                  │ 24 lsn u64
//! 32 durable u64              │ 40 topic id, 16 bytes
//! 56 partition i32            │ 60 zero u32             │ 64 body ...
//! ```
//!
//! All numbers are big-endian. `length` counts the whole frame; the CRC-32C covers everything from byte 8 on. Files are
//! used again without being wiped, so each *use* of a file has a number that is never given twice, and every frame carries
//! it: a frame left over from an earlier use is never mistaken for a live one. `durable` is the last entry that was known
//! to be on stable storage when the frame was written: damage at or before any surviving frame's mark is corruption,
//! damage after the last mark is the torn end of an unfinished flush.
//!
//! A file's first frame is of kind *start* and carries the number of the first entry in the file. Groups of frames begin
//! at multiples of [`BLOCK`](crate::block::BLOCK); the rest of a group's last block is zero.

use ottla_log::Lsn;
use ottla_model::{Offset, PartitionId, PartitionIndex, TopicId};

use crate::block::BlockBuffer;

/// Bytes of a frame before its body.
pub const FRAME_HEADER: usize = 64;
/// The first bytes of every frame; the last of them is the version.
pub const MAGIC: [u8; 4] = *b"OTJ\x01";
/// Where the bytes covered by the CRC begin.
const CRC_START: usize = 8;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The body is a numbered batch.
    Batch = 1,
    /// The body is the new log start offset, 8 bytes.
    LogStart = 2,
    /// No body: a file begins here.
    Start = 3,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the body is.
    pub kind: Kind,
    /// Which use of the file the frame belongs to.
    pub use_number: u64,
    /// The entry's number; for a start frame that of the next entry.
    pub lsn: Lsn,
    /// The last entry known to be durable when the frame was written.
    pub durable: Lsn,
    /// Whose entry it is; of no meaning in a start frame.
    pub partition: PartitionId,
    /// Bytes of the whole frame.
    pub length: usize,
}

impl Frame {
    /// Appends the frame with the given body to a buffer.
    pub fn write(&self, body: &[&[u8]], into: &mut BlockBuffer) {
        let from = into.len();
        let mut header = [0; FRAME_HEADER];
        header[0..4].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&(self.length as u32).to_be_bytes());
        header[12] = self.kind as u8;
        header[16..24].copy_from_slice(&self.use_number.to_be_bytes());
        header[24..32].copy_from_slice(&self.lsn.0.to_be_bytes());
        header[32..40].copy_from_slice(&self.durable.0.to_be_bytes());
        header[40..56].copy_from_slice(self.partition.topic.0.as_bytes());
        header[56..60].copy_from_slice(&self.partition.index.0.to_be_bytes());
        into.push(&header);
        for part in body {
            into.push(part);
        }
        assert_eq!(into.len() - from, self.length, "a frame is as long as its header says");
        let frame = into.tail_mut(from);
        let crc = crc(&frame[CRC_START..]);
        frame[4..8].copy_from_slice(&crc.to_be_bytes());
    }

    /// Reads a header without judging it beyond magic, kind and a length that is possible; `None` if these are wrong.
    pub fn peek(bytes: &[u8]) -> Option<Frame> {
        let header = bytes.first_chunk::<FRAME_HEADER>()?;
        if header[0..4] != MAGIC {
            return None;
        }
        let kind = match header[12] {
            1 => Kind::Batch,
            2 => Kind::LogStart,
            3 => Kind::Start,
            _ => return None,
        };
        let length = u32::from_be_bytes(field(header, 8)) as usize;
        (length >= FRAME_HEADER).then_some(Frame {
            kind,
            use_number: u64::from_be_bytes(field(header, 16)),
            lsn: Lsn(u64::from_be_bytes(field(header, 24))),
            durable: Lsn(u64::from_be_bytes(field(header, 32))),
            partition: PartitionId {
                topic: TopicId(uuid::Uuid::from_bytes(field(header, 40))),
                index: PartitionIndex(i32::from_be_bytes(field(header, 56))),
            },
            length,
        })
    }

    /// Whether the whole frame is in `bytes` and its CRC is right.
    pub fn is_whole(&self, bytes: &[u8]) -> bool {
        let Some(frame) = bytes.get(..self.length) else {
            return false;
        };
        let stored = u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
        stored == crc(&frame[CRC_START..])
    }

    /// The frame's body.
    pub fn body<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(FRAME_HEADER..self.length).unwrap_or_default()
    }
}

/// The body of a [`Kind::LogStart`] frame.
pub fn log_start(body: &[u8]) -> Option<Offset> {
    Some(Offset(i64::from_be_bytes(*body.first_chunk()?)))
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

fn field<const N: usize>(bytes: &[u8; FRAME_HEADER], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            kind: Kind::LogStart,
            use_number: 3,
            lsn: Lsn(9),
            durable: Lsn(7),
            partition: PartitionId {
                topic: TopicId(uuid::Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10)),
                index: PartitionIndex(5),
            },
            length: FRAME_HEADER + 8,
        }
    }

    fn written() -> Vec<u8> {
        let mut buffer = BlockBuffer::default();
        buffer.reset(200).unwrap();
        frame().write(&[&1000i64.to_be_bytes()], &mut buffer);
        buffer.bytes().to_vec()
    }

    #[test]
    fn the_format_is_pinned() {
        let golden = include_str!("../../golden/journal-frame.hex");
        let hex = written().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>();
        let lines = hex.chunks(16).map(|line| line.join(" ")).collect::<Vec<_>>().join("\n");
        assert_eq!(lines, golden.trim_end());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let bytes = written();
        let read = Frame::peek(&bytes).unwrap();
        assert_eq!(read, frame());
        assert!(read.is_whole(&bytes));
        assert_eq!(log_start(read.body(&bytes)), Some(Offset(1000)));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !Frame::peek(&flipped).is_some_and(|frame| frame.is_whole(&flipped)),
                "bit {bit}"
            );
        }
    }
}
