//! The shape of OffsetCommit.

use super::field::{Field, I16, I32, I64, TEXT, each, field};

pub(super) const REQUEST: &[Field] = &[
    field("group_id", TEXT),
    field("generation_id_or_member_epoch", I32),
    field("member_id", TEXT),
    field("group_instance_id", TEXT).or_null().from(7),
    field("retention_time_ms", I64).until(4),
    field("topics", each(OFFSET_COMMIT_REQUEST_TOPIC)),
];

const OFFSET_COMMIT_REQUEST_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(OFFSET_COMMIT_REQUEST_PARTITION)),
];

const OFFSET_COMMIT_REQUEST_PARTITION: &[Field] = &[
    field("partition_index", I32),
    field("committed_offset", I64),
    field("committed_leader_epoch", I32).from(6),
    field("committed_metadata", TEXT).or_null(),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32).from(3),
    field("topics", each(OFFSET_COMMIT_RESPONSE_TOPIC)),
];

const OFFSET_COMMIT_RESPONSE_TOPIC: &[Field] = &[
    field("name", TEXT),
    field("partitions", each(OFFSET_COMMIT_RESPONSE_PARTITION)),
];

const OFFSET_COMMIT_RESPONSE_PARTITION: &[Field] = &[field("partition_index", I32), field("error_code", I16)];
