//! ListOffsets (key 2), versions 1 to 10: offsets by name (earliest, latest, ...) or by timestamp.

use std::collections::HashMap;
use std::sync::Arc;

use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsRequest};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use ottla_log::{Isolation, Lookup, OffsetSpec, Patience};
use ottla_model::{ErrorCode, LeaderEpoch, Millis, Offset};

use crate::handlers::Cx;
use crate::handlers::fetch::check_epoch;
use crate::reply::Handled;
use crate::topics::{Topic, TopicFault};

/// The first version that tells the record's leader epoch (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;
/// A reader of committed records only.
const READ_COMMITTED: i8 = 1;

pub(crate) fn handle(cx: &Cx<'_>, request: ListOffsetsRequest) -> Handled<ListOffsetsResponse> {
    let isolation = if request.isolation_level == READ_COMMITTED {
        Isolation::ReadCommitted
    } else {
        Isolation::ReadUncommitted
    };
    let mut mentions: HashMap<(String, i32), usize> = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *mentions
                .entry((topic.name.to_string(), partition.partition_index))
                .or_default() += 1;
        }
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in request.topics {
        let topic = cx.broker.topics.by_name(&asked.name);
        let partitions = asked.partitions.iter().map(|partition| {
            let key = (asked.name.to_string(), partition.partition_index);
            if mentions[&key] > 1 {
                return refuse(partition, ErrorCode::InvalidRequest);
            }
            look_up(cx, topic.as_ref(), partition, isolation).unwrap_or_else(|code| refuse(partition, code))
        });
        let partitions: Vec<_> = partitions.collect();
        // As on Kafka, a topic named twice is answered once, and one without partitions not at all.
        match topics
            .iter_mut()
            .find(|topic: &&mut ListOffsetsTopicResponse| topic.name == asked.name)
        {
            Some(known) => known.partitions.extend(partitions),
            None if partitions.is_empty() => {}
            None => {
                let topic = ListOffsetsTopicResponse::default().with_name(asked.name);
                topics.push(topic.with_partitions(partitions));
            }
        }
    }
    Handled::Now(ListOffsetsResponse::default().with_topics(topics))
}

fn look_up(
    cx: &Cx<'_>,
    topic: Result<&Arc<Topic>, &TopicFault>,
    asked: &ListOffsetsPartition,
    isolation: Isolation,
) -> Result<ListOffsetsPartitionResponse, ErrorCode> {
    let spec = spec_of(cx.version, asked.timestamp)?;
    let partition = topic
        .map_err(|fault| fault.code())?
        .partition(asked.partition_index)
        .map_err(|fault| fault.code())?;
    check_epoch(&partition, LeaderEpoch(asked.current_leader_epoch))?;
    let found = match partition.offset_for(spec, isolation, Patience::Now) {
        Ok(Lookup::WouldWait) => tokio::task::block_in_place(|| partition.offset_for(spec, isolation, Patience::Wait)),
        found => found,
    };
    let found = match found.map_err(|fault| fault.code())? {
        Lookup::Done(found) => found,
        Lookup::WouldWait => unreachable!("the look-up was told to wait"),
    };
    let (offset, timestamp, epoch) = match found {
        Some(found) => (found.offset, found.timestamp, found.leader_epoch),
        None => (Offset(-1), Millis(-1), LeaderEpoch::UNKNOWN),
    };
    Ok(ListOffsetsPartitionResponse::default()
        .with_partition_index(asked.partition_index)
        .with_offset(offset.0)
        .with_timestamp(timestamp.0)
        .with_leader_epoch(if cx.version >= LEADER_EPOCH_SINCE { epoch.0 } else { -1 }))
}

/// What a timestamp asks for, and the version from which it may (section "special timestamps" of ListOffsets' schema).
fn spec_of(version: i16, timestamp: i64) -> Result<OffsetSpec, ErrorCode> {
    let (spec, since) = match timestamp {
        -1 => (OffsetSpec::Latest, 1),
        -2 => (OffsetSpec::Earliest, 1),
        -3 => (OffsetSpec::MaxTimestamp, 7),
        -4 => (OffsetSpec::EarliestLocal, 8),
        -5 => (OffsetSpec::LatestTiered, 9),
        at if at >= 0 => (OffsetSpec::At(Millis(at)), 1),
        _ => return Err(ErrorCode::UnsupportedVersion),
    };
    if version >= since {
        Ok(spec)
    } else {
        Err(ErrorCode::UnsupportedVersion)
    }
}

fn refuse(asked: &ListOffsetsPartition, code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse::default()
        .with_partition_index(asked.partition_index)
        .with_error_code(code.number())
        .with_offset(-1)
        .with_timestamp(-1)
        .with_leader_epoch(-1)
}
