//! ApiVersions (key 18), versions 0 to 4: what this broker speaks, and what the client's library is called (KIP-511).
//!
//! A version too new is answered in the body of version 0 with UNSUPPORTED_VERSION, so that any client can read what to
//! ask for instead; `dispatch` sees to that. The response header never has tagged fields.

use kafka_protocol::messages::api_versions_request::ApiVersionsRequest;
use kafka_protocol::messages::api_versions_response::ApiVersionsResponse;
use ottla_model::ErrorCode;
use ottla_wire::api_versions::{self, FEATURES, Feature};

use crate::handlers::Cx;
use crate::peer::Peer;
use crate::reply::Handled;

/// The first version that names the client's software.
const SOFTWARE_SINCE: i16 = 3;

pub(crate) fn handle(cx: &Cx<'_>, request: ApiVersionsRequest) -> Handled<ApiVersionsResponse> {
    if cx.version >= SOFTWARE_SINCE
        && !(is_software(&request.client_software_name) && is_software(&request.client_software_version))
    {
        return Handled::Now(ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.number()));
    }
    let (finalized, epoch) = cx.broker.metadata.with_state(|state| {
        let level = |feature: &Feature| {
            let mut known = state.features();
            let level = known.find(|(name, _)| *name == feature.name)?.1;
            Some((feature.name, level))
        };
        let finalized = FEATURES.iter().filter_map(level).collect::<Vec<_>>();
        (finalized, state.applied().map_or(-1, |offset| offset.0))
    });
    let answer = api_versions::with_features(api_versions::response(), cx.version, &finalized, epoch);
    Handled::Now(answer)
}

/// Remembers the software behind a connection, if the request was in order.
pub(crate) fn remember_software(peer: &mut Peer, version: i16, request: &ApiVersionsRequest) {
    let (name, release) = (&request.client_software_name, &request.client_software_version);
    if version >= SOFTWARE_SINCE && is_software(name) && is_software(release) {
        peer.software = Some((name.to_string(), release.to_string()));
    }
}

/// KIP-511: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
fn is_software(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(inner) && outer(text.bytes().next()) && outer(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::is_software;

    #[test]
    fn software_names_follow_kip_511() {
        for good in ["apache-kafka-java", "librdkafka", "2.16.1", "a", "kgo"] {
            assert!(is_software(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä", "a/b"] {
            assert!(!is_software(bad), "{bad}");
        }
    }
}
