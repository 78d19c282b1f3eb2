//! Answers: length, header and body as the bytes that go to the socket.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::Encodable;

use crate::header::ResponseHeader;
use crate::table::Api;

/// Encodes a whole answer, length in front, ready for the socket.
///
/// The message must fit the version: crate `kafka-protocol` refuses a field that is set but does not exist there.
pub fn encode<M: Encodable>(api: Api, version: i16, correlation_id: i32, message: &M) -> Result<BytesMut, EncodeFault> {
    let fault = |what: String| EncodeFault { api, version, what };
    let size = message
        .compute_size(version)
        .map_err(|error| fault(error.to_string()))?;
    let mut buffer = BytesMut::with_capacity(LENGTH_BYTES + HEADER_BYTES_MAX + size);
    buffer.put_i32(0);
    ResponseHeader { correlation_id }.encode(api, version, &mut buffer);
    message
        .encode(&mut buffer, version)
        .map_err(|error| fault(error.to_string()))?;
    let length = i32::try_from(buffer.len() - LENGTH_BYTES).map_err(|_| fault("above 2 GiB".into()))?;
    buffer[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(buffer)
}

/// Why an answer cannot be encoded: a fault of whoever built the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot encode the answer to {api}, version {version}: {what}")]
pub struct EncodeFault {
    /// What was asked.
    pub api: Api,
    /// In which version.
    pub version: i16,
    /// What was wrong.
    pub what: String,
}

/// A whole frame in pieces, for a vectored write: record bytes stay where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    chunks: Vec<Bytes>,
}

impl Frame {
    /// A frame of `chunks`, which hold `bytes_total` bytes; the first begins with four that await the length. `None`
    /// if it is above 2 GiB.
    pub(crate) fn with_length(mut chunks: Vec<Bytes>, bytes_total: usize) -> Option<Frame> {
        let length = i32::try_from(bytes_total.checked_sub(LENGTH_BYTES)?).ok()?;
        let first = chunks.first_mut()?;
        let mut patched = BytesMut::from(std::mem::take(first));
        patched[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        *first = patched.freeze();
        Some(Frame { chunks })
    }

    /// The pieces in order, none of them empty; the length in front is part of the first.
    pub fn chunks(&self) -> &[Bytes] {
        &self.chunks
    }

    /// The pieces, handed over.
    pub fn into_chunks(self) -> Vec<Bytes> {
        self.chunks
    }

    /// All bytes together, the four of the length included.
    pub fn bytes_total(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

impl From<BytesMut> for Frame {
    fn from(whole: BytesMut) -> Frame {
        Frame {
            chunks: vec![whole.freeze()],
        }
    }
}

const LENGTH_BYTES: usize = 4;
const HEADER_BYTES_MAX: usize = 5;
