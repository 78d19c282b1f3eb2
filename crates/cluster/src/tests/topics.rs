//! Topics are created, grown and deleted.

use super::*;

fn layout(partitions: i32, replication_factor: i16) -> Layout {
    Layout {
        partitions,
        replication_factor,
        assignments: Vec::new(),
    }
}

fn assigned(assignments: &[(i32, &[i32])]) -> Layout {
    let assignments = assignments.iter().map(|(partition, brokers)| Assignment {
        partition: *partition,
        brokers: brokers.to_vec(),
    });
    Layout {
        assignments: assignments.collect(),
        ..Layout::DEFAULT
    }
}

#[track_caller]
fn refused_layout(layout: Layout, code: ErrorCode, message: &str) {
    let mut scene = Scene::new();
    let topic = NewTopic {
        layout,
        ..scene.new_topic("t")
    };
    refused(scene.create_one(topic), code, message);
    assert!(scene.log.is_empty());
}

#[test]
fn a_topic_has_the_partitions_asked_for_or_the_default() {
    let mut scene = Scene::with(&["num.partitions=3"]);
    let created = scene.create("asked", 5).unwrap();
    assert_eq!(
        (created.partitions, created.replication_factor, created.id),
        (5, 1, id(101))
    );
    assert_eq!(scene.create("default", -1).unwrap().partitions, 3);
    assert_eq!(scene.names(), ["asked", "default"]);
    assert_eq!(scene.state().topic_by_id(id(101)), scene.state().topic("asked"));
    assert_eq!(scene.state().topic("asked").unwrap().partition_indexes().count(), 5);
    assert_eq!(scene.state().partition_count(), 8);
}

#[test]
fn the_driver_is_told_which_partitions_to_open_and_to_drop() {
    let mut scene = Scene::new();
    let topic = NewTopic {
        layout: layout(2, 1),
        ..scene.new_topic("t")
    };
    let (_, effects) = scene.ask_with_effects(Request::CreateTopics {
        topics: vec![topic],
        validate_only: false,
    });
    let added = |first, partitions| Effect::PartitionsAdded {
        topic: name("t"),
        id: id(101),
        first,
        partitions,
    };
    assert_eq!(effects, [added(0, 2)]);
    let topics = vec![MorePartitions {
        name: name("t"),
        count: 5,
        assignments: None,
    }];
    let (_, effects) = scene.ask_with_effects(Request::CreatePartitions {
        topics,
        validate_only: false,
    });
    assert_eq!(effects, [added(2, 5)]);
    let (_, effects) = scene.ask_with_effects(Request::DeleteTopics {
        topics: vec![TopicSelector::name("t")],
    });
    assert_eq!(
        effects,
        [Effect::TopicDeleted {
            topic: name("t"),
            id: id(101),
            partitions: 5
        }]
    );
}

#[test]
fn one_broker_holds_one_replica() {
    assert!(Scene::new().create("t", 1).is_ok());
    refused_layout(
        layout(1, 3),
        ErrorCode::InvalidReplicationFactor,
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because \
         only 1 broker(s) are registered.",
    );
    let message = "Replication factor must be larger than 0, or -1 to use the default value.";
    refused_layout(layout(1, 0), ErrorCode::InvalidReplicationFactor, message);
    refused_layout(layout(1, -2), ErrorCode::InvalidReplicationFactor, message);
}

#[test]
fn a_topic_has_at_least_one_partition() {
    let message = "Number of partitions was set to an invalid non-positive value.";
    refused_layout(layout(0, -1), ErrorCode::InvalidPartitions, message);
    refused_layout(layout(-2, -1), ErrorCode::InvalidPartitions, message);
}

#[test]
fn manual_assignments_name_this_broker_and_consecutive_partitions() {
    let mut scene = Scene::new();
    let topic = NewTopic {
        layout: assigned(&[(1, &[1]), (0, &[1])]),
        ..scene.new_topic("t")
    };
    assert_eq!(scene.create_one(topic).unwrap().partitions, 2);

    let code = ErrorCode::InvalidReplicaAssignment;
    let gap = "partitions should be a consecutive 0-based integer sequence";
    refused_layout(assigned(&[(0, &[1]), (2, &[1])]), code, gap);
    refused_layout(assigned(&[(1, &[1])]), code, gap);
    refused_layout(
        assigned(&[(0, &[1]), (0, &[1])]),
        code,
        "Found multiple manual partition assignments for partition 0",
    );
    refused_layout(
        assigned(&[(0, &[1, 2])]),
        code,
        "The manual partition assignment includes broker 2, but no such broker is registered.",
    );
    refused_layout(
        assigned(&[(0, &[1, 1])]),
        code,
        "The manual partition assignment includes the broker 1 more than once.",
    );
    refused_layout(
        assigned(&[(0, &[])]),
        code,
        "The manual partition assignment includes an empty replica list.",
    );
    refused_layout(
        Layout {
            partitions: 1,
            ..assigned(&[(0, &[1])])
        },
        ErrorCode::InvalidRequest,
        "A manual partition assignment was specified, but numPartitions was not set to -1.",
    );
    refused_layout(
        Layout {
            replication_factor: 1,
            ..assigned(&[(0, &[1])])
        },
        ErrorCode::InvalidRequest,
        "A manual partition assignment was specified, but replication factor was not set to -1.",
    );
}

#[test]
fn names_are_kafkas() {
    let mut scene = Scene::new();
    let code = ErrorCode::InvalidTopicException;
    refused(
        scene.create("", 1),
        code,
        "Topic name is invalid: the empty string is not allowed",
    );
    refused(
        scene.create("..", 1),
        code,
        "Topic name is invalid: '..' is not allowed",
    );
    refused(
        scene.create("a b", 1),
        code,
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
    );
    let long = scene.create(&"x".repeat(100_000), 1).unwrap_err();
    assert_eq!(long.code, code);
    assert!(long.message.len() < 400, "a refusal does not repeat a whole request");
}

#[test]
fn a_name_is_used_once() {
    let mut scene = Scene::new();
    scene.create("a_x", 1).unwrap();
    refused(
        scene.create("a_x", 1),
        ErrorCode::TopicAlreadyExists,
        "Topic 'a_x' already exists.",
    );
    refused(
        scene.create("a.x", 1),
        ErrorCode::InvalidTopicException,
        "Topic 'a.x' collides with existing topic: a_x",
    );
    scene.delete(TopicSelector::name("a_x")).unwrap();
    scene.create("a.x", 1).unwrap();
}

#[test]
fn colliding_names_in_one_request_do_not_collide() {
    let mut scene = Scene::new();
    let topics = vec![scene.new_topic("a.x"), scene.new_topic("a_x")];
    assert!(scene.create_all(topics).iter().all(|answer| answer.result.is_ok()));
    scene.delete(TopicSelector::name("a.x")).unwrap();
    assert_eq!(scene.state().collision("a.x"), Some(&name("a_x")));
}

#[test]
fn a_name_twice_in_a_request_is_answered_once_and_not_created() {
    let mut scene = Scene::new();
    let topics = vec![
        scene.new_topic("t"),
        scene.new_topic("u"),
        scene.new_topic("t"),
        scene.new_topic("t"),
    ];
    let answers = scene.create_all(topics);
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].name, name("u"));
    assert!(answers[0].result.is_ok());
    refused(
        answers[1].result.clone(),
        ErrorCode::InvalidRequest,
        "Duplicate topic name.",
    );
    assert_eq!(scene.names(), ["u"]);
}

#[test]
fn validating_changes_nothing_and_answers_the_same() {
    let mut scene = Scene::new();
    let topic = scene.new_topic("t");
    let reply = scene.ask(Request::CreateTopics {
        topics: vec![topic.clone()],
        validate_only: true,
    });
    assert!(scene.log.is_empty());
    let Reply::CreateTopics(answers) = reply else { panic!() };
    assert_eq!(answers, scene.create_all(vec![topic]));
    let topics = vec![MorePartitions {
        name: name("t"),
        count: 9,
        assignments: None,
    }];
    scene.ask(Request::CreatePartitions {
        topics,
        validate_only: true,
    });
    assert_eq!(scene.state().topic("t").unwrap().partitions, 1);
}

#[test]
fn internal_topics_are_made_by_coordinators_only() {
    let mut scene = Scene::with(&["offsets.topic.num.partitions=7", "auto.create.topics.enable=false"]);
    refused(
        scene.create("__consumer_offsets", 1),
        ErrorCode::InvalidRequest,
        "Creation of internal topic __consumer_offsets is prohibited.",
    );
    refused(
        scene.create("__cluster_metadata", 1),
        ErrorCode::InvalidRequest,
        "Creation of internal topic __cluster_metadata is prohibited.",
    );
    let topic = scene.ensure("__consumer_offsets", Origin::Coordinator).unwrap();
    assert_eq!(topic.partitions, 7);
    assert!(scene.topic_config("__consumer_offsets").cleanup_policy.compact);
    assert_eq!(scene.topic_config("__consumer_offsets").segment_bytes, 104_857_600);
    assert_eq!(scene.ensure("__consumer_offsets", Origin::Coordinator).unwrap(), topic);
    assert_eq!(
        scene.create("__consumer_offsets", 1).unwrap_err().code,
        ErrorCode::TopicAlreadyExists,
        "once it is there, that is the better answer"
    );
    let code = ErrorCode::InvalidTopicException;
    assert_eq!(
        scene
            .delete(TopicSelector::name("__consumer_offsets"))
            .unwrap_err()
            .code,
        code
    );
    assert_eq!(scene.grow("__consumer_offsets", 8, None).unwrap_err().code, code);
}

#[test]
fn a_topic_comes_into_being_when_it_is_asked_for_if_that_is_allowed() {
    let mut scene = Scene::with(&["num.partitions=2"]);
    let topic = scene.ensure("t", Origin::Client).unwrap();
    assert_eq!((topic.partitions, topic.id), (2, id(101)));
    assert_eq!(scene.ensure("t", Origin::Client).unwrap().id, id(101));
    assert_eq!(
        scene.ensure("a b", Origin::Client).unwrap_err().code,
        ErrorCode::InvalidTopicException
    );
    let mut scene = Scene::with(&["auto.create.topics.enable=false"]);
    assert_eq!(
        scene.ensure("t", Origin::Client).unwrap_err().code,
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        scene.ensure("__cluster_metadata", Origin::Client).unwrap_err().code,
        ErrorCode::UnknownTopicOrPartition
    );
}

#[test]
fn one_request_that_needs_a_topic_twice_makes_it_once() {
    let mut scene = Scene::new();
    let wanted = |id| Wanted {
        name: name("t"),
        id,
        origin: Origin::Client,
    };
    let Reply::EnsureTopics(answers) = scene.ask(Request::EnsureTopics {
        topics: vec![wanted(id(1)), wanted(id(2))],
    }) else {
        panic!()
    };
    assert_eq!(answers[0], answers[1]);
    assert_eq!(scene.state().topic_count(), 1);
}

#[test]
fn partitions_are_limited() {
    let mut scene = Scene::with(&["ottla.partitions.per.topic.max=10", "ottla.partitions.max=15"]);
    refused(
        scene.create("t", 11),
        ErrorCode::InvalidPartitions,
        "Topic 't' would have 11 partitions, but ottla.partitions.per.topic.max is 10.",
    );
    let topics = ["a", "b"].map(|name| NewTopic {
        layout: layout(8, 1),
        ..scene.new_topic(name)
    });
    let answers = scene.create_all(topics.to_vec());
    assert!(answers[0].result.is_ok());
    refused(
        answers[1].result.clone(),
        ErrorCode::PolicyViolation,
        "The cluster would have 16 partitions, but ottla.partitions.max is 15.",
    );
    scene.create("c", 6).unwrap();
    assert_eq!(scene.grow("a", 10, None).unwrap_err().code, ErrorCode::PolicyViolation);
    assert_eq!(
        scene.grow("a", i32::MAX, None).unwrap_err().code,
        ErrorCode::InvalidPartitions
    );
}

#[test]
fn a_topic_is_deleted_by_name_or_by_id() {
    let mut scene = Scene::new();
    scene.create_configured("t", &[("retention.ms", "1")]).unwrap();
    scene.create("u", 2).unwrap();
    scene.delete(TopicSelector::name("t")).unwrap();
    scene.delete(TopicSelector::id(id(102))).unwrap();
    assert_eq!(*scene.state(), scene.replayed());
    assert_eq!((scene.state().topic_count(), scene.state().partition_count()), (0, 0));
    assert!(scene.state().topic_configs("t").is_empty(), "its configs go with it");
    let gone = "This server does not host this topic-partition.";
    refused(
        scene.delete(TopicSelector::name("t")),
        ErrorCode::UnknownTopicOrPartition,
        gone,
    );
    let gone = "This server does not host this topic ID.";
    refused(
        scene.delete(TopicSelector::id(id(102))),
        ErrorCode::UnknownTopicId,
        gone,
    );
}

#[test]
fn a_selector_says_one_thing_once() {
    let mut scene = Scene::new();
    scene.create("t", 1).unwrap();
    let neither = TopicSelector {
        name: None,
        id: TopicId::ZERO,
    };
    let both = TopicSelector {
        name: Some(name("t")),
        id: id(101),
    };
    let code = ErrorCode::InvalidRequest;
    refused(scene.delete(neither), code, "Neither topic name nor id were specified.");
    refused(
        scene.delete(both),
        code,
        "You may not specify both topic name and topic id.",
    );
    let by_name = || TopicSelector::name("t");
    let by_id = || TopicSelector::id(id(101));
    for (selectors, message) in [
        (vec![by_name(), by_name()], "Duplicate topic name."),
        (vec![by_id(), by_id()], "Duplicate topic id."),
        (
            vec![by_id(), by_name()],
            "The provided topic name maps to an ID that was already supplied.",
        ),
    ] {
        let answers = scene.delete_all(selectors);
        assert_eq!(answers.len(), 1);
        refused(answers[0].result.clone(), code, message);
        assert_eq!(scene.names(), ["t"]);
    }
}

#[test]
fn deletion_can_be_turned_off() {
    let mut scene = Scene::with(&["delete.topic.enable=false"]);
    scene.create("t", 1).unwrap();
    let result = scene.delete(TopicSelector::name("t"));
    refused(result, ErrorCode::TopicDeletionDisabled, "Topic deletion is disabled.");
    assert_eq!(scene.names(), ["t"]);
}

#[test]
fn the_number_of_partitions_only_grows() {
    let mut scene = Scene::new();
    scene.create("t", 3).unwrap();
    let code = ErrorCode::InvalidPartitions;
    refused(scene.grow("t", 3, None), code, "Topic already has 3 partition(s).");
    refused(
        scene.grow("t", 2, None),
        code,
        "The topic t currently has 3 partition(s); 2 would not be an increase.",
    );
    assert_eq!(
        scene.grow("none", 5, None).unwrap_err().code,
        ErrorCode::UnknownTopicOrPartition
    );
    let code = ErrorCode::InvalidReplicaAssignment;
    refused(
        scene.grow("t", 5, Some(vec![vec![1]])),
        code,
        "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
    );
    assert_eq!(scene.grow("t", 4, Some(vec![vec![2]])).unwrap_err().code, code);
    scene.grow("t", 4, Some(vec![vec![1]])).unwrap();
    scene.grow("t", 6, None).unwrap();
    assert_eq!(scene.state().topic("t").unwrap().partitions, 6);
}

#[test]
fn producer_ids_are_handed_out_in_blocks_once() {
    let mut scene = Scene::new();
    for block in 0..3 {
        let Reply::AllocateProducerIds(Ok(ids)) = scene.ask(Request::AllocateProducerIds) else {
            panic!()
        };
        assert_eq!((ids.first.0, ids.count), (block * 1000, 1000));
    }
    assert_eq!(scene.replayed().next_producer_id().0, 3000);
}

#[test]
fn the_cluster_has_the_id_it_was_first_given() {
    let mut scene = Scene::new();
    let boot = |id: &str| Request::Bootstrap {
        cluster_id: id.to_owned(),
        features: vec![("metadata.version".to_owned(), 30), ("group.version".to_owned(), 1)],
    };
    assert_eq!(scene.state().cluster_id(), None);
    scene.ask(boot("first"));
    assert_eq!(
        scene.log[0],
        Record::FeatureLevel {
            name: "metadata.version".to_owned(),
            level: 30
        }
    );
    let written = scene.log.len();
    assert_eq!(
        scene.ask(boot("second")),
        Reply::Bootstrap {
            cluster_id: "first".to_owned()
        }
    );
    assert_eq!(scene.log.len(), written, "nothing to say twice");
    assert_eq!(scene.replayed().cluster_id(), Some("first"));
    assert_eq!(
        scene.state().features().collect::<Vec<_>>(),
        [("group.version", 1), ("metadata.version", 30)]
    );
    assert!(
        scene.state().configs(&Resource::brokers()).is_empty(),
        "the id is not a config anybody sees"
    );
}
