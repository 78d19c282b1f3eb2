//! Frames: a length of four bytes, then that many bytes.
//!
//! A length is judged before anything is kept for it, so a stranger cannot make a reader allocate.

use bytes::{Buf, Bytes, BytesMut};

/// The smallest request: key, version, correlation id and the length of a client id.
pub const REQUEST_BYTES_MIN: usize = 10;

/// The smallest answer: a correlation id.
pub const RESPONSE_BYTES_MIN: usize = 4;

/// Takes the first frame, without its length, off the front of `buffer`; `Ok(None)` if it is not all there yet.
///
/// `bytes_max` is Kafka's `socket.request.max.bytes`, `bytes_min` one of [`REQUEST_BYTES_MIN`] and
/// [`RESPONSE_BYTES_MIN`]. The frame shares the buffer's memory. After a fault the connection can only be closed:
/// where the next frame begins is unknown.
pub fn split(buffer: &mut BytesMut, bytes_min: usize, bytes_max: usize) -> Result<Option<Bytes>, FrameFault> {
    let Some(prefix) = buffer.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let declared = i32::from_be_bytes(*prefix);
    let Ok(length) = usize::try_from(declared) else {
        let looks_like = Foreign::recognise(buffer);
        return Err(FrameFault::Negative { declared, looks_like });
    };
    if length > bytes_max {
        let looks_like = Foreign::recognise(buffer);
        return Err(FrameFault::TooLarge {
            length,
            bytes_max,
            looks_like,
        });
    }
    if length < bytes_min {
        return Err(FrameFault::TooSmall { length, bytes_min });
    }
    if buffer.len() - LENGTH_BYTES < length {
        return Ok(None);
    }
    buffer.advance(LENGTH_BYTES);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// Why no frame can be read from a connection any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The length is below zero.
    #[error("a frame declares {declared} bytes{}", Foreign::suffix(looks_like))]
    Negative {
        /// The length as declared.
        declared: i32,
        /// What the bytes are, if they are not Kafka's protocol.
        looks_like: Option<Foreign>,
    },
    /// The length leaves no room for a header.
    #[error("a frame of {length} bytes is below the smallest header's {bytes_min}")]
    TooSmall {
        /// The length as declared.
        length: usize,
        /// The smallest possible.
        bytes_min: usize,
    },
    /// The length is above `socket.request.max.bytes`.
    #[error(
        "a frame of {length} bytes is above socket.request.max.bytes ({bytes_max}){}",
        Foreign::suffix(looks_like)
    )]
    TooLarge {
        /// The length as declared.
        length: usize,
        /// The largest allowed.
        bytes_max: usize,
        /// What the bytes are, if they are not Kafka's protocol.
        looks_like: Option<Foreign>,
    },
}

/// A protocol that is not Kafka's, known by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// An HTTP request, or the preface of HTTP/2.
    Http,
    /// A TLS ClientHello on a listener without TLS.
    Tls,
    /// The header a proxy puts in front (PROXY protocol, version 1 or 2).
    Proxy,
    /// Readable text of some other kind.
    Text,
}

impl Foreign {
    fn recognise(first: &[u8]) -> Option<Foreign> {
        if first.starts_with(&[0x16, 0x03]) && first.get(2).is_some_and(|minor| *minor <= 4) {
            Some(Foreign::Tls)
        } else if HTTP_STARTS.iter().any(|start| first.starts_with(*start)) {
            Some(Foreign::Http)
        } else if first.starts_with(b"PROX") || first.starts_with(b"\r\n\r\n") {
            Some(Foreign::Proxy)
        } else {
            let is_text = |byte: &u8| matches!(byte, b'\r' | b'\n' | b' '..=b'~');
            first.iter().take(LENGTH_BYTES).all(is_text).then_some(Foreign::Text)
        }
    }

    fn suffix(found: &Option<Foreign>) -> &'static str {
        match found {
            None => "",
            Some(Foreign::Http) => "; looks like HTTP",
            Some(Foreign::Tls) => "; looks like TLS",
            Some(Foreign::Proxy) => "; looks like the PROXY protocol",
            Some(Foreign::Text) => "; looks like text",
        }
    }
}

const LENGTH_BYTES: usize = 4;

/// The first four bytes of every HTTP method, and of the preface `PRI * HTTP/2.0`.
const HTTP_STARTS: [&[u8; 4]; 10] = [
    b"GET ", b"HEAD", b"POST", b"PUT ", b"DELE", b"CONN", b"OPTI", b"TRAC", b"PATC", b"PRI ",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 100 * 1024 * 1024;

    fn split_request(bytes: &[u8]) -> Result<Option<Bytes>, FrameFault> {
        split(&mut BytesMut::from(bytes), REQUEST_BYTES_MIN, BYTES_MAX)
    }

    #[test]
    fn frames_come_off_one_by_one_as_they_get_complete() {
        let mut wire = vec![0, 0, 0, 10];
        wire.extend([1; 10]);
        wire.extend([0, 0, 0, 11]);
        wire.extend([2; 11]);
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in wire {
            buffer.extend_from_slice(&[byte]);
            frames.extend(split(&mut buffer, REQUEST_BYTES_MIN, BYTES_MAX).unwrap());
        }
        assert_eq!(frames, [Bytes::from_static(&[1; 10]), Bytes::from_static(&[2; 11])]);
        assert!(buffer.is_empty());
    }

    #[test]
    fn impossible_lengths_are_refused_at_once() {
        let fault = |bytes: &[u8]| split_request(bytes).unwrap_err();
        assert_eq!(fault(&[0xff; 4]).to_string(), "a frame declares -1 bytes");
        assert_eq!(
            fault(&[0, 0, 0, 9]).to_string(),
            "a frame of 9 bytes is below the smallest header's 10"
        );
        assert_eq!(
            fault(&[0x7f, 0xff, 0xff, 0xff]).to_string(),
            "a frame of 2147483647 bytes is above socket.request.max.bytes (104857600)"
        );
    }

    #[test]
    fn other_protocols_are_recognised() {
        let end = |bytes: &[u8]| {
            let text = split_request(bytes).unwrap_err().to_string();
            text.split("; ").nth(1).unwrap_or("").to_owned()
        };
        assert_eq!(end(b"GET / HTTP/1.1\r\n"), "looks like HTTP");
        assert_eq!(end(b"PRI * HTTP/2.0\r\n"), "looks like HTTP");
        assert_eq!(end(&[0x16, 0x03, 0x01, 0x02, 0x00]), "looks like TLS");
        assert_eq!(end(b"PROXY TCP4 10.0.0.1"), "looks like the PROXY protocol");
        assert_eq!(end(b"EHLO mail"), "looks like text");
        assert_eq!(end(&[0x7f, 1, 2, 3]), "");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = split_request(&bytes);
        }
    }
}
