//! The shape of FindCoordinator.

use super::field::{Field, I8, I16, I32, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("key", TEXT).until(3),
    field("key_type", I8).from(1),
    field("coordinator_keys", list(TEXT)).from(4),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(1),
    field("error_code", I16).until(3),
    field("error_message", TEXT).or_null().from(1).until(3),
    field("node_id", I32).until(3),
    field("host", TEXT).until(3),
    field("port", I32).until(3),
    field("coordinators", each(COORDINATOR)).from(4),
];

const COORDINATOR: &[Field] = &[
    field("key", TEXT),
    field("node_id", I32),
    field("host", TEXT),
    field("port", I32),
    field("error_code", I16),
    field("error_message", TEXT).or_null(),
];
