//! The specification of this crate, as tests. One small language: a [`Scene`] is a broker that is asked things.

mod broker_config;
mod configs;
mod describe;
mod properties;
mod records;
mod replay;
mod topics;

use std::convert::Infallible;
use std::sync::Arc;

use ottla_coordinator::{Appended, Entry, Position, Shard, Ticket};
use ottla_model::{ErrorCode, Millis, Offset, TopicId, TopicName};

use crate::config::{BrokerConfig, BrokerConfigLoader, Profile};
use crate::*;

/// A broker with a log.
struct Scene {
    settings: Arc<BrokerConfig>,
    shard: Shard<Cluster>,
    log: Vec<Record>,
    ids: u128,
}

impl Scene {
    fn new() -> Scene {
        Scene::with(&[])
    }

    fn with(settings: &[&str]) -> Scene {
        let loader = settings
            .iter()
            .fold(BrokerConfigLoader::new(Profile::Dev), |loader, text| loader.set(text));
        let settings = Arc::new(loader.load().unwrap().config);
        Scene {
            settings,
            shard: Shard::default(),
            log: Vec::new(),
            ids: 100,
        }
    }

    fn state(&self) -> &State {
        self.shard.state()
    }

    fn ask(&mut self, request: Request) -> Reply {
        self.ask_with_effects(request).0
    }

    fn ask_with_effects(&mut self, request: Request) -> (Reply, Vec<Effect>) {
        let command = Command {
            settings: Arc::clone(&self.settings),
            request,
        };
        let log = &mut self.log;
        let append = |records: &[Record]| {
            let base = Offset(log.len() as i64);
            log.extend_from_slice(records);
            Ok::<_, Infallible>(Appended {
                base,
                timestamp: Millis(0),
                position: Position(log.len() as u64),
            })
        };
        let step = self.shard.submit(Millis(0), Ticket(7), command, append).unwrap();
        let (ticket, reply) = step.replies.into_iter().next().unwrap();
        assert_eq!(ticket, Ticket(7));
        (reply, step.effects)
    }

    /// The state after a restart.
    fn replayed(&self) -> State {
        let mut shard = Shard::<Cluster>::default();
        for (record, offset) in self.log.iter().zip(0..) {
            let value = encode(record);
            let record = decode(&value).unwrap().unwrap();
            shard.replay(&Entry {
                offset: Offset(offset),
                timestamp: Millis(0),
                record,
            });
        }
        shard.state().clone()
    }

    fn fresh_id(&mut self) -> TopicId {
        self.ids += 1;
        id(self.ids)
    }

    fn new_topic(&mut self, name: &str) -> NewTopic {
        NewTopic {
            name: name.into(),
            id: self.fresh_id(),
            layout: Layout::DEFAULT,
            configs: Vec::new(),
        }
    }

    fn create_all(&mut self, topics: Vec<NewTopic>) -> Vec<TopicAnswer> {
        match self.ask(Request::CreateTopics {
            topics,
            validate_only: false,
        }) {
            Reply::CreateTopics(answers) => answers,
            other => panic!("{other:?}"),
        }
    }

    fn create_one(&mut self, topic: NewTopic) -> Result<CreatedTopic, Refusal> {
        let answers = self.create_all(vec![topic]);
        assert_eq!(answers.len(), 1);
        answers.into_iter().next().unwrap().result
    }

    fn create(&mut self, name: &str, partitions: i32) -> Result<CreatedTopic, Refusal> {
        let topic = self.new_topic(name);
        self.create_one(NewTopic {
            layout: Layout {
                partitions,
                ..Layout::DEFAULT
            },
            ..topic
        })
    }

    fn create_configured(&mut self, name: &str, configs: &[(&str, &str)]) -> Result<CreatedTopic, Refusal> {
        let configs = configs
            .iter()
            .map(|(name, value)| (name.to_string(), Some(value.to_string())))
            .collect();
        let topic = self.new_topic(name);
        self.create_one(NewTopic { configs, ..topic })
    }

    fn ensure(&mut self, name: &str, origin: Origin) -> Result<Topic, Refusal> {
        let wanted = Wanted {
            name: name.into(),
            id: self.fresh_id(),
            origin,
        };
        match self.ask(Request::EnsureTopics { topics: vec![wanted] }) {
            Reply::EnsureTopics(answers) => answers.into_iter().next().unwrap().1,
            other => panic!("{other:?}"),
        }
    }

    fn delete_all(&mut self, topics: Vec<TopicSelector>) -> Vec<DeletedTopic> {
        match self.ask(Request::DeleteTopics { topics }) {
            Reply::DeleteTopics(answers) => answers,
            other => panic!("{other:?}"),
        }
    }

    fn delete(&mut self, topic: TopicSelector) -> Result<(), Refusal> {
        self.delete_all(vec![topic]).into_iter().next().unwrap().result
    }

    fn grow(&mut self, name: &str, count: i32, assignments: Option<Vec<Vec<i32>>>) -> Result<(), Refusal> {
        let topics = vec![MorePartitions {
            name: name.into(),
            count,
            assignments,
        }];
        match self.ask(Request::CreatePartitions {
            topics,
            validate_only: false,
        }) {
            Reply::CreatePartitions(answers) => answers.into_iter().next().unwrap().result,
            other => panic!("{other:?}"),
        }
    }

    fn alter_all(&mut self, changes: Vec<ResourceChange>) -> Vec<Result<(), Refusal>> {
        match self.ask(Request::AlterConfigs {
            changes,
            validate_only: false,
        }) {
            Reply::AlterConfigs(answers) => answers.into_iter().map(|answer| answer.result).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn alter(
        &mut self,
        resource: Resource,
        operation: ConfigOperation,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), Refusal> {
        let change = ConfigChange {
            name: name.to_owned(),
            operation,
            value: value.map(str::to_owned),
        };
        self.alter_all(vec![ResourceChange {
            resource,
            changes: vec![change],
        }])
        .into_iter()
        .next()
        .unwrap()
    }

    fn set(&mut self, resource: Resource, name: &str, value: &str) -> Result<(), Refusal> {
        self.alter(resource, ConfigOperation::Set, name, Some(value))
    }

    fn names(&self) -> Vec<&str> {
        self.state().topics().map(|topic| topic.name.as_str()).collect()
    }

    fn topic_config(&self, name: &str) -> config::TopicConfig {
        let settings = self.state().broker_config(&self.settings);
        self.state().topic_config(name, &settings)
    }
}

fn id(number: u128) -> TopicId {
    TopicId(number.to_be_bytes().to_vec().try_into().unwrap())
}

/// The answer was "no", with this code and these words.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, code: ErrorCode, message: &str) {
    assert_eq!(result.unwrap_err(), Refusal::new(code, message));
}

fn name(text: &str) -> TopicName {
    text.into()
}
