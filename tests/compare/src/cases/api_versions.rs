//! ApiVersions: what is spoken, and what is answered to a client that is too new or does not say its name right.

use anyhow::Result;
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader};
use kafka_protocol::protocol::{Encodable, StrBytes};

use crate::cases::Case;
use crate::client;
use crate::script::{CLIENT_ID, Script};

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = (0..=4)
        .map(|version| Case::new(format!("api_versions/good/v{version}"), move |s| good(s, version)))
        .collect();
    for version in 3..=4 {
        cases.push(Case::new(format!("api_versions/software/v{version}"), move |s| {
            software(s, version)
        }));
    }
    for version in [5, 99, i16::MAX, -1] {
        cases.push(Case::new(format!("api_versions/unknown/v{version}"), move |s| {
            unknown(s, version)
        }));
    }
    cases
}

fn named(name: &str, version: &str) -> ApiVersionsRequest {
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_string(name.to_owned()))
        .with_client_software_version(StrBytes::from_string(version.to_owned()))
}

fn good(s: &mut Script<'_>, version: i16) -> Result<()> {
    let request = if version >= 3 {
        named("compare", "1.0")
    } else {
        ApiVersionsRequest::default()
    };
    s.ask("good", version, &request)?;
    s.ask("again", version, &request)?;
    Ok(())
}

fn software(s: &mut Script<'_>, version: i16) -> Result<()> {
    let names = [
        "",
        "-compare",
        "compare-",
        "com pare",
        "compäre",
        "com.pare-2",
        ".",
        "a_b",
        "a/b",
        "a",
    ];
    for name in names {
        s.ask(format!("name {name:?}"), version, &named(name, "1.0"))?;
    }
    for software_version in ["", "-1", "1.0-", "1 0", "1.0.0-SNAPSHOT"] {
        s.ask(
            format!("version {software_version:?}"),
            version,
            &named("compare", software_version),
        )?;
    }
    Ok(())
}

/// A version too new is answered in version 0, whatever the body.
fn unknown(s: &mut Script<'_>, version: i16) -> Result<()> {
    let bodies = [
        ("no tags", 1, &[][..]),
        ("no body", 2, &[]),
        ("some bytes", 2, &[1, 2, 3, 4]),
    ];
    for (label, header_version, body) in bodies {
        let header = RequestHeader::default()
            .with_request_api_key(18)
            .with_request_api_version(version)
            .with_correlation_id(7)
            .with_client_id(Some(StrBytes::from_static_str(CLIENT_ID)));
        let mut frame = bytes::BytesMut::new();
        header.encode(&mut frame, header_version)?;
        frame.extend_from_slice(body);
        s.ask_frame::<ApiVersionsRequest>(label, 0, &frame)?;
        s.disconnect();
    }
    let cut = [0, 18, version.to_be_bytes()[0], version.to_be_bytes()[1]];
    s.ask_bytes("cut in the header", &client::frame(&cut))?;
    Ok(())
}
