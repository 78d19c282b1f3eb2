//! OffsetForLeaderEpoch (key 23), versions 2 to 4: where an epoch ended, so that a client can see whether what it read
//! still stands (KIP-320).

use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use ottla_log::EpochEnd;
use ottla_model::{ErrorCode, LeaderEpoch};

use crate::handlers::Cx;
use crate::handlers::fetch::check_epoch;
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: OffsetForLeaderEpochRequest) -> Handled<OffsetForLeaderEpochResponse> {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let answer = EpochEndOffset::default().with_partition(asked.partition);
            match look_up(cx, &topic.topic, asked) {
                Ok((epoch, offset)) => answer.with_leader_epoch(epoch).with_end_offset(offset),
                Err(code) => answer
                    .with_error_code(code.number())
                    .with_leader_epoch(-1)
                    .with_end_offset(-1),
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic)
            .with_partitions(partitions)
    });
    Handled::Now(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

fn look_up(cx: &Cx<'_>, topic: &str, asked: &OffsetForLeaderPartition) -> Result<(i32, i64), ErrorCode> {
    let topic = cx.broker.topics.by_name(topic).map_err(|fault| fault.code())?;
    let partition = topic.partition(asked.partition).map_err(|fault| fault.code())?;
    check_epoch(&partition, LeaderEpoch(asked.current_leader_epoch))?;
    // An epoch newer than any here has no end, which is no error.
    Ok(match partition.epoch_end(LeaderEpoch(asked.leader_epoch)) {
        EpochEnd::At { epoch, end } => (epoch.0, end.0),
        EpochEnd::Unknown => (-1, -1),
    })
}
