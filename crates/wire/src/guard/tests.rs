//! The guard against crate `kafka-protocol`: the shapes agree with it in every version, and nothing hostile passes.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable};
use proptest::prelude::*;

use super::*;
use crate::table::TABLE;
use crate::varint;

/// Calls `$check::<Request, Response>($arguments)` with the types of `$api`.
macro_rules! with_types {
    ($api:expr, $check:ident($($argument:expr),*)) => {
        match $api {
            Api::Produce => $check::<ProduceRequest, ProduceResponse>($($argument),*),
            Api::Fetch => $check::<FetchRequest, FetchResponse>($($argument),*),
            Api::ListOffsets => $check::<ListOffsetsRequest, ListOffsetsResponse>($($argument),*),
            Api::Metadata => $check::<MetadataRequest, MetadataResponse>($($argument),*),
            Api::OffsetCommit => $check::<OffsetCommitRequest, OffsetCommitResponse>($($argument),*),
            Api::OffsetFetch => $check::<OffsetFetchRequest, OffsetFetchResponse>($($argument),*),
            Api::FindCoordinator => $check::<FindCoordinatorRequest, FindCoordinatorResponse>($($argument),*),
            Api::JoinGroup => $check::<JoinGroupRequest, JoinGroupResponse>($($argument),*),
            Api::Heartbeat => $check::<HeartbeatRequest, HeartbeatResponse>($($argument),*),
            Api::LeaveGroup => $check::<LeaveGroupRequest, LeaveGroupResponse>($($argument),*),
            Api::SyncGroup => $check::<SyncGroupRequest, SyncGroupResponse>($($argument),*),
            Api::DescribeGroups => $check::<DescribeGroupsRequest, DescribeGroupsResponse>($($argument),*),
            Api::ListGroups => $check::<ListGroupsRequest, ListGroupsResponse>($($argument),*),
            Api::ApiVersions => $check::<ApiVersionsRequest, ApiVersionsResponse>($($argument),*),
            Api::CreateTopics => $check::<CreateTopicsRequest, CreateTopicsResponse>($($argument),*),
            Api::DeleteTopics => $check::<DeleteTopicsRequest, DeleteTopicsResponse>($($argument),*),
            Api::DeleteRecords => $check::<DeleteRecordsRequest, DeleteRecordsResponse>($($argument),*),
            Api::InitProducerId => $check::<InitProducerIdRequest, InitProducerIdResponse>($($argument),*),
            Api::OffsetForLeaderEpoch => {
                $check::<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse>($($argument),*)
            }
            Api::AddPartitionsToTxn => $check::<AddPartitionsToTxnRequest, AddPartitionsToTxnResponse>($($argument),*),
            Api::AddOffsetsToTxn => $check::<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse>($($argument),*),
            Api::EndTxn => $check::<EndTxnRequest, EndTxnResponse>($($argument),*),
            Api::WriteTxnMarkers => $check::<WriteTxnMarkersRequest, WriteTxnMarkersResponse>($($argument),*),
            Api::TxnOffsetCommit => $check::<TxnOffsetCommitRequest, TxnOffsetCommitResponse>($($argument),*),
            Api::DescribeProducers => $check::<DescribeProducersRequest, DescribeProducersResponse>($($argument),*),
            Api::DescribeTransactions => $check::<DescribeTransactionsRequest, DescribeTransactionsResponse>($($argument),*),
            Api::ListTransactions => $check::<ListTransactionsRequest, ListTransactionsResponse>($($argument),*),
            Api::DescribeConfigs => $check::<DescribeConfigsRequest, DescribeConfigsResponse>($($argument),*),
            Api::AlterConfigs => $check::<AlterConfigsRequest, AlterConfigsResponse>($($argument),*),
            Api::DescribeLogDirs => $check::<DescribeLogDirsRequest, DescribeLogDirsResponse>($($argument),*),
            Api::CreatePartitions => $check::<CreatePartitionsRequest, CreatePartitionsResponse>($($argument),*),
            Api::DeleteGroups => $check::<DeleteGroupsRequest, DeleteGroupsResponse>($($argument),*),
            Api::IncrementalAlterConfigs => {
                $check::<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>($($argument),*)
            }
            Api::OffsetDelete => $check::<OffsetDeleteRequest, OffsetDeleteResponse>($($argument),*),
            Api::DescribeCluster => $check::<DescribeClusterRequest, DescribeClusterResponse>($($argument),*),
            Api::DescribeTopicPartitions => {
                $check::<DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse>($($argument),*)
            }
        }
    };
}

/// Every API in every version.
fn everything() -> impl Iterator<Item = (Api, i16)> {
    TABLE
        .iter()
        .flat_map(|row| row.handled.iter().map(|version| (row.api, version)))
}

/// Writes bodies that fit a shape, from a stream of choices.
struct Synthesis<'a> {
    out: BytesMut,
    choices: &'a mut dyn Iterator<Item = u8>,
    version: i16,
    is_flexible: bool,
    /// How much deeper arrays may hold something.
    elements_left: usize,
    /// Where each length and count was written, and in how many bytes.
    lengths: Vec<(usize, usize)>,
}

fn synthesize(
    fields: &'static [Field],
    (api, version): (Api, i16),
    choices: &mut dyn Iterator<Item = u8>,
) -> (Bytes, Vec<(usize, usize)>) {
    let mut synthesis = Synthesis {
        out: BytesMut::new(),
        choices,
        version,
        is_flexible: api.is_flexible(version),
        elements_left: 40,
        lengths: Vec::new(),
    };
    synthesis.structure(fields);
    (synthesis.out.freeze(), synthesis.lengths)
}

impl Synthesis<'_> {
    fn choose(&mut self, below: u8) -> u8 {
        self.choices.next().unwrap_or(0) % below
    }

    fn structure(&mut self, fields: &'static [Field]) {
        let in_order = |field: &&Field| field.tag.is_none() && field.is_in(self.version);
        for field in fields.iter().filter(in_order).collect::<Vec<_>>() {
            self.value(field);
        }
        if self.is_flexible {
            self.tagged_fields(fields);
        }
    }

    fn value(&mut self, field: &'static Field) {
        let is_null = field.is_nullable && self.choose(4) == 0;
        match field.kind {
            Kind::Fixed(bytes) => self.fixed(bytes),
            Kind::Text if is_null => self.length(None, 2),
            Kind::Text => self.text(),
            Kind::Bytes | Kind::FixedList(_) | Kind::TextList | Kind::Each(_) if is_null => self.length(None, 4),
            Kind::Bytes => {
                let bytes = self.choose(9);
                self.length(Some(bytes), 4);
                self.fixed(bytes.into());
            }
            Kind::FixedList(bytes) => (0..self.count()).for_each(|_| self.fixed(bytes)),
            Kind::TextList => (0..self.count()).for_each(|_| self.text()),
            Kind::Each(fields) => (0..self.count()).for_each(|_| self.structure(fields)),
            Kind::One(_) if is_null => self.out.put_i8(-1),
            Kind::One(fields) => {
                if field.is_nullable {
                    self.out.put_i8(1);
                }
                self.structure(fields);
            }
        }
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) {
        let (version, mut body) = (self.version, Vec::new());
        for field in fields.iter().filter(|field| field.is_in(version)) {
            if let Some(tag) = field.tag
                && self.choose(2) == 0
            {
                let outer = std::mem::take(&mut self.out);
                let lengths = self.lengths.len();
                self.value(field);
                // Positions within a tagged field would have to be moved; they are not needed.
                self.lengths.truncate(lengths);
                body.push((tag, std::mem::replace(&mut self.out, outer)));
            }
        }
        if self.choose(4) == 0 {
            body.push((99, BytesMut::from(&b"later"[..])));
        }
        varint::write(&mut self.out, body.len() as u32);
        for (tag, value) in body {
            varint::write(&mut self.out, tag);
            varint::write(&mut self.out, value.len() as u32);
            self.out.extend_from_slice(&value);
        }
    }

    fn fixed(&mut self, bytes: usize) {
        for _ in 0..bytes {
            // Below 2, so that a lone byte is a boolean that survives.
            let byte = self.choose(2);
            self.out.put_u8(byte);
        }
    }

    fn text(&mut self) {
        let bytes = self.choose(9);
        self.length(Some(bytes), 2);
        for _ in 0..bytes {
            let letter = b'a' + self.choose(26);
            self.out.put_u8(letter);
        }
    }

    fn count(&mut self) -> u8 {
        let count = self.choose(4).min(self.elements_left as u8);
        self.elements_left -= usize::from(count);
        self.length(Some(count), 4);
        count
    }

    fn length(&mut self, length: Option<u8>, bytes: usize) {
        let start = self.out.len();
        match (self.is_flexible, bytes) {
            (true, _) => varint::write(&mut self.out, length.map_or(0, |length| u32::from(length) + 1)),
            (false, 2) => self.out.put_i16(length.map_or(-1, i16::from)),
            (false, _) => self.out.put_i32(length.map_or(-1, i32::from)),
        }
        self.lengths.push((start, self.out.len() - start));
    }
}

/// A reproducible stream of choices (a linear congruential generator's upper bits).
fn choices(seed: u64) -> impl Iterator<Item = u8> {
    let step = |state: &u64| {
        Some(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    };
    std::iter::successors(Some(seed), step)
        .skip(1)
        .map(|state| (state >> 56) as u8)
}

fn round_trip<M: Encodable + Decodable + PartialEq + std::fmt::Debug>(body: &Bytes, version: i16) {
    let mut rest = body.clone();
    let message = M::decode(&mut rest, version).unwrap_or_else(|error| panic!("v{version}: {error} in {body:?}"));
    assert!(rest.is_empty(), "v{version}: {} bytes left of {body:?}", rest.len());
    let mut again = BytesMut::new();
    message.encode(&mut again, version).unwrap();
    assert!(again.len() <= body.len());
    assert_eq!(M::decode(&mut again, version).unwrap(), message);
}

#[test]
fn what_fits_a_shape_is_what_the_codec_reads() {
    fn agree<Request, Response>(api: Api, version: i16, seed: u64)
    where
        Request: Encodable + Decodable + PartialEq + std::fmt::Debug,
        Response: Encodable + Decodable + PartialEq + std::fmt::Debug,
    {
        let (body, _) = synthesize(shape::request(api), (api, version), &mut choices(seed));
        assert_eq!(check(api, version, &body), Ok(body.len()), "{api} v{version}");
        round_trip::<Request>(&body, version);
        let (body, _) = synthesize(shape::response(api), (api, version), &mut choices(seed));
        assert_eq!(
            check_response(api, version, &body),
            Ok(body.len()),
            "answer to {api} v{version}"
        );
        round_trip::<Response>(&body, version);
    }
    for (api, version) in everything() {
        for seed in 0..60 {
            with_types!(api, agree(api, version, seed));
        }
    }
}

#[test]
fn what_the_codec_writes_passes() {
    fn pass<Request: Encodable + Default, Response: Encodable + Default>(api: Api, version: i16) {
        let (mut request, mut response) = (BytesMut::new(), BytesMut::new());
        Request::default().encode(&mut request, version).unwrap();
        Response::default().encode(&mut response, version).unwrap();
        assert_eq!(check(api, version, &request), Ok(request.len()), "{api} v{version}");
        assert_eq!(
            check_response(api, version, &response),
            Ok(response.len()),
            "answer to {api} v{version}"
        );
    }
    for (api, version) in everything() {
        with_types!(api, pass(api, version));
    }
}

#[test]
fn nothing_cut_short_passes_and_what_is_behind_is_ignored() {
    for (api, version) in everything() {
        for seed in 0..8 {
            let (body, _) = synthesize(shape::request(api), (api, version), &mut choices(seed));
            for end in 0..body.len() {
                assert!(check(api, version, &body[..end]).is_err(), "{api} v{version} {end}");
            }
            let longer = [&body, &b"\0"[..]].concat();
            assert_eq!(check(api, version, &longer), Ok(body.len()), "{api} v{version}");
        }
    }
}

#[test]
fn no_huge_length_passes() {
    for (api, version) in everything() {
        for seed in 0..8 {
            let (body, lengths) = synthesize(shape::request(api), (api, version), &mut choices(seed));
            for (at, bytes) in lengths {
                let huge: &[u8] = match (api.is_flexible(version), bytes) {
                    (true, _) => &[0xff, 0xff, 0xff, 0xff, 0x0f],
                    (false, 2) => &[0x7f, 0xff],
                    (false, _) => &[0x7f, 0xff, 0xff, 0xff],
                };
                let hostile = [&body[..at], huge, &body[at + bytes..]].concat();
                assert!(check(api, version, &hostile).is_err(), "{api} v{version} at {at}");
            }
        }
    }
}

#[test]
fn faults_name_the_field_and_the_place() {
    let fault = |api, version, body: &[u8]| check(api, version, body).unwrap_err().to_string();
    assert_eq!(
        fault(Api::Metadata, 1, &[0x7f, 0xff, 0xff, 0xff]),
        "`topics` at byte 4: 2147483647 elements, at most 0 are possible here"
    );
    assert_eq!(
        fault(Api::Heartbeat, 0, &[0, 9, b'g']),
        "`group_id` at byte 2: 9 bytes are needed, 1 are left"
    );
    assert_eq!(
        fault(Api::FindCoordinator, 0, &[0xff, 0xff]),
        "`key` at byte 2: null is not allowed"
    );
    assert_eq!(
        fault(Api::ListGroups, 3, &[0x80, 0x80, 0x80, 0x80, 0x80, 0]),
        "`tagged fields` at byte 0: an endless variable-length integer"
    );
}

#[test]
fn arrays_are_limited_together() {
    let mut body = BytesMut::new();
    body.put_i32(ELEMENTS_MAX as i32 + 1);
    body.put_bytes(0, 2 * (ELEMENTS_MAX + 1));
    let fault = check(Api::DescribeGroups, 0, &body).unwrap_err();
    let (declared, allowed) = (ELEMENTS_MAX + 1, ELEMENTS_MAX);
    assert_eq!(fault.what, Flaw::Elements { declared, allowed });
    body[..4].copy_from_slice(&(ELEMENTS_MAX as i32).to_be_bytes());
    body.truncate(4 + 2 * ELEMENTS_MAX);
    assert_eq!(check(Api::DescribeGroups, 0, &body), Ok(body.len()));
}

#[test]
fn a_tagged_field_has_the_size_it_declares() {
    let mut body = BytesMut::new();
    FetchRequest::default().encode(&mut body, 12).unwrap();
    // The last byte says "no tagged fields"; put a cluster id of two bytes in its place.
    let before = body.len() - 1;
    let with_size = |size: u8| {
        let body = [&body[..before], &[1, 0, size, 2, b'x']].concat();
        check(Api::Fetch, 12, &body).map_err(|fault| fault.what).map(drop)
    };
    assert_eq!(with_size(2), Ok(()));
    for declared in [0, 1, 3] {
        let flaw = Flaw::TaggedSize { declared, actual: 2 };
        assert_eq!(with_size(declared as u8), Err(flaw));
    }
}

fn decoded<Request: Decodable, Response: Decodable>(api: Api, version: i16, body: Vec<u8>) {
    let body = Bytes::from(body);
    if check(api, version, &body).is_ok() {
        let _ = Request::decode(&mut body.clone(), version);
    }
    if check_response(api, version, &body).is_ok() {
        let _ = Response::decode(&mut body.clone(), version);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_passes_is_decoded_or_refused_without_harm(
        row in 0..TABLE.len(),
        version in 0i16..19,
        body in proptest::collection::vec(prop_oneof![3 => 0u8..4, 1 => any::<u8>()], 0..80),
    ) {
        let api = TABLE[row].api;
        let version = api.handled().min + version % (api.handled().max - api.handled().min + 1);
        with_types!(api, decoded(api, version, body));
    }

    #[test]
    fn a_flipped_byte_does_no_harm(
        row in 0..TABLE.len(),
        version in 0i16..19,
        seed in any::<u64>(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let api = TABLE[row].api;
        let version = api.handled().min + version % (api.handled().max - api.handled().min + 1);
        let (body, _) = synthesize(shape::request(api), (api, version), &mut choices(seed));
        let mut body = body.to_vec();
        if !body.is_empty() {
            let at = at.index(body.len());
            body[at] = byte;
        }
        with_types!(api, decoded(api, version, body));
    }
}
