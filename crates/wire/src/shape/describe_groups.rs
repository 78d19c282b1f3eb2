//! The shape of DescribeGroups.

use super::field::{BOOL, BYTES, Field, I16, I32, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("groups", list(TEXT)),
    field("include_authorized_operations", BOOL).from(3),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(1),
    field("groups", each(DESCRIBED_GROUP)),
];

const DESCRIBED_GROUP: &[Field] = &[
    field("error_code", I16),
    field("error_message", TEXT).or_null().from(6),
    field("group_id", TEXT),
    field("group_state", TEXT),
    field("protocol_type", TEXT),
    field("protocol_data", TEXT),
    field("members", each(DESCRIBED_GROUP_MEMBER)),
    field("authorized_operations", I32).from(3),
];

const DESCRIBED_GROUP_MEMBER: &[Field] = &[
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null().from(4),
    field("client_id", TEXT),
    field("client_host", TEXT),
    field("member_metadata", BYTES),
    field("member_assignment", BYTES),
];
