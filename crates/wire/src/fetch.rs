//! The answer to Fetch, encoded around its records.
//!
//! Crate `kafka-protocol` would copy every record into one buffer. Here the records stay the chunks they are, and only
//! what stands between them is written.

use bytes::{BufMut, Bytes, BytesMut};
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset, PartitionIndex, ProducerId, TopicId, TopicName};

use crate::header::ResponseHeader;
use crate::response::{EncodeFault, Frame};
use crate::table::Api;
use crate::varint;

/// An answer to Fetch, in whatever version; fields a version lacks are left out.
#[derive(Clone, Debug)]
pub struct FetchAnswer {
    /// How long the client is held back.
    pub throttle_time: Millis,
    /// What is wrong with the request as a whole, or with its session (v7).
    pub error: ErrorCode,
    /// The fetch session, or 0 for none (v7, KIP-227).
    pub session_id: i32,
    /// What was read, by topic.
    pub topics: Vec<FetchTopic>,
    /// Where the leaders named in `current_leader` are (v16, KIP-951).
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// The partitions of one topic.
#[derive(Clone, Debug)]
pub struct FetchTopic {
    /// Its name, used up to v12.
    pub name: TopicName,
    /// Its identity, used from v13 (KIP-516).
    pub id: TopicId,
    /// What was read.
    pub partitions: Vec<FetchPartition>,
}

/// What was read from one partition. The default is "nothing, no error".
#[derive(Clone, Debug)]
pub struct FetchPartition {
    /// Which one.
    pub index: PartitionIndex,
    /// What went wrong, if anything.
    pub error: ErrorCode,
    /// The end of what consumers may see; -1 beside an error.
    pub high_watermark: Offset,
    /// The end of what read_committed consumers may see; -1 beside an error.
    pub last_stable_offset: Offset,
    /// The first offset still there (v5); -1 beside an error.
    pub log_start_offset: Offset,
    /// Where the client's log left this one (v12, KIP-595).
    pub diverging_epoch: Option<DivergingEpoch>,
    /// Who leads instead of this broker (v12).
    pub current_leader: Option<CurrentLeader>,
    /// Aborted transactions among the records; `None` is null, which read_uncommitted clients get.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica to read from next (v11, KIP-392); -1 for this one.
    pub preferred_read_replica: i32,
    /// Whole batches, in any number of chunks. None is an empty byte string on the wire, never null, on which some
    /// clients fail.
    pub records: Vec<Bytes>,
}

/// The largest epoch both logs share, and where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivergingEpoch {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its end.
    pub end_offset: Offset,
}

/// A leader, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurrentLeader {
    /// The broker's id, or -1.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

/// A transaction whose records a read_committed client must skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose transaction.
    pub producer_id: ProducerId,
    /// Its first offset in the partition.
    pub first_offset: Offset,
}

/// Where a broker listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The broker's id.
    pub node_id: i32,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Its rack, if it has one.
    pub rack: Option<String>,
}

impl Default for FetchPartition {
    fn default() -> FetchPartition {
        FetchPartition {
            index: PartitionIndex(0),
            error: ErrorCode::None,
            high_watermark: Offset::ZERO,
            last_stable_offset: Offset(-1),
            log_start_offset: Offset(-1),
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: -1,
            records: Vec::new(),
        }
    }
}

impl FetchAnswer {
    /// Encodes the whole frame. Chunks of records above a few hundred bytes are passed on, not copied.
    ///
    /// Fails if the frame would be above 2 GiB, or a text too long for its length.
    pub fn encode(&self, version: i16, correlation_id: i32) -> Result<Frame, EncodeFault> {
        let mut writer = Writer::new(version);
        writer.out.put_i32(0);
        ResponseHeader { correlation_id }.encode(Api::Fetch, version, &mut writer.out);
        writer.out.put_i32(writer.whole_millis(self.throttle_time));
        if version >= 7 {
            writer.out.put_i16(self.error.number());
            writer.out.put_i32(self.session_id);
        }
        writer.count(self.topics.len());
        for topic in &self.topics {
            writer.topic(topic);
        }
        if version >= 16 && !self.node_endpoints.is_empty() {
            writer.tagged(&[(0, self.encode_node_endpoints(version))]);
        } else {
            writer.tagged(&[]);
        }
        writer.finish()
    }

    fn encode_node_endpoints(&self, version: i16) -> BytesMut {
        let mut writer = Writer::new(version);
        writer.count(self.node_endpoints.len());
        for node in &self.node_endpoints {
            writer.out.put_i32(node.node_id);
            writer.text(Some(&node.host));
            writer.out.put_i32(node.port);
            writer.text(node.rack.as_deref());
            writer.tagged(&[]);
        }
        writer.out
    }
}

struct Writer {
    version: i16,
    is_flexible: bool,
    /// What was written since the last chunk.
    out: BytesMut,
    chunks: Vec<Bytes>,
    bytes_in_chunks: usize,
    fault: Option<&'static str>,
}

impl Writer {
    fn new(version: i16) -> Writer {
        Writer {
            version,
            is_flexible: Api::Fetch.is_flexible(version),
            out: BytesMut::new(),
            chunks: Vec::new(),
            bytes_in_chunks: 0,
            fault: None,
        }
    }

    fn topic(&mut self, topic: &FetchTopic) {
        if self.version >= 13 {
            self.out.put_slice(topic.id.0.as_bytes());
        } else {
            self.text(Some(topic.name.as_str()));
        }
        self.count(topic.partitions.len());
        for partition in &topic.partitions {
            self.partition(partition);
        }
        self.tagged(&[]);
    }

    fn partition(&mut self, partition: &FetchPartition) {
        self.out.put_i32(partition.index.0);
        self.out.put_i16(partition.error.number());
        self.out.put_i64(partition.high_watermark.0);
        self.out.put_i64(partition.last_stable_offset.0);
        if self.version >= 5 {
            self.out.put_i64(partition.log_start_offset.0);
        }
        self.aborted_transactions(partition.aborted_transactions.as_deref());
        if self.version >= 11 {
            self.out.put_i32(partition.preferred_read_replica);
        }
        self.records(&partition.records);
        self.tagged(&partition_tags(partition));
    }

    fn aborted_transactions(&mut self, aborted: Option<&[AbortedTransaction]>) {
        let Some(aborted) = aborted else {
            return self.null_array();
        };
        self.count(aborted.len());
        for transaction in aborted {
            self.out.put_i64(transaction.producer_id.0);
            self.out.put_i64(transaction.first_offset.0);
            self.tagged(&[]);
        }
    }

    fn records(&mut self, chunks: &[Bytes]) {
        // The length of bytes is laid out like the count of an array.
        self.count(chunks.iter().map(Bytes::len).sum());
        for chunk in chunks {
            if chunk.len() <= COPIED_BYTES_MAX {
                self.out.put_slice(chunk);
            } else {
                self.cut();
                self.bytes_in_chunks += chunk.len();
                self.chunks.push(chunk.clone());
            }
        }
    }

    /// Ends the chunk under way.
    fn cut(&mut self) {
        if !self.out.is_empty() {
            self.bytes_in_chunks += self.out.len();
            self.chunks.push(self.out.split().freeze());
        }
    }

    fn count(&mut self, count: usize) {
        match i32::try_from(count) {
            Ok(count) if self.is_flexible => varint::write(&mut self.out, count as u32 + 1),
            Ok(count) => self.out.put_i32(count),
            Err(_) => self.fault = Some("above 2 GiB"),
        }
    }

    fn null_array(&mut self) {
        if self.is_flexible {
            self.out.put_u8(0);
        } else {
            self.out.put_i32(-1);
        }
    }

    fn text(&mut self, text: Option<&str>) {
        match text.map(|text| (i16::try_from(text.len()), text)) {
            Some((Ok(length), text)) => {
                if self.is_flexible {
                    varint::write(&mut self.out, length as u32 + 1);
                } else {
                    self.out.put_i16(length);
                }
                self.out.put_slice(text.as_bytes());
            }
            Some((Err(_), _)) => self.fault = Some("a text is above 32767 bytes"),
            None if self.is_flexible => self.out.put_u8(0),
            None => self.out.put_i16(-1),
        }
    }

    fn tagged(&mut self, fields: &[(u32, BytesMut)]) {
        if !self.is_flexible {
            return;
        }
        varint::write(&mut self.out, fields.len() as u32);
        for (tag, value) in fields {
            varint::write(&mut self.out, *tag);
            varint::write(&mut self.out, value.len() as u32);
            self.out.put_slice(value);
        }
    }

    fn whole_millis(&self, span: Millis) -> i32 {
        span.0.clamp(0, i64::from(i32::MAX)) as i32
    }

    fn finish(mut self) -> Result<Frame, EncodeFault> {
        self.cut();
        let fault = |what: &str| EncodeFault {
            api: Api::Fetch,
            version: self.version,
            what: what.to_owned(),
        };
        if let Some(what) = self.fault {
            return Err(fault(what));
        }
        Frame::with_length(self.chunks, self.bytes_in_chunks).ok_or_else(|| fault("above 2 GiB"))
    }
}

fn partition_tags(partition: &FetchPartition) -> Vec<(u32, BytesMut)> {
    let mut tags = Vec::new();
    if let Some(diverging) = partition.diverging_epoch {
        let mut value = BytesMut::new();
        value.put_i32(diverging.epoch.0);
        value.put_i64(diverging.end_offset.0);
        value.put_u8(0);
        tags.push((0, value));
    }
    if let Some(leader) = partition.current_leader {
        let mut value = BytesMut::new();
        value.put_i32(leader.leader_id);
        value.put_i32(leader.leader_epoch.0);
        value.put_u8(0);
        tags.push((1, value));
    }
    tags
}

/// Below this, copying costs less than one more piece of a vectored write.
const COPIED_BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests;
