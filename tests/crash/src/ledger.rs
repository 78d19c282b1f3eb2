//! What a sequential client was promised: records and commits with their acknowledgements, to be asked for again later.

use std::net::SocketAddr;

use ottla_log::Codec;

use crate::client::{Client, Membership};
use crate::content::{Shape, Value, batch};
use crate::trouble::{Trouble, expect};

/// The promises of one partition and one group.
#[derive(Debug)]
pub struct Ledger {
    topic: String,
    group: String,
    shape: Shape,
    producer: u64,
    /// Numbers given to values so far.
    given: u64,
    /// The offset and the first value of each acknowledged batch.
    acked: Vec<(i64, Value)>,
    /// The largest commit sent.
    sent: i64,
    /// The last commit acknowledged.
    committed: i64,
}

impl Ledger {
    /// An empty ledger. The topic must exist; `producer` tells its values from others.
    pub fn new(topic: &str, producer: u64, record_bytes: usize) -> Ledger {
        Ledger {
            topic: topic.to_owned(),
            group: format!("{topic}-{producer}"),
            shape: Shape {
                records: 1,
                record_bytes,
                codec: Codec::None,
            },
            producer,
            given: 0,
            acked: Vec::new(),
            sent: 0,
            committed: 0,
        }
    }

    /// Batches acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acked.len()
    }

    /// Sends one record with acks=all; the error code if it is refused.
    pub fn write(&mut self, client: &mut Client) -> Result<Result<(), i16>, Trouble> {
        let value = Value::new(self.producer, 0, self.given);
        self.given += 1;
        let answer = client.produce(&self.topic, 0, -1, batch(value, self.shape, None))?;
        Ok(answer.map(|offset| self.acked.push((offset, value))))
    }

    /// Commits the next offset; the error code if it is refused.
    pub fn commit(&mut self, client: &mut Client) -> Result<Result<(), i16>, Trouble> {
        self.sent += 1;
        let answer = client.commit(&self.group, &Membership::default(), &self.topic, &[(0, self.sent)])?;
        Ok(answer.map(|()| self.committed = self.sent))
    }

    /// Demands that every promise is kept, by a broker that runs at this address.
    pub fn demand(&self, address: SocketAddr) -> Result<(), Trouble> {
        let mut client = Client::open(address)?;
        self.demand_records(&mut client)?;
        if self.committed > 0 {
            client.find_coordinator(&self.group)?;
        }
        self.demand_commit(&mut client)
    }

    /// Demands the records alone.
    pub fn demand_records(&self, client: &mut Client) -> Result<(), Trouble> {
        let start = client.list_offset(&self.topic, 0, -2)?;
        let end = client.list_offset(&self.topic, 0, -1)?;
        let mut found = Vec::new();
        let mut next = start;
        while next < end {
            let fetched = client.fetch(&self.topic, &[(0, next)], 500)?;
            let records = fetched
                .into_iter()
                .flat_map(|fetched| fetched.records)
                .collect::<Vec<_>>();
            let Some((last, _)) = records.last() else { break };
            next = last + 1;
            found.extend(records);
        }
        expect(next >= end, || {
            format!("{} can be read up to {next}, it ends at {end}", self.topic)
        })?;
        for (offset, value) in &self.acked {
            let at = found.binary_search_by_key(offset, |(offset, _)| *offset);
            let there = at.ok().map(|at| found[at].1);
            expect(there == Some(*value), || {
                format!(
                    "{value} was acknowledged at {offset} of {}, there is {there:?}; the end is {end}",
                    self.topic
                )
            })?;
        }
        let mut values = found.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        values.sort();
        let doubled = values.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        expect(doubled.is_none(), || format!("{doubled:?} is in {} twice", self.topic))
    }

    /// Demands the commit alone: the last acknowledged, or one sent after it.
    pub fn demand_commit(&self, client: &mut Client) -> Result<(), Trouble> {
        let found = client.committed(&self.group, &self.topic, &[0])?;
        let offset = found.as_ref().ok().and_then(|found| found.first()?.1).unwrap_or(0);
        expect((self.committed..=self.sent).contains(&offset), || {
            format!(
                "commit {} of {} was acknowledged, there is {found:?}",
                self.committed, self.group
            )
        })
    }
}
