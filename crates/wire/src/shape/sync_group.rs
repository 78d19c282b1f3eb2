//! The shape of SyncGroup.

use super::field::{BYTES, Field, I16, I32, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT),
    field("generation_id", I32),
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null().from(3),
    field("protocol_type", TEXT).or_null().from(5),
    field("protocol_name", TEXT).or_null().from(5),
    field("assignments", each(SYNC_GROUP_REQUEST_ASSIGNMENT)),
];

const SYNC_GROUP_REQUEST_ASSIGNMENT: &[Field] = &[field("member_id", TEXT), field("assignment", BYTES)];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(1),
    field("error_code", I16),
    field("protocol_type", TEXT).or_null().from(5),
    field("protocol_name", TEXT).or_null().from(5),
    field("assignment", BYTES),
];
