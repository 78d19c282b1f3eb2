//! The shape of InitProducerId.

use super::field::{Field, I16, I32, I64, TEXT, field};

pub(super) const REQUEST: &[Field] = &[
    field("transactional_id", TEXT).or_null(),
    field("transaction_timeout_ms", I32),
    field("producer_id", I64).from(3),
    field("producer_epoch", I16).from(3),
];

pub(super) const RESPONSE: &[Field] = &[
    field("throttle_time_ms", I32),
    field("error_code", I16),
    field("producer_id", I64),
    field("producer_epoch", I16),
];
