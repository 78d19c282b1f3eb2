//! Producer ids, handed out in blocks so that not every InitProducerId needs a record.

use ottla_coordinator::Output;
use ottla_model::{ErrorCode, ProducerId};

use crate::{Cluster, Record, Refusal, State};

/// How many ids one block has, as in Kafka.
pub const PRODUCER_IDS_PER_BLOCK: i64 = 1000;

/// Ids that nobody else has, now or ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first.
    pub first: ProducerId,
    /// How many.
    pub count: i64,
}

pub(crate) fn allocate(
    state: &State,
    broker_id: i32,
    output: &mut Output<Cluster>,
) -> Result<ProducerIdBlock, Refusal> {
    let first = state.next_producer_id();
    let next = first
        .0
        .checked_add(PRODUCER_IDS_PER_BLOCK)
        .ok_or_else(|| Refusal::new(ErrorCode::UnknownServerError, "Exhausted all producerIds"))?;
    output.record(Record::ProducerIds {
        broker_id,
        broker_epoch: 0,
        next: ProducerId(next),
    });
    Ok(ProducerIdBlock {
        first,
        count: PRODUCER_IDS_PER_BLOCK,
    })
}
