//! The records of one batch: walked in place when uncompressed, decompressed first when asked to.

use bytes::Bytes;

use crate::StoredBatch;
use crate::batch::{BatchHeader, HEADER_LENGTH};
use crate::codec::{self, Codec, CodecFault};
use crate::record::{RecordFault, RecordView};

/// Walks exactly `count` records; yields a fault and ends if the bytes hold anything else.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    left: i32,
    ended: bool,
}

impl<'a> Records<'a> {
    /// The records in `body`, the uncompressed bytes behind a batch's header.
    pub fn new(body: &'a [u8], count: i32) -> Records<'a> {
        Records {
            rest: body,
            left: count.max(0),
            ended: false,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordView<'a>, RecordFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.left == 0 {
            self.ended = true;
            return (!self.rest.is_empty()).then_some(Err(RecordFault::Count));
        }
        if self.rest.is_empty() {
            self.ended = true;
            return Some(Err(RecordFault::Count));
        }
        self.left -= 1;
        let record = RecordView::read(&mut self.rest);
        self.ended = record.is_err();
        Some(record)
    }
}

/// Why the records of a batch cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackFault {
    /// The header is cut, or its length is not that of the bytes.
    #[error("the batch is shorter than its header says")]
    Cut,
    /// The attributes name no codec.
    #[error("the batch's attributes name no known codec")]
    UnknownCodec,
    /// The compressed bytes cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecFault),
}

/// The most bytes the records of one batch may have when decompressed. A batch is at most `max.message.bytes` on the
/// wire; what claims to be far larger inside is a bomb.
pub const UNPACKED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A batch whose records can be walked, decompressed if need be.
#[derive(Clone, Debug)]
pub struct Unpacked<'a> {
    /// The batch's header as stored.
    pub header: BatchHeader,
    /// The codec that its records were compressed with.
    pub codec: Codec,
    body: Body<'a>,
}

#[derive(Clone, Debug)]
enum Body<'a> {
    InPlace(&'a [u8]),
    Decompressed(Vec<u8>),
}

impl<'a> Unpacked<'a> {
    /// Opens one whole batch, as it is stored. Never on the produce path: it may decompress.
    pub fn open(batch: &'a [u8]) -> Result<Unpacked<'a>, UnpackFault> {
        let header = BatchHeader::read(batch).ok_or(UnpackFault::Cut)?;
        if header.size() != Some(batch.len()) {
            return Err(UnpackFault::Cut);
        }
        Unpacked::parts(header, &batch[HEADER_LENGTH..])
    }

    /// Opens a batch that has its place in a log.
    pub fn of(batch: &'a StoredBatch) -> Result<Unpacked<'a>, UnpackFault> {
        Unpacked::parts(*batch.header(), batch.records())
    }

    fn parts(header: BatchHeader, records: &'a [u8]) -> Result<Unpacked<'a>, UnpackFault> {
        let codec = Codec::of(header.attributes).ok_or(UnpackFault::UnknownCodec)?;
        let body = match codec {
            Codec::None => Body::InPlace(records),
            // A batch that compaction emptied keeps its codec and has no compressed block.
            _ if records.is_empty() => Body::InPlace(records),
            _ => Body::Decompressed(codec::decompress(codec, records, UNPACKED_BYTES_MAX)?),
        };
        Ok(Unpacked { header, codec, body })
    }

    /// The records, in order.
    pub fn records(&self) -> Records<'_> {
        let body = match &self.body {
            Body::InPlace(body) => body,
            Body::Decompressed(body) => body.as_slice(),
        };
        Records::new(body, self.header.record_count)
    }
}

/// Walks the whole batches in stored bytes; stops at the first that is cut or has an impossible length.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// The batches in `bytes`, which begins with one.
    pub fn new(bytes: Bytes) -> Batches {
        Batches { rest: bytes }
    }

    /// What was not walked yet: empty after the last whole batch, unless something behind it is cut or damaged.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }
}

impl Iterator for Batches {
    type Item = (BatchHeader, Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        let header = BatchHeader::read(&self.rest)?;
        let size = header.size()?;
        if size < HEADER_LENGTH || size > self.rest.len() {
            return None;
        }
        Some((header, self.rest.split_to(size)))
    }
}

#[cfg(test)]
mod tests;
