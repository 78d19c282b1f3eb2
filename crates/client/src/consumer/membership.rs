//! Membership of a classic group: join, sync, leave (section by section Kafka's `AbstractCoordinator`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{GroupId, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest};
use ottla_model::{ErrorCode, TopicPartition};
use ottla_wire::Api;
use tokio::task::JoinHandle;

use super::ConsumerConfig;
use super::heartbeat::{Beat, Health, Pulse, beat};
use crate::client::{Client, text};
use crate::connection::Connection;
use crate::error::{ClientError, Result};
use crate::group::{Assignment, Subscription, range};

/// A member of a group.
pub(super) struct Membership {
    client: Client,
    config: ConsumerConfig,
    group: String,
    subscription: Subscription,
    member: String,
    generation: i32,
    is_joined: bool,
    gave_back: bool,
    pulse: Arc<Pulse>,
    heart: Option<JoinHandle<()>>,
}

impl Membership {
    pub(super) fn new(client: Client, config: ConsumerConfig, topics: &[&str]) -> Membership {
        Membership {
            client,
            group: config.group.clone().unwrap_or_default(),
            config,
            subscription: Subscription {
                topics: topics.iter().map(|topic| topic.to_string()).collect(),
            },
            member: String::new(),
            generation: -1,
            is_joined: false,
            gave_back: false,
            pulse: Arc::new(Pulse::new()),
            heart: None,
        }
    }

    /// Member id and generation, for commits.
    pub(super) fn identity(&self) -> (String, i32) {
        (self.member.clone(), self.generation)
    }

    pub(super) fn polled(&self) {
        self.pulse.polled();
    }

    pub(super) fn fatal(&self) -> Option<ClientError> {
        self.pulse.take_fatal()
    }

    /// Waits until there is something to do for the group.
    pub(super) async fn news(&self) {
        self.pulse.news().await;
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_joined && matches!(self.pulse.health(), Health::Lost | Health::Forgotten)
    }

    pub(super) fn must_join(&self) -> bool {
        !self.is_joined || self.pulse.health() != Health::Well
    }

    /// Whether the partitions are still owned and have to be given back first; true once a rebalance.
    pub(super) fn gives_back(&mut self) -> bool {
        let gives_back = self.is_joined && self.pulse.health() == Health::Rebalance && !self.gave_back;
        self.gave_back |= gives_back;
        gives_back
    }

    /// Joins, or joins again, and returns what is assigned. Tries again for as long as the client's call time-out from
    /// the first failure on.
    pub(super) async fn join(&mut self) -> Result<Vec<TopicPartition>> {
        self.stop_heart();
        if self.pulse.health() == Health::Forgotten {
            self.member.clear();
        }
        self.is_joined = false;
        let deadline = Instant::now() + self.client.config().call_timeout;
        let backoff = self.client.config().retry_backoff;
        loop {
            let error = match self.join_once().await {
                Ok(partitions) => return Ok(partitions),
                Err(error) => error,
            };
            match error.code() {
                Some(ErrorCode::MemberIdRequired | ErrorCode::RebalanceInProgress) => continue,
                Some(ErrorCode::UnknownMemberId) => self.member.clear(),
                Some(ErrorCode::IllegalGeneration) => {}
                _ if error.is_retriable() && Instant::now() < deadline => {
                    self.client.forget_coordinator(&self.group);
                }
                _ => return Err(error),
            }
            tracing::debug!(%error, group = self.group, "joining again");
            tokio::time::sleep(backoff).await;
        }
    }

    /// Leaves the group; a static member stays in it until its session times out.
    pub(super) async fn leave(mut self) -> Result<()> {
        self.stop_heart();
        if self.member.is_empty() || self.config.instance.is_some() {
            return Ok(());
        }
        if self.is_joined {
            return leave(&self.client, &self.group, &self.member, None).await;
        }
        // A join that was given up may still wait for its answer, and the broker works through a connection in order.
        let left = leave(&self.client.fork(), &self.group, &self.member, None).await;
        match left.as_ref().err().and_then(ClientError::code) {
            Some(ErrorCode::UnknownMemberId) => Ok(()),
            _ => left,
        }
    }

    async fn join_once(&mut self) -> Result<Vec<TopicPartition>> {
        let connection = self.client.coordinator(&self.group).await?;
        self.generation = -1;
        let joined = self.ask_join(&connection).await?;
        let assignments = if joined.leader == joined.member_id && !joined.skip_assignment {
            self.lead(&joined).await?
        } else {
            BTreeMap::new()
        };
        self.generation = joined.generation_id;
        let assignment = self.ask_sync(&connection, assignments).await?;
        self.is_joined = true;
        self.gave_back = false;
        self.start_heart();
        let partitions = assignment.topics.iter().flat_map(|(topic, indexes)| {
            let partition = |index: &i32| TopicPartition::new(topic.as_str(), *index);
            indexes.iter().map(partition)
        });
        Ok(partitions.collect())
    }

    async fn ask_join(&mut self, connection: &Connection) -> Result<JoinGroupResponse> {
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text(PROTOCOL))
            .with_metadata(self.subscription.encode());
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_session_timeout_ms(millis(self.config.session_timeout))
            .with_rebalance_timeout_ms(millis(self.config.poll_interval_max))
            .with_member_id(text(&self.member))
            .with_group_instance_id(self.config.instance.as_deref().map(text))
            .with_protocol_type(text(PROTOCOL_TYPE))
            .with_protocols(vec![protocol]);
        let version = connection.version(Api::JoinGroup, i16::MAX)?;
        let pending = connection.start(version, &request)?;
        let response = pending.answer(self.config.poll_interval_max).await?;
        if response.error_code == ErrorCode::MemberIdRequired.number() || response.error_code == 0 {
            self.member = response.member_id.to_string();
        }
        connection.accept(Api::JoinGroup, response.error_code, self.subject())?;
        Ok(response)
    }

    async fn ask_sync(&self, connection: &Connection, shares: BTreeMap<String, Assignment>) -> Result<Assignment> {
        let share = |(member, assignment): (String, Assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(&member))
                .with_assignment(assignment.encode())
        };
        let version = connection.version(Api::SyncGroup, i16::MAX)?;
        let mut request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.member))
            .with_group_instance_id(self.config.instance.as_deref().map(text))
            .with_assignments(shares.into_iter().map(share).collect());
        if version >= 5 {
            request.protocol_type = Some(text(PROTOCOL_TYPE));
            request.protocol_name = Some(text(PROTOCOL));
        }
        let pending = connection.start(version, &request)?;
        let response = pending.answer(self.config.poll_interval_max).await?;
        connection.accept(Api::SyncGroup, response.error_code, self.subject())?;
        let missing = || connection.missing(Api::SyncGroup, "a readable assignment");
        Assignment::decode(&response.assignment).ok_or_else(missing)
    }

    /// Shares the partitions out, as the leader.
    async fn lead(&self, joined: &JoinGroupResponse) -> Result<BTreeMap<String, Assignment>> {
        let read = |metadata: &Bytes| Subscription::decode(metadata).unwrap_or_default();
        let members: Vec<_> = joined
            .members
            .iter()
            .map(|member| {
                let instance = member.group_instance_id.as_ref().map(|id| id.to_string());
                (member.member_id.to_string(), instance, read(&member.metadata))
            })
            .collect();
        let topics: BTreeSet<&str> = members
            .iter()
            .flat_map(|(_, _, subscription)| subscription.topics.iter().map(String::as_str))
            .collect();
        let topics: Vec<_> = topics.into_iter().collect();
        let cluster = self.client.metadata(Some(&topics), false).await?;
        let known = cluster
            .topics
            .into_values()
            .filter(|topic| topic.error == ErrorCode::None);
        let partitions = known.map(|topic| (topic.name, topic.partitions.len())).collect();
        Ok(range::assign(members, &partitions))
    }

    fn start_heart(&mut self) {
        self.pulse = Arc::new(Pulse::new());
        let heart = Beat {
            client: self.client.clone(),
            group: self.group.clone(),
            member: self.member.clone(),
            instance: self.config.instance.clone(),
            generation: self.generation,
            interval: self.config.heartbeat_interval,
            session_timeout: self.config.session_timeout,
            poll_interval_max: self.config.poll_interval_max,
        };
        self.heart = Some(tokio::spawn(beat(heart, self.pulse.clone())));
    }

    fn stop_heart(&mut self) {
        if let Some(heart) = self.heart.take() {
            heart.abort();
        }
    }

    fn subject(&self) -> String {
        format!("group {}", self.group)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.stop_heart();
    }
}

/// Tells the coordinator that a member is gone.
pub(super) async fn leave(client: &Client, group: &str, member: &str, instance: Option<&str>) -> Result<()> {
    let connection = client.coordinator(group).await?;
    let version = connection.version(Api::LeaveGroup, i16::MAX)?;
    let mut request = LeaveGroupRequest::default().with_group_id(GroupId(text(group)));
    if version >= 3 {
        let identity = MemberIdentity::default()
            .with_member_id(text(member))
            .with_group_instance_id(instance.map(text));
        request.members = vec![identity];
    } else {
        request.member_id = text(member);
    }
    let response = connection.start(version, &request)?.answer(Duration::ZERO).await?;
    connection.accept(Api::LeaveGroup, response.error_code, format!("group {group}"))
}

fn millis(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX)
}

const PROTOCOL_TYPE: &str = "consumer";
const PROTOCOL: &str = "range";
