//! The shape of JoinGroup.

use super::field::{BOOL, BYTES, Field, I16, I32, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT),
    field("session_timeout_ms", I32),
    field("rebalance_timeout_ms", I32).from(1),
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null().from(5),
    field("protocol_type", TEXT),
    field("protocols", each(JOIN_GROUP_REQUEST_PROTOCOL)),
    field("reason", TEXT).or_null().from(8),
];

const JOIN_GROUP_REQUEST_PROTOCOL: &[Field] = &[field("name", TEXT), field("metadata", BYTES)];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(2),
    field("error_code", I16),
    field("generation_id", I32),
    field("protocol_type", TEXT).or_null().from(7),
    field("protocol_name", TEXT).or_null(),
    field("leader", TEXT),
    field("skip_assignment", BOOL).from(9),
    field("member_id", TEXT),
    field("members", each(JOIN_GROUP_RESPONSE_MEMBER)),
];

const JOIN_GROUP_RESPONSE_MEMBER: &[Field] = &[
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null().from(5),
    field("metadata", BYTES),
];
