//! The shape of AddPartitionsToTxn.

use super::field::{BOOL, Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("transactions", each(TRANSACTION)).from(4),
    field("v3_and_below_transactional_id", TEXT).until(3),
    field("v3_and_below_producer_id", I64).until(3),
    field("v3_and_below_producer_epoch", I16).until(3),
    field("v3_and_below_topics", each(TOPIC)).until(3),
];

const TRANSACTION: &[Field] = &[
    field("transactional_id", TEXT),
    field("producer_id", I64),
    field("producer_epoch", I16),
    field("verify_only", BOOL),
    field("topics", each(TOPIC)),
];

const TOPIC: &[Field] = &[field("name", TEXT), field("partitions", list(I32))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("error_code", I16).from(4),
    field("results_by_transaction", each(RESULT)).from(4),
    field("results_by_topic_v3_and_below", each(TOPIC_RESULT)).until(3),
];

const RESULT: &[Field] = &[
    field("transactional_id", TEXT),
    field("topic_results", each(TOPIC_RESULT)),
];

const TOPIC_RESULT: &[Field] = &[
    field("name", TEXT),
    field("results_by_partition", each(PARTITION_RESULT)),
];

const PARTITION_RESULT: &[Field] = &[field("partition_index", I32), field("partition_error_code", I16)];
