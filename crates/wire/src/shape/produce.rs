//! The shape of Produce.

use super::field::{BYTES, Field, I16, I32, I64, TEXT, UUID, each, field, one};

pub(super) const REQUEST: &[Field] = &[
    field("transactional_id", TEXT).or_null(),
    field("acks", I16),
    field("timeout_ms", I32),
    field("topic_data", each(TOPIC_PRODUCE_DATA)),
];

const TOPIC_PRODUCE_DATA: &[Field] = &[
    field("name", TEXT).until(12),
    field("topic_id", UUID).from(13),
    field("partition_data", each(PARTITION_PRODUCE_DATA)),
];

const PARTITION_PRODUCE_DATA: &[Field] = &[field("index", I32), field("records", BYTES).or_null()];

pub(super) const RESPONSE: &[Field] = &[
    field("responses", each(TOPIC_PRODUCE_RESPONSE)),
    field("throttle_time_ms", I32),
    field("node_endpoints", each(NODE_ENDPOINT)).tag(0).from(10),
];

const NODE_ENDPOINT: &[Field] = &[
    field("node_id", I32),
    field("host", TEXT),
    field("port", I32),
    field("rack", TEXT).or_null(),
];

const TOPIC_PRODUCE_RESPONSE: &[Field] = &[
    field("name", TEXT).until(12),
    field("topic_id", UUID).from(13),
    field("partition_responses", each(PARTITION_PRODUCE_RESPONSE)),
];

const PARTITION_PRODUCE_RESPONSE: &[Field] = &[
    field("index", I32),
    field("error_code", I16),
    field("base_offset", I64),
    field("log_append_time_ms", I64),
    field("log_start_offset", I64).from(5),
    field("record_errors", each(BATCH_INDEX_AND_ERROR_MESSAGE)).from(8),
    field("error_message", TEXT).or_null().from(8),
    field("current_leader", one(LEADER_ID_AND_EPOCH)).tag(0).from(10),
];

const LEADER_ID_AND_EPOCH: &[Field] = &[field("leader_id", I32), field("leader_epoch", I32)];

const BATCH_INDEX_AND_ERROR_MESSAGE: &[Field] = &[
    field("batch_index", I32),
    field("batch_index_error_message", TEXT).or_null(),
];
