//! What comes after the last epoch of a producer id.

use anyhow::Result;

use crate::cases::transactions::{Producer, describe, init_request};
use crate::cases::{Case, in_versions};
use crate::script::Script;

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_versions("init_producer_id/exhausted", 4..=4, init);
    cases.extend(in_versions("end_txn/exhausted", 4..=5, end));
    cases
}

/// The last epoch that a producer is given.
const LAST: i16 = i16::MAX - 1;
/// Requests sent before their answers are waited for: every epoch takes one.
const AT_ONCE: i16 = 100;

/// Has the producer initialized until it has this epoch.
fn raise(s: &mut Script<'_>, producer: &mut Producer, epoch: i16) -> Result<()> {
    let init = init_request(&producer.name);
    while producer.epoch < epoch {
        let count = AT_ONCE.min(epoch - producer.epoch);
        for _ in 0..count {
            s.send(0, &init)?;
        }
        for _ in 0..count {
            let given = s.must_receive::<kafka_protocol::messages::InitProducerIdRequest>(0)?;
            anyhow::ensure!(
                given.error_code == 0,
                "error {} before the last epoch",
                given.error_code
            );
            producer.epoch = given.producer_epoch;
        }
    }
    Ok(())
}

/// By InitProducerId, with nothing open.
fn init(s: &mut Script<'_>, version: i16) -> Result<()> {
    let mut producer = Producer::new(s)?;
    raise(s, &mut producer, LAST - 1)?;
    s.ask("before the last", 0, &describe(&producer.name))?;
    for label in ["first", "second", "third"] {
        s.ask(label, version, &init_request(&producer.name))?;
        s.ask(format!("{label}, after"), 0, &describe(&producer.name))?;
    }
    s.ask("the old id", version.min(4), &producer.end(producer.epoch, true))?;
    producer.look(s)
}

/// By transactions that end, of which those by v5 take an epoch each.
fn end(s: &mut Script<'_>, version: i16) -> Result<()> {
    let mut producer = Producer::new(s)?;
    raise(s, &mut producer, LAST - 1)?;
    let rules = if version >= 5 { 2 } else { 1 };
    for label in ["first", "second", "third"] {
        producer.write(s, 0, rules)?;
        let before = (producer.id, producer.epoch);
        let ended = s.ask(format!("{label} end"), version, &producer.end(producer.epoch, true))?;
        producer.settle(s)?;
        s.ask(format!("{label}, after"), 0, &describe(&producer.name))?;
        let repeated = producer.end(before.1, true).with_producer_id(before.0.into());
        s.ask(format!("{label} end, repeated"), version, &repeated)?;
        producer.settle(s)?;
        match ended {
            Some(ended) if rules == 2 => (producer.id, producer.epoch) = (ended.producer_id.0, ended.producer_epoch),
            _ => producer.begin(s)?,
        }
    }
    producer.look(s)
}
