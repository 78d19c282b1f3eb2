//! The shape of WriteTxnMarkers.

use super::field::{BOOL, Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[field("markers", each(MARKER))];

const MARKER: &[Field] = &[
    field("producer_id", I64),
    field("producer_epoch", I16),
    field("transaction_result", BOOL),
    field("topics", each(TOPIC)),
    field("coordinator_epoch", I32),
];

const TOPIC: &[Field] = &[field("name", TEXT), field("partition_indexes", list(I32))];

pub(super) const RESPONSE: &[Field] = &[field("markers", each(MARKER_RESULT))];

const MARKER_RESULT: &[Field] = &[field("producer_id", I64), field("topics", each(TOPIC_RESULT))];

const TOPIC_RESULT: &[Field] = &[field("name", TEXT), field("partitions", each(PARTITION_RESULT))];

const PARTITION_RESULT: &[Field] = &[field("partition_index", I32), field("error_code", I16)];
