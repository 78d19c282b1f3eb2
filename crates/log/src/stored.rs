//! A batch that has its place in a log.

use bytes::{Bytes, BytesMut};
use ottla_model::{LeaderEpoch, Offset};

use crate::batch::{BatchHeader, HEADER_LENGTH};

/// Batches up to this many bytes are copied whole, so that a small batch does not keep its connection's read buffer alive.
const COPY_WHOLE_MAX: usize = 16 * 1024;

/// A numbered batch, shared without copying by the journal, the settler and every fetch.
///
/// The bytes are `head` followed by `body`: a large batch's 61-byte header is rewritten into `head`, its records stay
/// where the socket read put them; a small one is whole in `head`.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    header: BatchHeader,
    head: Bytes,
    body: Bytes,
}

impl StoredBatch {
    /// Numbers a batch: writes base offset and leader epoch, both outside the CRC. `batch` is one whole, checked batch.
    pub fn number(batch: &Bytes, base_offset: Offset, leader_epoch: LeaderEpoch) -> StoredBatch {
        let copied = if batch.len() <= COPY_WHOLE_MAX {
            batch.len()
        } else {
            HEADER_LENGTH
        };
        let mut head = BytesMut::from(&batch[..copied]);
        head[0..8].copy_from_slice(&base_offset.0.to_be_bytes());
        head[12..16].copy_from_slice(&leader_epoch.0.to_be_bytes());
        let header = BatchHeader::read(&head).expect("a checked batch is longer than its header");
        StoredBatch {
            header,
            head: head.freeze(),
            body: batch.slice(copied..),
        }
    }

    /// A batch whose header is to be stored otherwise than it was sent; the records are shared.
    pub(crate) fn with_header(header: BatchHeader, batch: &Bytes) -> StoredBatch {
        let copied = if batch.len() <= COPY_WHOLE_MAX {
            batch.len()
        } else {
            HEADER_LENGTH
        };
        let mut head = BytesMut::with_capacity(copied);
        head.extend_from_slice(&header.to_bytes());
        head.extend_from_slice(&batch[HEADER_LENGTH..copied]);
        StoredBatch {
            header,
            head: head.freeze(),
            body: batch.slice(copied..),
        }
    }

    /// The bytes in one piece; copies a large batch.
    pub fn to_bytes(&self) -> Bytes {
        if self.body.is_empty() {
            return self.head.clone();
        }
        let mut whole = BytesMut::with_capacity(self.size());
        whole.extend_from_slice(&self.head);
        whole.extend_from_slice(&self.body);
        whole.freeze()
    }

    /// The offset the batch after this one may start at.
    pub fn next_offset(&self) -> Offset {
        self.header.next_offset()
    }

    /// Takes a batch that carries its numbers already (read back from a journal or segment); `None` if it is shorter than
    /// a header.
    pub fn numbered(batch: Bytes) -> Option<StoredBatch> {
        let header = BatchHeader::read(&batch)?;
        Some(StoredBatch {
            header,
            head: batch,
            body: Bytes::new(),
        })
    }

    /// The header as it is stored.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The bytes, in order; the second part may be empty.
    pub fn parts(&self) -> [&Bytes; 2] {
        [&self.head, &self.body]
    }

    /// The records' bytes, behind the header.
    pub fn records(&self) -> &[u8] {
        if self.body.is_empty() {
            &self.head[HEADER_LENGTH..]
        } else {
            &self.body
        }
    }

    /// The size in bytes.
    pub fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }

    /// The offset of the first record.
    pub fn base_offset(&self) -> Offset {
        self.header.base_offset
    }

    /// The offset of the last record.
    pub fn last_offset(&self) -> Offset {
        self.header.last_offset()
    }
}
