//! OffsetDelete (key 47), version 0: forget a group's positions in topics it no longer reads (KIP-496).

use kafka_protocol::messages::offset_delete_request::OffsetDeleteRequest;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use ottla_group::{Command, OffsetDelete, Reply, TopicAnswers};
use ottla_model::{ErrorCode, PartitionIndex, TopicName};

use crate::handlers::{Cx, ask, group_id, topic_name};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: OffsetDeleteRequest) -> Handled<OffsetDeleteResponse> {
    let driver = match cx.broker.groups.of(&request.group_id) {
        Ok(driver) => driver,
        Err(code) => return Handled::Now(refuse(code)),
    };
    let known = request.topics.iter().filter_map(|asked| {
        let topic = cx.broker.topics.by_name(&asked.name).ok()?;
        let count = topic.partition_count() as i32;
        let indexes = asked.partitions.iter().map(|partition| partition.partition_index);
        let known = indexes.filter(|index| (0..count).contains(index)).map(PartitionIndex);
        Some((topic.name.clone(), known.collect()))
    });
    let command = Command::OffsetDelete(OffsetDelete {
        group: group_id(&request.group_id),
        topics: known.collect(),
    });
    ask(&driver, command, move |reply| match reply {
        Ok(Reply::OffsetDelete(Ok(answers))) => answer(&request, &answers),
        Ok(Reply::OffsetDelete(Err(code))) | Err(code) => refuse(code),
        Ok(other) => unreachable!("an OffsetDelete is answered as one, not with {other:?}"),
    })
}

/// What the coordinator was not asked about does not exist. A topic without partitions is left out, as on Kafka.
fn answer(request: &OffsetDeleteRequest, answers: &[TopicAnswers]) -> OffsetDeleteResponse {
    let code_of = |topic: &TopicName, index: i32| {
        let partitions = answers
            .iter()
            .filter(|answer| answer.topic == *topic)
            .flat_map(|answer| &answer.partitions);
        match partitions.into_iter().find(|(known, _)| known.0 == index) {
            Some((_, Ok(()))) => ErrorCode::None,
            Some((_, Err(code))) => *code,
            None => ErrorCode::UnknownTopicOrPartition,
        }
    };
    let topics = request
        .topics
        .iter()
        .filter(|topic| !topic.partitions.is_empty())
        .map(|topic| {
            let name = topic_name(&topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(code_of(&name, partition.partition_index).number())
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions)
        });
    OffsetDeleteResponse::default().with_topics(topics.collect())
}

fn refuse(code: ErrorCode) -> OffsetDeleteResponse {
    OffsetDeleteResponse::default().with_error_code(code.number())
}
