//! The shape of Heartbeat.

use super::field::{Field, I16, I32, TEXT, field};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT),
    field("generation_id", I32),
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null().from(3),
];

pub(super) const RESPONSE: &[Field] = &[field("throttle_time_ms", I32).from(1), field("error_code", I16)];
