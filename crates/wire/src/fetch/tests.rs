//! Equal to crate `kafka-protocol`, byte by byte, whatever the version and the content.

use kafka_protocol::messages::fetch_response as theirs;
use kafka_protocol::messages::{BrokerId, FetchResponse};
use kafka_protocol::protocol::StrBytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::encode;

fn records() -> impl Strategy<Value = Vec<Bytes>> {
    let length = prop_oneof![Just(0), 1..40usize, COPIED_BYTES_MAX - 1..COPIED_BYTES_MAX + 200];
    vec(
        (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length].into()),
        0..4,
    )
}

prop_compose! {
    fn partition()(
        numbers in any::<(i32, i64, i64, i64, i32)>(),
        error in proptest::sample::select(ErrorCode::ALL),
        diverging in option::of((0i32..9, any::<i64>())),
        leader in option::of((0i32..9, any::<i32>())),
        aborted in option::of(vec(any::<(i64, i64)>(), 0..3)),
        records in records(),
    ) -> FetchPartition {
        FetchPartition {
            index: PartitionIndex(numbers.0),
            error,
            high_watermark: Offset(numbers.1),
            last_stable_offset: Offset(numbers.2),
            log_start_offset: Offset(numbers.3),
            diverging_epoch: diverging.map(|(epoch, end)| DivergingEpoch {
                epoch: LeaderEpoch(epoch),
                end_offset: Offset(end),
            }),
            current_leader: leader.map(|(leader_id, epoch)| CurrentLeader {
                leader_id,
                leader_epoch: LeaderEpoch(epoch),
            }),
            aborted_transactions: aborted.map(|aborted| {
                let transaction = |(id, first)| AbortedTransaction {
                    producer_id: ProducerId(id),
                    first_offset: Offset(first),
                };
                aborted.into_iter().map(transaction).collect()
            }),
            preferred_read_replica: numbers.4,
            records,
        }
    }
}

prop_compose! {
    fn answer()(
        throttle in 0..i32::MAX,
        session_id in any::<i32>(),
        error in proptest::sample::select(ErrorCode::ALL),
        topics in vec(("[a-z]{0,20}", any::<u128>(), vec(partition(), 0..4)), 0..4),
        nodes in vec((any::<i32>(), "[a-z.]{0,20}", any::<i32>(), option::of("[a-z]{0,5}")), 0..3),
    ) -> FetchAnswer {
        let topic = |(name, id, partitions): (String, _, _)| FetchTopic {
            name: name.as_str().into(),
            id: TopicId(uuid::Uuid::from_u128(id)),
            partitions,
        };
        let node = |(node_id, host, port, rack)| NodeEndpoint { node_id, host, port, rack };
        FetchAnswer {
            throttle_time: Millis(throttle.into()),
            error,
            session_id,
            topics: topics.into_iter().map(topic).collect(),
            node_endpoints: nodes.into_iter().map(node).collect(),
        }
    }
}

fn their_partition(ours: &FetchPartition, version: i16) -> theirs::PartitionData {
    let mut partition = theirs::PartitionData::default()
        .with_partition_index(ours.index.0)
        .with_error_code(ours.error.number())
        .with_high_watermark(ours.high_watermark.0)
        .with_last_stable_offset(ours.last_stable_offset.0)
        .with_log_start_offset(ours.log_start_offset.0)
        .with_records(Some(ours.records.concat().into()))
        .with_aborted_transactions(ours.aborted_transactions.as_ref().map(|aborted| {
            let transaction = |ours: &AbortedTransaction| {
                theirs::AbortedTransaction::default()
                    .with_producer_id(ours.producer_id.0.into())
                    .with_first_offset(ours.first_offset.0)
            };
            aborted.iter().map(transaction).collect()
        }));
    if version >= 11 {
        partition.preferred_read_replica = BrokerId(ours.preferred_read_replica);
    }
    if let Some(diverging) = ours.diverging_epoch.filter(|_| version >= 12) {
        partition.diverging_epoch = theirs::EpochEndOffset::default()
            .with_epoch(diverging.epoch.0)
            .with_end_offset(diverging.end_offset.0);
    }
    if let Some(leader) = ours.current_leader.filter(|_| version >= 12) {
        partition.current_leader = theirs::LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(leader.leader_id))
            .with_leader_epoch(leader.leader_epoch.0);
    }
    partition
}

fn their_answer(ours: &FetchAnswer, version: i16) -> FetchResponse {
    let topic = |ours: &FetchTopic| {
        let mut topic = theirs::FetchableTopicResponse::default();
        if version >= 13 {
            topic.topic_id = ours.id.0;
        } else {
            topic.topic = StrBytes::from_string(ours.name.to_string()).into();
        }
        let partitions = ours.partitions.iter();
        topic.with_partitions(
            partitions
                .map(|partition| their_partition(partition, version))
                .collect(),
        )
    };
    let node = |ours: &NodeEndpoint| {
        theirs::NodeEndpoint::default()
            .with_node_id(BrokerId(ours.node_id))
            .with_host(StrBytes::from_string(ours.host.clone()))
            .with_port(ours.port)
            .with_rack(ours.rack.clone().map(StrBytes::from_string))
    };
    let mut answer = FetchResponse::default()
        .with_throttle_time_ms(ours.throttle_time.0 as i32)
        .with_responses(ours.topics.iter().map(topic).collect());
    if version >= 7 {
        answer.error_code = ours.error.number();
        answer.session_id = ours.session_id;
    }
    if version >= 16 {
        answer.node_endpoints = ours.node_endpoints.iter().map(node).collect();
    }
    answer
}

proptest! {
    #[test]
    fn every_version_is_encoded_as_the_codec_does(answer in answer(), correlation_id in any::<i32>()) {
        for version in Api::Fetch.handled().iter() {
            let frame = answer.encode(version, correlation_id).unwrap();
            let expected = encode(Api::Fetch, version, correlation_id, &their_answer(&answer, version)).unwrap();
            prop_assert_eq!(frame.bytes_total(), expected.len());
            prop_assert_eq!(frame.chunks().concat(), expected, "v{}", version);
            prop_assert!(frame.chunks().iter().all(|chunk| !chunk.is_empty()));
        }
    }
}

#[test]
fn large_chunks_are_passed_on_and_small_ones_are_copied() {
    let large = Bytes::from(vec![7; 10_000]);
    let partition = FetchPartition {
        records: vec![large.clone(), Bytes::from_static(b"small")],
        ..FetchPartition::default()
    };
    let answer = FetchAnswer {
        throttle_time: Millis(0),
        error: ErrorCode::None,
        session_id: 0,
        topics: vec![FetchTopic {
            name: "t".into(),
            id: TopicId::ZERO,
            partitions: vec![partition],
        }],
        node_endpoints: Vec::new(),
    };
    let frame = answer.encode(12, 1).unwrap();
    assert_eq!(frame.chunks().len(), 3);
    assert_eq!(frame.chunks()[1].as_ptr(), large.as_ptr());
}
