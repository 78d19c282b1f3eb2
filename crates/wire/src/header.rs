//! Headers: who asks for what, and which answer this is.
//!
//! A client id is a slice of the frame. Every length is checked against what is left of the frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::protocol::StrBytes;

use crate::table::Api;
use crate::varint;

/// The header of a request (versions 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// What is asked.
    pub api: Api,
    /// In which version: one of [`Api::handled`], except for ApiVersions, where any may stand (see
    /// [`RequestHeader::wants_fallback`]).
    pub version: i16,
    /// The number the answer must carry.
    pub correlation_id: i32,
    /// What the client calls itself; `None` if it does not say. Bytes that are not UTF-8 appear as U+FFFD.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// Takes the header off the front of a frame; what is left is the body.
    ///
    /// An API or version that is not spoken is a fault, as in Kafka, which closes the connection. A request for
    /// ApiVersions in an unknown version is not: it has an answer of its own.
    pub fn decode(frame: &mut Bytes) -> Result<RequestHeader, HeaderFault> {
        let key = frame.try_get_i16().map_err(|_| HeaderFault::Cut)?;
        let version = frame.try_get_i16().map_err(|_| HeaderFault::Cut)?;
        let api = Api::from_key(key).ok_or(HeaderFault::UnknownApi { key })?;
        if api != Api::ApiVersions && !api.handled().contains(version) {
            return Err(HeaderFault::UnknownVersion { api, version });
        }
        let correlation_id = frame.try_get_i32().map_err(|_| HeaderFault::Cut)?;
        let client_id = decode_client_id(frame)?;
        if api.header_version(version) >= 2 {
            skip_tagged_fields(frame)?;
        }
        Ok(RequestHeader {
            api,
            version,
            correlation_id,
            client_id,
        })
    }

    /// Whether this asks for ApiVersions in a version that is not spoken: the answer is
    /// [`crate::api_versions::fallback`], in version 0, and the body is not looked at.
    pub fn wants_fallback(&self) -> bool {
        self.api == Api::ApiVersions && !self.api.handled().contains(self.version)
    }

    /// Appends the header to `buffer`, as a client does. A client id above 32,767 bytes is cut short.
    pub fn encode(&self, buffer: &mut BytesMut) {
        buffer.put_i16(self.api.key());
        buffer.put_i16(self.version);
        buffer.put_i32(self.correlation_id);
        match &self.client_id {
            Some(id) => {
                let end = id.floor_char_boundary(i16::MAX as usize);
                buffer.put_i16(end as i16);
                buffer.put_slice(&id.as_bytes()[..end]);
            }
            None => buffer.put_i16(-1),
        }
        if self.api.header_version(self.version) >= 2 {
            buffer.put_u8(0);
        }
    }
}

/// The header of an answer (versions 0 and 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHeader {
    /// The number of the request that is answered.
    pub correlation_id: i32,
}

impl ResponseHeader {
    /// Appends the header in the version that `api` in `version` demands.
    pub fn encode(self, api: Api, version: i16, buffer: &mut BytesMut) {
        buffer.put_i32(self.correlation_id);
        if api.response_header_version(version) >= 1 {
            buffer.put_u8(0);
        }
    }

    /// The number of the request that a frame answers, without taking it off. A client looks up what it asked before
    /// it can know the version of the header.
    pub fn peek(frame: &[u8]) -> Result<ResponseHeader, HeaderFault> {
        let correlation_id = i32::from_be_bytes(*frame.first_chunk().ok_or(HeaderFault::Cut)?);
        Ok(ResponseHeader { correlation_id })
    }

    /// Takes the header off the front of a frame; what is left is the body.
    pub fn decode(api: Api, version: i16, frame: &mut Bytes) -> Result<ResponseHeader, HeaderFault> {
        let correlation_id = frame.try_get_i32().map_err(|_| HeaderFault::Cut)?;
        if api.response_header_version(version) >= 1 {
            skip_tagged_fields(frame)?;
        }
        Ok(ResponseHeader { correlation_id })
    }
}

/// Why a header cannot be read. A broker closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// The frame ends within its header.
    #[error("the frame ends within its header")]
    Cut,
    /// No such API is spoken.
    #[error("API key {key} is not supported")]
    UnknownApi {
        /// The key as sent.
        key: i16,
    },
    /// The API is not spoken in this version.
    #[error("{api} is supported in versions {}, not in {version}", api.handled())]
    UnknownVersion {
        /// The API.
        api: Api,
        /// The version as sent.
        version: i16,
    },
    /// A client id of impossible length.
    #[error("the header's client id declares {declared} bytes of the {remaining} that are left")]
    ClientId {
        /// The length as declared.
        declared: i16,
        /// What the frame has left.
        remaining: usize,
    },
    /// More tagged fields than a reader of messages accepts, or one that goes past the end.
    #[error("the header's tagged fields are malformed")]
    TaggedFields,
}

fn decode_client_id(frame: &mut Bytes) -> Result<Option<StrBytes>, HeaderFault> {
    let declared = frame.try_get_i16().map_err(|_| HeaderFault::Cut)?;
    if declared == -1 {
        return Ok(None);
    }
    let remaining = frame.len();
    match usize::try_from(declared) {
        Ok(length) if length <= remaining => Ok(Some(lossy(frame.split_to(length)))),
        _ => Err(HeaderFault::ClientId { declared, remaining }),
    }
}

/// Kafka, too, takes a client id that is not UTF-8, with replacement characters.
fn lossy(bytes: Bytes) -> StrBytes {
    match StrBytes::from_utf8(bytes.clone()) {
        Ok(text) => text,
        Err(_) => StrBytes::from_string(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

fn skip_tagged_fields(frame: &mut Bytes) -> Result<(), HeaderFault> {
    let length = tagged_fields_length(frame).ok_or(HeaderFault::TaggedFields)?;
    frame.advance(length);
    Ok(())
}

fn tagged_fields_length(bytes: &[u8]) -> Option<usize> {
    let (count, mut at) = varint::read(bytes)?;
    if count > TAGGED_FIELDS_MAX {
        return None;
    }
    for _ in 0..count {
        let (_tag, used) = varint::read(bytes.get(at..)?)?;
        at += used;
        let (size, used) = varint::read(bytes.get(at..)?)?;
        at += used;
        at = at.checked_add(size as usize).filter(|end| *end <= bytes.len())?;
    }
    Some(at)
}

/// What Kafka's own reader accepts in one section since 4.4.
const TAGGED_FIELDS_MAX: u32 = 10_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(api: Api, version: i16, client_id: Option<&'static str>) -> RequestHeader {
        RequestHeader {
            api,
            version,
            correlation_id: 7,
            client_id: client_id.map(StrBytes::from_static_str),
        }
    }

    fn encoded(header: &RequestHeader) -> Bytes {
        let mut buffer = BytesMut::new();
        header.encode(&mut buffer);
        buffer.freeze()
    }

    #[test]
    fn headers_round_trip_and_no_cut_one_passes() {
        for header in [
            header(Api::Metadata, 8, Some("app")),
            header(Api::Metadata, 9, None),
            header(Api::Fetch, 12, Some("")),
        ] {
            let wire = encoded(&header);
            assert_eq!(RequestHeader::decode(&mut wire.clone()), Ok(header));
            for end in 0..wire.len() {
                assert!(RequestHeader::decode(&mut wire.slice(..end)).is_err());
            }
        }
    }

    #[test]
    fn tagged_fields_are_skipped_and_the_body_is_left() {
        let mut wire = encoded(&header(Api::Metadata, 9, None)).to_vec();
        wire.pop();
        wire.extend([2, 0, 1, 0xaa, 0x80, 0x01, 0, 0xbb]);
        let mut frame = Bytes::from(wire);
        RequestHeader::decode(&mut frame).unwrap();
        assert_eq!(frame.as_ref(), [0xbb]);
    }

    #[test]
    fn what_is_not_spoken_is_named() {
        let fault = |key: i16, version: i16| {
            let bytes = [key.to_be_bytes(), version.to_be_bytes()].concat();
            let mut frame = Bytes::from([bytes, vec![0, 0, 0, 1, 0xff, 0xff]].concat());
            RequestHeader::decode(&mut frame).map_err(|fault| fault.to_string())
        };
        assert_eq!(fault(4, 0), Err("API key 4 is not supported".into()));
        assert_eq!(
            fault(0, 2),
            Err("Produce is supported in versions 3-13, not in 2".into())
        );
        assert!(fault(18, 0).is_ok_and(|header| !header.wants_fallback()));
        // A version that only the future knows still gets an answer; its header is flexible, so one byte more.
        let mut frame = Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0]);
        assert!(RequestHeader::decode(&mut frame).is_ok_and(|header| header.wants_fallback()));
    }

    #[test]
    fn a_client_id_that_is_not_utf8_is_taken_as_kafka_takes_it() {
        let mut frame = Bytes::from_static(&[0, 3, 0, 1, 0, 0, 0, 1, 0, 2, b'a', 0xff]);
        let header = RequestHeader::decode(&mut frame).unwrap();
        assert_eq!(header.client_id.unwrap().as_str(), "a\u{fffd}");
    }

    #[test]
    fn answers_carry_tagged_fields_only_where_clients_expect_them() {
        let encoded = |api, version| {
            let mut buffer = BytesMut::new();
            ResponseHeader { correlation_id: 1 }.encode(api, version, &mut buffer);
            let mut frame = buffer.freeze();
            assert_eq!(ResponseHeader::peek(&frame), Ok(ResponseHeader { correlation_id: 1 }));
            let length = frame.len();
            ResponseHeader::decode(api, version, &mut frame).unwrap();
            length
        };
        assert_eq!(encoded(Api::Metadata, 8), 4);
        assert_eq!(encoded(Api::Metadata, 9), 5);
        assert_eq!(encoded(Api::ApiVersions, 4), 4);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40), key in 0i16..80, version in 0i16..20) {
            let mut wire = [key.to_be_bytes(), version.to_be_bytes()].concat();
            wire.extend(bytes);
            let _ = RequestHeader::decode(&mut Bytes::from(wire.clone()));
            let _ = ResponseHeader::decode(Api::Metadata, 9, &mut Bytes::from(wire));
        }
    }
}
