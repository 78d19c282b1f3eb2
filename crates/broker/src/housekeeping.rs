//! What a broker does when nobody asks: retention and compaction.

use std::sync::Arc;
use std::time::Duration;

use crate::Broker;

/// Looks after the logs, for ever.
pub(crate) async fn run(broker: Arc<Broker>) {
    let pause = broker
        .config
        .log
        .retention_check_interval_ms
        .min(broker.config.cleaner.backoff_ms);
    let pause = Duration::from_millis(pause.0.max(1) as u64);
    loop {
        tokio::time::sleep(pause).await;
        // Disk work, so off the tasks that serve clients.
        let keeper = Arc::clone(&broker);
        let kept = tokio::task::spawn_blocking(move || keeper.store.housekeep(keeper.clock.wall())).await;
        match kept {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::error!("old data cannot be cleaned up: {fault}"),
            Err(fault) => tracing::error!("housekeeping ended in a panic: {fault}"),
        }
    }
}
