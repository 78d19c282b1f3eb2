//! The shape of DescribeTransactions.

use super::field::{Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[field("transactional_ids", list(TEXT))];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("transaction_states", each(TRANSACTION)),
];

const TRANSACTION: &[Field] = &[
    field("error_code", I16),
    field("transactional_id", TEXT),
    field("transaction_state", TEXT),
    field("transaction_timeout_ms", I32),
    field("transaction_start_time_ms", I64),
    field("producer_id", I64),
    field("producer_epoch", I16),
    field("topics", each(TOPIC)),
];

const TOPIC: &[Field] = &[field("topic", TEXT), field("partitions", list(I32))];
