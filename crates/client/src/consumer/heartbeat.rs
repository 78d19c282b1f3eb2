//! Heartbeats: a task that tells the coordinator that the member lives, and the member what the coordinator says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kafka_protocol::messages::{GroupId, HeartbeatRequest};
use ottla_model::ErrorCode;
use ottla_wire::Api;
use tokio::sync::Notify;

use crate::client::{Client, text};
use crate::error::{ClientError, Result, code_of};

/// What is shared between the member and its heart.
pub(super) struct Pulse {
    state: Mutex<State>,
    news: Notify,
}

struct State {
    health: Health,
    polled: Instant,
    fatal: Option<ClientError>,
}

/// How the membership stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// All is well.
    Well,
    /// The group rebalances; the partitions are still owned until the member joins.
    Rebalance,
    /// The generation went on without the member.
    Lost,
    /// The group does not know the member any more.
    Forgotten,
}

/// Whose heart beats, and how often.
pub(super) struct Beat {
    pub(super) client: Client,
    pub(super) group: String,
    pub(super) member: String,
    pub(super) instance: Option<String>,
    pub(super) generation: i32,
    pub(super) interval: Duration,
    pub(super) session_timeout: Duration,
    pub(super) poll_interval_max: Duration,
}

impl Pulse {
    pub(super) fn new() -> Pulse {
        Pulse {
            state: Mutex::new(State {
                health: Health::Well,
                polled: Instant::now(),
                fatal: None,
            }),
            news: Notify::new(),
        }
    }

    pub(super) fn health(&self) -> Health {
        self.lock().health
    }

    pub(super) fn set(&self, health: Health) {
        let mut state = self.lock();
        if state.health != health {
            state.health = health;
            drop(state);
            self.news.notify_one();
        }
    }

    /// The member polled.
    pub(super) fn polled(&self) {
        self.lock().polled = Instant::now();
    }

    /// An error after which the member cannot go on; told once.
    pub(super) fn take_fatal(&self) -> Option<ClientError> {
        self.lock().fatal.take()
    }

    /// Waits for a change of health.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    fn end(&self, error: ClientError) {
        self.lock().fatal = Some(error);
        self.set(Health::Forgotten);
    }

    fn since_poll(&self) -> Duration {
        self.lock().polled.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Beats until the membership ends.
pub(super) async fn beat(beat: Beat, pulse: Arc<Pulse>) {
    let mut heard = Instant::now();
    loop {
        tokio::time::sleep(beat.interval).await;
        if pulse.since_poll() > beat.poll_interval_max {
            tracing::warn!(group = beat.group, "no poll for too long, leaving the group");
            let _ = super::membership::leave(&beat.client, &beat.group, &beat.member, beat.instance.as_deref()).await;
            return pulse.set(Health::Forgotten);
        }
        match beat_once(&beat).await {
            Ok(ErrorCode::None) => heard = Instant::now(),
            Ok(ErrorCode::RebalanceInProgress) => {
                heard = Instant::now();
                pulse.set(Health::Rebalance);
            }
            Ok(ErrorCode::IllegalGeneration) => return pulse.set(Health::Lost),
            Ok(ErrorCode::UnknownMemberId) => return pulse.set(Health::Forgotten),
            Ok(code) if crate::error::is_retriable(code) => beat.client.forget_coordinator(&beat.group),
            Ok(code) => return pulse.end(refusal(&beat, code)),
            Err(error) => {
                tracing::debug!(%error, "heartbeat failed");
                beat.client.forget_coordinator(&beat.group);
            }
        }
        if heard.elapsed() > beat.session_timeout {
            return pulse.set(Health::Lost);
        }
    }
}

async fn beat_once(beat: &Beat) -> Result<ErrorCode> {
    let connection = beat.client.coordinator(&beat.group).await?;
    let request = HeartbeatRequest::default()
        .with_group_id(GroupId(text(&beat.group)))
        .with_generation_id(beat.generation)
        .with_member_id(text(&beat.member))
        .with_group_instance_id(beat.instance.as_deref().map(text));
    let response = connection.ask(&request).await?;
    Ok(code_of(response.error_code))
}

fn refusal(beat: &Beat, code: ErrorCode) -> ClientError {
    ClientError::Refused {
        broker: "the coordinator".to_owned(),
        api: Api::Heartbeat,
        subject: format!("group {}", beat.group),
        code,
        message: None,
    }
}
