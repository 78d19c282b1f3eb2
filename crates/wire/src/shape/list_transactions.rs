//! The shape of ListTransactions.

use super::field::{Field, I16, I32, I64, TEXT, each, field, list};

pub(super) const REQUEST: &[Field] = &[
    field("state_filters", list(TEXT)),
    field("producer_id_filters", list(I64)),
    field("duration_filter", I64).from(1),
    field("transactional_id_pattern", TEXT).or_null().from(2),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("error_code", I16),
    field("unknown_state_filters", list(TEXT)),
    field("transaction_states", each(TRANSACTION)),
];

const TRANSACTION: &[Field] = &[
    field("transactional_id", TEXT),
    field("producer_id", I64),
    field("transaction_state", TEXT),
];
