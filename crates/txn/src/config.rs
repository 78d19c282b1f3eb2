//! The broker's properties that transactions obey, with Kafka's defaults.

use ottla_model::Millis;

/// What a running broker was told about transactions. Each field is one of Kafka's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionConfig {
    /// `transaction.max.timeout.ms`
    pub timeout_max: Millis,
    /// `transaction.abort.timed.out.transaction.cleanup.interval.ms`
    pub timeout_check_interval: Millis,
    /// `transactional.id.expiration.ms`
    pub id_expiration: Millis,
    /// `transaction.remove.expired.transaction.cleanup.interval.ms`
    pub id_expiration_check_interval: Millis,
}

impl Default for TransactionConfig {
    fn default() -> TransactionConfig {
        TransactionConfig {
            timeout_max: Millis(15 * 60 * 1_000),
            timeout_check_interval: Millis(10_000),
            id_expiration: Millis(7 * 24 * 60 * 60 * 1_000),
            id_expiration_check_interval: Millis(60 * 60 * 1_000),
        }
    }
}
