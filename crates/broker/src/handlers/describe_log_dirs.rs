//! DescribeLogDirs (key 35), versions 1 to 4: the data directory and how much each partition takes of it.

use std::collections::{HashMap, HashSet};

use kafka_protocol::messages::describe_log_dirs_request::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResponse, DescribeLogDirsResult, DescribeLogDirsTopic,
};

use crate::handlers::{Cx, name_of, text};
use crate::reply::Handled;

pub(crate) fn handle(cx: &Cx<'_>, request: DescribeLogDirsRequest) -> Handled<DescribeLogDirsResponse> {
    let wanted: Option<HashMap<String, HashSet<i32>>> = request.topics.map(|topics| {
        let topics = topics.into_iter();
        topics
            .map(|topic| (topic.topic.to_string(), topic.partitions.into_iter().collect()))
            .collect()
    });
    let is_wanted = |topic: &str, index: i32| match &wanted {
        None => true,
        Some(wanted) => wanted.get(topic).is_some_and(|indexes| indexes.contains(&index)),
    };
    let mut topics = Vec::new();
    for topic in cx.broker.topics.all() {
        let indexes = (0..topic.partition_count() as i32).filter(|index| is_wanted(topic.name.as_str(), *index));
        let partitions: Vec<_> = indexes
            .filter_map(|index| topic.partition(index).ok().map(|partition| (index, partition)))
            .map(|(index, partition)| {
                DescribeLogDirsPartition::default()
                    .with_partition_index(index)
                    .with_partition_size(partition.size() as i64)
            })
            .collect();
        if !partitions.is_empty() {
            topics.push(
                DescribeLogDirsTopic::default()
                    .with_name(name_of(&topic.name))
                    .with_partitions(partitions),
            );
        }
    }
    let (total, usable) = volume(cx);
    let directory = DescribeLogDirsResult::default()
        .with_log_dir(text(cx.broker.config.log.dirs.first().cloned().unwrap_or_default()))
        .with_topics(topics)
        .with_total_bytes(total)
        .with_usable_bytes(usable);
    Handled::Now(DescribeLogDirsResponse::default().with_results(vec![directory]))
}

/// Size and free space of the file system that holds the data; -1 and -1 if it does not say.
fn volume(cx: &Cx<'_>) -> (i64, i64) {
    let directory = cx.broker.config.log.dirs.first().map_or(".", String::as_str);
    match rustix::fs::statvfs(directory) {
        Ok(volume) => {
            let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(volume.f_frsize)).unwrap_or(i64::MAX);
            (bytes(volume.f_blocks), bytes(volume.f_bavail))
        }
        Err(_) => (-1, -1),
    }
}
