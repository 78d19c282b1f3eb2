//! Replaying the log gives the state that was live.

use super::*;
use proptest::prelude::*;

const NAMES: [&str; 8] = [
    "a",
    "a.b",
    "a_b",
    "c",
    "d",
    "__consumer_offsets",
    "__transaction_state",
    "bad name",
];
const CONFIGS: [&str; 5] = [
    "retention.ms",
    "cleanup.policy",
    "segment.bytes",
    "message.max.bytes",
    "nonsense",
];
const VALUES: [&str; 6] = ["1", "-1", "2097152", "compact", "delete,compact", ""];

/// One step: what to do, and which of the names, numbers and values to do it with.
type Choice = (u8, usize, usize, usize, i32, bool);

fn request(scene: &mut Scene, choice: Choice) -> Request {
    let (what, one, two, three, number, flag) = choice;
    let (first, second) = (NAMES[one % 8], NAMES[two % 8]);
    match what % 10 {
        0 | 1 => {
            let mut topics = vec![scene.new_topic(first), scene.new_topic(second)];
            topics[0].layout.partitions = number;
            if flag {
                topics[1].configs = vec![config(two, three)];
            }
            let validate_only = three == 7;
            Request::CreateTopics { topics, validate_only }
        }
        2 => {
            let origin = if flag { Origin::Client } else { Origin::Coordinator };
            let mut wanted = |name: &str| {
                let (name, id) = (name.into(), scene.fresh_id());
                Wanted { name, id, origin }
            };
            let topics = vec![wanted(first), wanted(second)];
            Request::EnsureTopics { topics }
        }
        3 => {
            let topics = vec![TopicSelector::name(first), TopicSelector::id(id(100 + three as u128))];
            Request::DeleteTopics { topics }
        }
        4 => {
            let (name, count, assignments, validate_only) = (first.into(), number, None, !flag);
            let topics = vec![MorePartitions {
                name,
                count,
                assignments,
            }];
            Request::CreatePartitions { topics, validate_only }
        }
        5..=8 => config_request(choice),
        _ if flag => Request::AllocateProducerIds,
        _ => {
            let features = vec![("metadata.version".to_owned(), number as i16)];
            let cluster_id = first.to_owned();
            Request::Bootstrap { cluster_id, features }
        }
    }
}

fn config_request((what, one, two, three, number, _): Choice) -> Request {
    let resource = match three % 4 {
        0 => Resource::brokers(),
        1 => Resource::broker(1),
        _ => Resource::topic(NAMES[one % 8]),
    };
    let validate_only = three == 7;
    if what == 8 {
        let configs = vec![config(two, three)];
        let replacements = vec![ConfigReplacement { resource, configs }];
        return Request::ReplaceConfigs {
            replacements,
            validate_only,
        };
    }
    let (name, value) = config(two, three);
    let operation = ConfigOperation::from_number((number % 5) as i8);
    let changes = vec![ConfigChange { name, operation, value }];
    let changes = vec![ResourceChange { resource, changes }];
    Request::AlterConfigs { changes, validate_only }
}

fn config(name: usize, value: usize) -> (String, Option<String>) {
    (CONFIGS[name % 5].to_owned(), Some(VALUES[value % 6].to_owned()))
}

/// What must hold of every state.
fn check(state: &State) {
    let topics: Vec<&Topic> = state.topics().collect();
    assert!(topics.is_sorted_by_key(|topic| &topic.name));
    assert_eq!(topics.len(), state.topic_count());
    assert_eq!(
        topics.iter().map(|topic| i64::from(topic.partitions)).sum::<i64>(),
        state.partition_count()
    );
    for topic in &topics {
        assert!(topic.partitions > 0, "a topic has partitions");
        assert_eq!(state.topic(topic.name.as_str()), Some(*topic));
        assert_eq!(state.topic_by_id(topic.id), Some(*topic));
        assert_eq!(
            state.collision(topic.name.as_str()).is_some(),
            topic.name.as_str().contains(['.', '_'])
        );
    }
    for name in state.configured(ResourceKind::Topic) {
        assert!(state.topic(name).is_some(), "only topics that exist have configs");
        assert!(!state.topic_configs(name).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_replayed_log_gives_the_state_that_wrote_it(
        choices in proptest::collection::vec((0u8..10, 0usize..8, 0usize..8, 0usize..8, -1i32..6, any::<bool>()), 1..25)
    ) {
        let mut scene = Scene::with(&["ottla.partitions.max=200", "offsets.topic.num.partitions=3",
            "transaction.state.log.num.partitions=2"]);
        for choice in choices {
            let before = (scene.state().clone(), scene.log.len());
            let request = request(&mut scene, choice);
            let (_, effects) = scene.ask_with_effects(request);
            if scene.log.len() == before.1 {
                prop_assert_eq!(scene.state(), &before.0);
                prop_assert!(effects.is_empty(), "what wrote nothing has no effect");
            }
            check(scene.state());
        }
        prop_assert_eq!(&scene.replayed(), scene.state());
    }
}
