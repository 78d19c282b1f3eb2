//! What must be there before a case begins: a broker that is up, topics that can be used.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, ProduceRequest, TopicName, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use crate::batch::Batch;
use crate::script::{Broker, Script, Topic};

/// Waits until the broker at `address` serves groups, producers and topics, and makes what all cases share.
pub fn broker(address: &str, slowness: u32) -> Result<Broker> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let mut broker = Broker {
        address: address.to_owned(),
        node_id: -1,
        // Always as long, so that sizes do not differ between runs.
        run: format!("x{:08x}", (now / 10) as u32),
        base_time: now / 1000 * 1000 - 3_600_000,
        slowness,
        shared: Topic::default(),
    };
    let mut script = Script::new(&broker, 0);
    let metadata = script.must(12, &MetadataRequest::default().with_topics(Some(vec![])))?;
    let node_id = metadata.controller_id.0;
    wait_for_coordinators(&mut script)?;
    let name = TopicName(StrBytes::from_string(format!("{}-all-shared", broker.run)));
    let shared = create_topic(&mut script, name, 3, &[])?;
    for batch in 0..5 {
        let records = Batch::of(script.time(batch * 100), &["one", "two"]);
        produce(&mut script, &shared, 0, &records)?;
    }
    broker.node_id = node_id;
    broker.shared = shared;
    Ok(broker)
}

fn wait_for_coordinators(script: &mut Script<'_>) -> Result<()> {
    const STARTING: [i16; 3] = [14, 15, 16];
    for number in 0..20 {
        let group = GroupId(script.name(&format!("warm-{number}")));
        let beat = HeartbeatRequest::default()
            .with_group_id(group)
            .with_member_id(StrBytes::from_static_str("m"));
        let find = FindCoordinatorRequest::default().with_key(beat.group_id.0.clone());
        wait("the group coordinator", || {
            script.must(1, &find)?;
            Ok(!STARTING.contains(&script.must(3, &beat)?.error_code))
        })?;
    }
    // Whoever asks for it first has Kafka make `__transaction_state`.
    let name = script.name("warm");
    let find = FindCoordinatorRequest::default()
        .with_key(name.clone())
        .with_key_type(1);
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(name)))
        .with_transaction_timeout_ms(1000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    wait("the transaction coordinator", || {
        script.must(1, &find)?;
        Ok(script.must(4, &init)?.error_code == 0)
    })?;
    wait("producer ids", || {
        let init = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(1000);
        Ok(script.must(1, &init)?.error_code == 0)
    })
}

/// Creates a topic and waits until each partition can be used.
pub fn create_topic(
    script: &mut Script<'_>,
    name: TopicName,
    partitions: i32,
    configs: &[(&str, &str)],
) -> Result<Topic> {
    let configs = configs.iter().map(|(key, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string((*key).to_owned()))
            .with_value(Some(StrBytes::from_string((*value).to_owned())))
    });
    let topic = CreatableTopic::default()
        .with_name(name.clone())
        .with_num_partitions(partitions)
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response = script.must(7, &request)?;
    let created = response.topics.first().context("CreateTopics names no topic")?;
    if created.error_code != 0 {
        bail!("cannot create {}: {}", name.0, created.error_code);
    }
    let id = created.topic_id;
    await_topic(script, &name, partitions)?;
    Ok(Topic { name, id })
}

/// Waits until `partitions` partitions of a topic can be used.
pub fn await_topic(script: &mut Script<'_>, name: &TopicName, partitions: i32) -> Result<()> {
    let of_topic = MetadataRequestTopic::default().with_name(Some(name.clone()));
    let metadata = MetadataRequest::default()
        .with_topics(Some(vec![of_topic]))
        .with_allow_auto_topic_creation(false);
    wait("the topic's leaders", || {
        let response = script.must(12, &metadata)?;
        let leads = |p: &kafka_protocol::messages::metadata_response::MetadataResponsePartition| p.error_code == 0;
        Ok(response
            .topics
            .iter()
            .all(|t| t.partitions.iter().filter(|p| leads(p)).count() == partitions as usize))
    })?;
    let latest = |index| {
        ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_timestamp(-1)
    };
    let topic = ListOffsetsTopic::default()
        .with_name(name.clone())
        .with_partitions((0..partitions).map(latest).collect());
    let request = ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    wait("the topic's partitions", || {
        let response = script.must(5, &request)?;
        Ok(response
            .topics
            .iter()
            .all(|t| t.partitions.iter().all(|p| p.error_code == 0)))
    })
}

/// Writes a batch that must be taken.
pub fn produce(script: &mut Script<'_>, topic: &Topic, partition: i32, batch: &Batch) -> Result<i64> {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(batch.bytes()));
    let topic_data = TopicProduceData::default()
        .with_name(topic.name.clone())
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic_data]);
    let response = script.must(9, &request)?;
    let answer = response
        .responses
        .first()
        .and_then(|topic| topic.partition_responses.first());
    let answer = answer.context("Produce answers no partition")?;
    if answer.error_code != 0 {
        bail!("cannot produce to {}: {}", topic.name.0, answer.error_code);
    }
    Ok(answer.base_offset)
}

/// Deletes a topic and waits until it is gone.
pub fn delete_topic(script: &mut Script<'_>, name: &TopicName) -> Result<()> {
    let request = DeleteTopicsRequest::default()
        .with_topic_names(vec![name.clone()])
        .with_timeout_ms(10_000);
    let response = script.must(5, &request)?;
    if response.responses.iter().any(|topic| topic.error_code != 0) {
        bail!("cannot delete {}", name.0);
    }
    let of_topic = MetadataRequestTopic::default().with_name(Some(name.clone()));
    let metadata = MetadataRequest::default()
        .with_topics(Some(vec![of_topic]))
        .with_allow_auto_topic_creation(false);
    wait("the topic's end", || {
        let response = script.must(12, &metadata)?;
        Ok(response.topics.iter().all(|topic| topic.error_code != 0))
    })
}

fn wait(what: &str, mut is_there: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_there()? {
        if Instant::now() > deadline {
            bail!("{what} did not come up");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
