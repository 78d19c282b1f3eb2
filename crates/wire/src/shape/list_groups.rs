//! The shape of ListGroups.

use super::field::{Field, I16, I32, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("states_filter", list(TEXT)).from(4),
    field("types_filter", list(TEXT)).from(5),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(1),
    field("error_code", I16),
    field("groups", each(LISTED_GROUP)),
];

const LISTED_GROUP: &[Field] = &[
    field("group_id", TEXT),
    field("protocol_type", TEXT),
    field("group_state", TEXT).from(4),
    field("group_type", TEXT).from(5),
];
