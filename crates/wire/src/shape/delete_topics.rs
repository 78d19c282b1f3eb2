//! The shape of DeleteTopics.

use super::field::{Field, I16, I32, TEXT, UUID, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("topics", each(DELETE_TOPIC_STATE)).from(6),
    field("topic_names", list(TEXT)).until(5),
    field("timeout_ms", I32),
];

const DELETE_TOPIC_STATE: &[Field] = &[field("name", TEXT).or_null(), field("topic_id", UUID)];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("responses", each(DELETABLE_TOPIC_RESULT)),
];

const DELETABLE_TOPIC_RESULT: &[Field] = &[
    field("name", TEXT).or_null(),
    field("topic_id", UUID).from(6),
    field("error_code", I16),
    field("error_message", TEXT).or_null().from(5),
];
