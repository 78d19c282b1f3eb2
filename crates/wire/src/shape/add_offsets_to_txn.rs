//! The shape of AddOffsetsToTxn.

use super::field::{Field, I16, I32, I64, TEXT, field};

pub(super) const REQUEST: &[Field] = &[
    field("transactional_id", TEXT),
    field("producer_id", I64),
    field("producer_epoch", I16),
    field("group_id", TEXT),
];

pub(super) const RESPONSE: &[Field] = &[field("throttle_time_ms", I32), field("error_code", I16)];
