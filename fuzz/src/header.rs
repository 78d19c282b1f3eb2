//! Headers: of a request, and of an answer to the request that the header names.

use bytes::{Bytes, BytesMut};
use ottla_wire::{RequestHeader, ResponseHeader};

/// Reads the bytes as both headers; what was read is written and read again.
pub fn run(data: &[u8]) {
    let mut frame = Bytes::copy_from_slice(data);
    if let Ok(header) = RequestHeader::decode(&mut frame) {
        let mut again = BytesMut::new();
        header.encode(&mut again);
        let read = RequestHeader::decode(&mut again.freeze());
        assert!(read.is_ok(), "a header that was read can be read again");
        let mut answer = Bytes::copy_from_slice(data);
        let _ = ResponseHeader::decode(header.api, header.version, &mut answer);
    }
    let _ = ResponseHeader::peek(data);
}

/// Headers of real requests.
pub fn seeds() -> Vec<Vec<u8>> {
    let requests = crate::request::whole_requests().into_iter().step_by(5).take(30);
    requests
        .map(|request| request[..request.len().min(40)].to_vec())
        .collect()
}
