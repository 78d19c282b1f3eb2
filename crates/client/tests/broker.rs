//! The client against a running broker: Kafka itself, or Ottla.
//!
//! `OTTLA_TEST_BOOTSTRAP=127.0.0.1:9092 cargo test -p ottla-client --test broker -- --ignored`

#![allow(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use ottla_client::{
    Acks, Admin, Client, ClientConfig, ConfigChange, ConsumedRecord, Consumer, ConsumerConfig, Event, NewTopic,
    OffsetSpec, Producer, ProducerConfig, ProducerRecord, Reset, Resource, partition_of_key,
};
use ottla_model::{ErrorCode, TopicPartition};

/// One topic and one group of a test's own, on the broker under test.
struct Scene {
    client: Client,
    admin: Admin,
    topic: String,
    group: String,
}

impl Scene {
    async fn new(name: &str, partitions: i32) -> Scene {
        let bootstrap = std::env::var("OTTLA_TEST_BOOTSTRAP").expect("OTTLA_TEST_BOOTSTRAP names a broker");
        let client = Client::connect(ClientConfig::new(&bootstrap).client_id(name))
            .await
            .unwrap();
        let admin = Admin::new(client.clone());
        let unique = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let topic = format!("{name}-{unique}");
        let new = NewTopic {
            name: topic.clone(),
            partitions: Some(partitions),
            ..NewTopic::default()
        };
        for (_, outcome) in admin.create_topics(&[new], false).await.unwrap() {
            outcome.unwrap();
        }
        Scene {
            client,
            admin,
            group: format!("group-{topic}"),
            topic,
        }
    }

    fn producer(&self, config: ProducerConfig) -> Producer {
        Producer::start(self.client.clone(), config).unwrap()
    }

    fn record(&self, partition: Option<i32>, key: Option<&str>, value: &str) -> ProducerRecord {
        ProducerRecord {
            topic: self.topic.clone(),
            partition,
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
            ..ProducerRecord::default()
        }
    }

    async fn produce(&self, partition: i32, count: usize) {
        let producer = self.producer(ProducerConfig::default());
        let mut deliveries = Vec::new();
        for number in 0..count {
            let record = self.record(Some(partition), None, &number.to_string());
            deliveries.push(producer.send(record).await.unwrap());
        }
        for delivery in deliveries {
            delivery.wait().await.unwrap();
        }
    }

    fn partition(&self, index: i32) -> TopicPartition {
        TopicPartition::new(self.topic.as_str(), index)
    }

    fn config(&self) -> ConsumerConfig {
        ConsumerConfig {
            group: Some(self.group.clone()),
            reset: Reset::Earliest,
            heartbeat_interval: Duration::from_millis(200),
            session_timeout: Duration::from_secs(6),
            auto_commit: None,
            ..ConsumerConfig::default()
        }
    }

    fn member(&self) -> Consumer {
        Consumer::subscribe(self.client.clone(), self.config(), &[&self.topic]).unwrap()
    }

    async fn end(&self) {
        self.admin.delete_topics(&[&self.topic]).await.unwrap();
    }
}

/// A broker may know a little later what its controller already does.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..50 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within 5 s");
}

/// Polls until `count` records came.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<ConsumedRecord> {
    let mut records = Vec::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while records.len() < count {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} of {count} records",
            records.len()
        );
        if let Some(Event::Records(more)) = consumer.poll(Duration::from_millis(500)).await.unwrap() {
            records.extend(more);
        }
    }
    records
}

/// Polls until the member was assigned something, and returns the indexes.
async fn assigned(consumer: &mut Consumer) -> BTreeSet<i32> {
    for _ in 0..60 {
        if let Some(Event::Assigned(partitions)) = consumer.poll(Duration::from_millis(500)).await.unwrap() {
            return partitions.into_iter().map(|partition| partition.index.0).collect();
        }
    }
    panic!("nothing was assigned");
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn topics_are_created_described_grown_configured_and_deleted() {
    let scene = Scene::new("topics", 2).await;
    let again = NewTopic {
        name: scene.topic.clone(),
        ..NewTopic::default()
    };
    let outcome = scene.admin.create_topics(&[again], false).await.unwrap();
    let error = outcome.into_iter().next().unwrap().1.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists));
    assert!(error.to_string().contains("CreateTopics for topic topics-"), "{error}");

    scene.admin.create_partitions(&scene.topic, 3).await.unwrap();
    let described = async || scene.admin.describe(Some(&[&scene.topic])).await.unwrap();
    let is_grown = async || described().await.topics[&scene.topic].partitions.len() == 3;
    eventually("3 partitions", is_grown).await;
    let cluster = described().await;
    assert!(!cluster.topics[&scene.topic].id.is_zero());
    assert!(
        scene
            .admin
            .describe(None)
            .await
            .unwrap()
            .topics
            .contains_key(&scene.topic)
    );

    let resource = Resource::Topic(scene.topic.clone());
    let change = ConfigChange::Set("retention.ms".into(), "123456".into());
    scene.admin.alter_configs(&resource, &[change], false).await.unwrap();
    let is_changed = async || {
        let asked = scene.admin.describe_configs(&resource, Some(&["retention.ms"]));
        let configs = asked.await.unwrap();
        configs[0].value.as_deref() == Some("123456") && !configs[0].is_default
    };
    eventually("the new retention", is_changed).await;
    let unknown = ConfigChange::Set("no.such".into(), "1".into());
    let error = scene
        .admin
        .alter_configs(&resource, &[unknown], false)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::InvalidConfig), "{error}");

    scene.end().await;
    let outcome = scene.admin.delete_topics(&["no-such-topic"]).await.unwrap();
    let code = outcome[0].1.as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn records_come_back_as_they_were_sent() {
    let scene = Scene::new("records", 3).await;
    let producer = scene.producer(ProducerConfig::default());
    let mut sent = scene.record(None, Some("key"), "value");
    sent.headers = vec![("a".into(), Some(Bytes::from_static(b"1"))), ("b".into(), None)];
    sent.timestamp = Some(1_700_000_000_000);
    let delivered = producer.send(sent.clone()).await.unwrap().wait().await.unwrap();
    let index = partition_of_key(b"key", 3) as i32;
    assert_eq!(delivered.partition, scene.partition(index));
    assert_eq!(delivered.offset, Some(0));

    let config = ConsumerConfig {
        reset: Reset::Earliest,
        ..ConsumerConfig::default()
    };
    let partitions = [scene.partition(0), scene.partition(1), scene.partition(2)];
    let mut consumer = Consumer::assign(scene.client.clone(), config, &partitions)
        .await
        .unwrap();
    let record = read(&mut consumer, 1).await.remove(0);
    assert_eq!((record.key, record.value), (sent.key, sent.value));
    assert_eq!((record.headers, record.timestamp), (sent.headers, 1_700_000_000_000));

    let tombstone = ProducerRecord {
        value: None,
        ..scene.record(Some(0), Some("k"), "")
    };
    producer.send(tombstone).await.unwrap();
    producer.close().await;
    assert_eq!(read(&mut consumer, 1).await[0].value, None);
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn every_acks_keeps_each_partition_in_order() {
    for (acks, idempotent) in [
        (Acks::All, true),
        (Acks::All, false),
        (Acks::Leader, false),
        (Acks::None, false),
    ] {
        let scene = Scene::new("acks", 2).await;
        // With acks 0 nobody hears of a partition that is not ready yet, so make it so.
        scene.produce(0, 1).await;
        scene.produce(1, 1).await;
        let config = ProducerConfig {
            acks,
            idempotent,
            ..ProducerConfig::default()
        };
        let producer = scene.producer(config);
        for number in 0..2_000 {
            let record = scene.record(Some(number % 2), None, &number.to_string());
            producer.send(record).await.unwrap();
        }
        producer.close().await;
        let partitions = [scene.partition(0), scene.partition(1)];
        let mut consumer = Consumer::assign(scene.client.clone(), scene.config(), &partitions)
            .await
            .unwrap();
        let records = read(&mut consumer, 2_002).await;
        for index in 0..2 {
            let of_partition = records
                .iter()
                .filter(|record| record.partition.index.0 == index && record.offset > 0);
            let values: Vec<i32> = of_partition
                .map(|record| {
                    std::str::from_utf8(record.value.as_ref().unwrap())
                        .unwrap()
                        .parse()
                        .unwrap()
                })
                .collect();
            assert!(values.len() == 1_000 && values.is_sorted(), "{acks:?} {idempotent}");
        }
        scene.end().await;
    }
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn a_group_resumes_where_it_committed() {
    let scene = Scene::new("resume", 1).await;
    scene.produce(0, 10).await;
    let mut first = scene.member();
    let records = read(&mut first, 10).await;
    assert_eq!(records[9].offset, 9);
    let offsets = BTreeMap::from([(scene.partition(0), 4)]);
    first.commit_offsets(&offsets).await.unwrap();
    first.close().await.unwrap();

    let committed = scene.admin.committed(&scene.group, None).await.unwrap();
    assert_eq!(committed[&scene.partition(0)].offset, 4);
    let mut second = scene.member();
    assert_eq!(read(&mut second, 6).await[0].offset, 4);
    second.seek(&scene.partition(0), 8).unwrap();
    assert_eq!(read(&mut second, 2).await[0].offset, 8);
    second.commit().await.unwrap();
    let committed = scene
        .admin
        .committed(&scene.group, Some(&[scene.partition(0)]))
        .await
        .unwrap();
    assert_eq!(committed[&scene.partition(0)].offset, 10);
    second.close().await.unwrap();
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn members_share_the_partitions_and_take_over() {
    let scene = Scene::new("share", 4).await;
    let mut first = scene.member();
    assert_eq!(assigned(&mut first).await, BTreeSet::from([0, 1, 2, 3]));
    let mut second = scene.member();
    let joining = tokio::spawn(async move {
        let indexes = assigned(&mut second).await;
        (second, indexes)
    });
    let revoked = loop {
        if let Some(Event::Revoked(partitions)) = first.poll(Duration::from_millis(500)).await.unwrap() {
            break partitions;
        }
    };
    assert_eq!(revoked.len(), 4);
    let mine = assigned(&mut first).await;
    let (second, theirs) = joining.await.unwrap();
    assert_eq!((mine.len(), theirs.len()), (2, 2));
    assert!(mine.is_disjoint(&theirs));

    let description = scene.admin.describe_group(&scene.group).await.unwrap();
    assert_eq!(
        (description.state.as_str(), description.protocol.as_str()),
        ("Stable", "range")
    );
    assert_eq!(description.members.len(), 2);
    let owned: usize = description
        .members
        .iter()
        .map(|member| member.assignment[&scene.topic].len())
        .sum();
    assert_eq!(owned, 4);
    let listed = scene.admin.list_groups().await.unwrap();
    assert!(
        listed
            .iter()
            .any(|group| group.id == scene.group && group.state == "Stable")
    );

    second.close().await.unwrap();
    assert_eq!(assigned(&mut first).await, BTreeSet::from([0, 1, 2, 3]));
    first.close().await.unwrap();
    scene.admin.delete_group(&scene.group).await.unwrap();
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn offsets_are_found_altered_and_deleted() {
    let scene = Scene::new("offsets", 1).await;
    scene.produce(0, 5).await;
    let zero = scene.partition(0);
    let at = async |spec| {
        let found = scene
            .admin
            .list_offsets(std::slice::from_ref(&zero), spec, false)
            .await
            .unwrap();
        found[&zero].offset
    };
    assert_eq!(at(OffsetSpec::Earliest).await, Some(0));
    assert_eq!(at(OffsetSpec::Latest).await, Some(5));
    assert_eq!(at(OffsetSpec::AtOrAfter(0)).await, Some(0));
    assert_eq!(at(OffsetSpec::AtOrAfter(i64::MAX)).await, None);

    let starts = scene
        .admin
        .delete_records(&BTreeMap::from([(zero.clone(), 3)]))
        .await
        .unwrap();
    assert_eq!(starts[&zero], 3);
    assert_eq!(at(OffsetSpec::Earliest).await, Some(3));

    let wanted = BTreeMap::from([(zero.clone(), 1)]);
    scene.admin.alter_offsets(&scene.group, &wanted).await.unwrap();
    let mut member = scene.member();
    // Offset 1 is gone, so the consumer starts anew at the first that is there.
    assert_eq!(read(&mut member, 2).await[0].offset, 3);
    member.close().await.unwrap();
    scene
        .admin
        .delete_offsets(&scene.group, std::slice::from_ref(&zero))
        .await
        .unwrap();
    assert!(scene.admin.committed(&scene.group, None).await.unwrap().is_empty());
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn a_silent_member_is_lost_and_comes_back() {
    let scene = Scene::new("lost", 1).await;
    let config = ConsumerConfig {
        poll_interval_max: Duration::from_secs(1),
        ..scene.config()
    };
    let mut member = Consumer::subscribe(scene.client.clone(), config, &[&scene.topic]).unwrap();
    assigned(&mut member).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let event = member.poll(Duration::from_secs(1)).await.unwrap();
    assert_eq!(event, Some(Event::Lost(vec![scene.partition(0)])));
    assert_eq!(assigned(&mut member).await, BTreeSet::from([0]));
    member.close().await.unwrap();
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a broker, and OTTLA_TEST_RESTART, a command that restarts it"]
async fn an_idempotent_producer_and_a_member_survive_a_restart() {
    let command = std::env::var("OTTLA_TEST_RESTART").expect("OTTLA_TEST_RESTART is a command");
    let scene = Scene::new("restart", 2).await;
    let mut member = scene.member();
    assigned(&mut member).await;
    let restart = tokio::task::spawn_blocking(move || {
        std::thread::sleep(Duration::from_millis(500));
        let status = std::process::Command::new("sh").args(["-c", &command]).status();
        assert!(status.unwrap().success());
    });
    let producer = scene.producer(ProducerConfig::default());
    let mut deliveries = Vec::new();
    for number in 0..2_000 {
        let record = scene.record(Some(number % 2), None, &number.to_string());
        deliveries.push(producer.send(record).await.unwrap());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for delivery in deliveries {
        delivery.wait().await.unwrap();
    }
    restart.await.unwrap();
    let records = read(&mut member, 2_000).await;
    let mut values: Vec<(i32, i64, i32)> = Vec::new();
    for record in &records {
        let value = std::str::from_utf8(record.value.as_ref().unwrap()).unwrap();
        values.push((record.partition.index.0, record.offset, value.parse().unwrap()));
    }
    values.sort();
    let expected = (0..2).flat_map(|index| (0..1_000).map(move |offset| (index, offset.into(), offset * 2 + index)));
    assert_eq!(values, expected.collect::<Vec<_>>());
    member.close().await.unwrap();
    scene.end().await;
}

#[tokio::test]
#[ignore = "needs a broker"]
async fn a_record_that_is_too_large_names_its_size() {
    let scene = Scene::new("large", 1).await;
    let producer = scene.producer(ProducerConfig::default());
    let record = ProducerRecord {
        value: Some(vec![0; 2 << 20].into()),
        ..scene.record(Some(0), None, "")
    };
    let error = producer.send(record).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("2097173 bytes is above the limit of 1048576"),
        "{error}"
    );
    scene.end().await;
}
