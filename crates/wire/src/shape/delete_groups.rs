//! The shape of DeleteGroups.

use super::field::{Field, I16, I32, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[field("groups_names", list(TEXT))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("results", each(DELETABLE_GROUP_RESULT)),
];

const DELETABLE_GROUP_RESULT: &[Field] = &[field("group_id", TEXT), field("error_code", I16)];
