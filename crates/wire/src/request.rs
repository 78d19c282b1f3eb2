//! Bodies of messages: checked, then decoded.

use bytes::Bytes;
use kafka_protocol::protocol::Decodable;

use crate::guard::{self, Malformed};
use crate::table::Api;

/// Decodes the body of a request of `api` in `version`, as [`crate::RequestHeader::decode`] left it.
///
/// Strings, bytes and records of the message are slices of `body`: nothing is copied, and whoever keeps them keeps the
/// whole frame alive. The guard has seen the body first, so memory is spent in proportion to its size.
pub fn decode<M: Decodable>(api: Api, version: i16, body: Bytes) -> Result<M, DecodeFault> {
    let checked = guard::check(api, version, &body);
    decode_checked(api, version, body, checked)
}

/// Decodes the body of an answer to `api`, as [`crate::ResponseHeader::decode`] left it, with the same care.
pub fn decode_response<M: Decodable>(api: Api, version: i16, body: Bytes) -> Result<M, DecodeFault> {
    let checked = guard::check_response(api, version, &body);
    decode_checked(api, version, body, checked)
}

/// Why a body cannot be decoded. Kafka closes the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {api}, version {version}: {what}")]
pub struct DecodeFault {
    /// What was asked.
    pub api: Api,
    /// In which version.
    pub version: i16,
    /// What was wrong.
    pub what: String,
}

fn decode_checked<M: Decodable>(
    api: Api,
    version: i16,
    mut body: Bytes,
    checked: Result<usize, Malformed>,
) -> Result<M, DecodeFault> {
    let fault = |what: String| DecodeFault { api, version, what };
    if !api.handled().contains(version) {
        return Err(fault("the version is not supported".to_owned()));
    }
    let bytes = checked.map_err(|malformed| fault(malformed.to_string()))?;
    body.truncate(bytes);
    // What is left to go wrong: text that is not UTF-8, a tag that came before its version.
    let message = M::decode(&mut body, version).map_err(|error| fault(error.to_string()))?;
    // The guard's shapes and the decoder must agree; if they ever do not, nothing misread may go on.
    if body.is_empty() {
        Ok(message)
    } else {
        Err(fault(format!("{} of {bytes} bytes are left over", body.len())))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::{HeartbeatRequest, ProduceRequest};

    use super::*;

    #[test]
    fn records_are_slices_of_the_frame() {
        // acks 1, one topic "t" with one partition 0 whose records are "abc".
        let body = Bytes::from_static(b"\xff\xff\0\x01\0\0\0\x09\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\x03abc");
        let message: ProduceRequest = decode(Api::Produce, 3, body.clone()).unwrap();
        let records = message.topic_data[0].partition_data[0].records.clone().unwrap();
        assert_eq!(records.as_ref(), b"abc");
        assert_eq!(records.as_ptr(), body[body.len() - 3..].as_ptr());
    }

    #[test]
    fn faults_name_api_version_and_field() {
        let fault = |version, body: &'static [u8]| {
            let result = decode::<HeartbeatRequest>(Api::Heartbeat, version, Bytes::from_static(body));
            result.unwrap_err().to_string()
        };
        assert_eq!(
            fault(0, &[0, 5, b'a']),
            "malformed Heartbeat, version 0: `group_id` at byte 2: 5 bytes are needed, 1 are left"
        );
        assert_eq!(
            fault(9, &[]),
            "malformed Heartbeat, version 9: the version is not supported"
        );
        assert!(fault(0, &[0, 1, 0xff, 0, 0, 0, 1, 0, 0]).contains("utf-8"));
    }
}
