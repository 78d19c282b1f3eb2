//! The shape of OffsetFetch.

use super::field::{BOOL, Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT).until(7),
    field("topics", each(OFFSET_FETCH_REQUEST_TOPIC)).or_null().until(7),
    field("groups", each(OFFSET_FETCH_REQUEST_GROUP)).from(8),
    field("require_stable", BOOL).from(7),
];

const OFFSET_FETCH_REQUEST_GROUP: &[Field] = &[
    field("group_id", TEXT),
    field("member_id", TEXT).or_null().from(9),
    field("member_epoch", I32).from(9),
    field("topics", each(OFFSET_FETCH_REQUEST_TOPICS)).or_null(),
];

const OFFSET_FETCH_REQUEST_TOPICS: &[Field] = &[field("name", TEXT), field("partition_indexes", list(I32))];

const OFFSET_FETCH_REQUEST_TOPIC: &[Field] = &[field("name", TEXT), field("partition_indexes", list(I32))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(3),
    field("topics", each(OFFSET_FETCH_RESPONSE_TOPIC)).until(7),
    field("error_code", I16).from(2).until(7),
    field("groups", each(OFFSET_FETCH_RESPONSE_GROUP)).from(8),
];

const OFFSET_FETCH_RESPONSE_GROUP: &[Field] = &[
    field("group_id", TEXT),
    field("topics", each(OFFSET_FETCH_RESPONSE_TOPICS)),
    field("error_code", I16),
];

const OFFSET_FETCH_RESPONSE_TOPICS: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(OFFSET_FETCH_RESPONSE_PARTITIONS)),
];

const OFFSET_FETCH_RESPONSE_PARTITIONS: &[Field] = &[
    field("partition_index", I32),
    field("committed_offset", I64),
    field("committed_leader_epoch", I32),
    field("metadata", TEXT).or_null(),
    field("error_code", I16),
];

const OFFSET_FETCH_RESPONSE_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(OFFSET_FETCH_RESPONSE_PARTITION)),
];

const OFFSET_FETCH_RESPONSE_PARTITION: &[Field] = &[
    field("partition_index", I32),
    field("committed_offset", I64),
    field("committed_leader_epoch", I32).from(5),
    field("metadata", TEXT).or_null(),
    field("error_code", I16),
];
