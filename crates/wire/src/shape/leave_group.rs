//! The shape of LeaveGroup.

use super::field::{Field, I16, I32, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT),
    field("member_id", TEXT).until(2),
    field("members", each(MEMBER_IDENTITY)).from(3),
];

const MEMBER_IDENTITY: &[Field] = &[
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null(),
    field("reason", TEXT).or_null().from(5),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(1),
    field("error_code", I16),
    field("members", each(MEMBER_RESPONSE)).from(3),
];

const MEMBER_RESPONSE: &[Field] = &[
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null(),
    field("error_code", I16),
];
