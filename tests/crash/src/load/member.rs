//! The one member of a classic group: joins, reads on from the committed offsets, commits what it read, and joins again
//! whenever the broker wants it to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{GroupId, HeartbeatRequest, JoinGroupRequest, SyncGroupRequest};
use ottla_model::ErrorCode;

use super::{PARTITIONS, PAUSE, Stage, TOPIC};
use crate::client::{Client, Membership, text};
use crate::history::{Event, runs};
use crate::trouble::{Trouble, expect};

const PROCESS: &str = "member";
const GROUP: &str = "readers";
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Polls between two commits.
const POLLS_PER_COMMIT: u32 = 3;

/// Reads until the load ends.
pub(super) fn run(stage: &Stage) {
    let mut member = Member {
        stage,
        id: String::new(),
        generation: -1,
        positions: BTreeMap::new(),
        position: 0,
    };
    while let Some(mut client) = stage.connect() {
        match member.work(&mut client) {
            Ok(()) => return,
            Err(trouble) => stage.excuse(PROCESS, &trouble),
        }
    }
}

struct Member<'a> {
    stage: &'a Stage,
    id: String,
    generation: i32,
    /// The next offset in each partition.
    positions: BTreeMap<i32, i64>,
    /// How often positions were taken from the broker.
    position: u64,
}

impl Member<'_> {
    fn work(&mut self, client: &mut Client) -> Result<(), Trouble> {
        while !self.stage.is_ending() {
            // A member that comes back within its session may still own what it had.
            if self.heartbeat(client)? != 0 && !self.join(client)? {
                std::thread::sleep(PAUSE);
                continue;
            }
            self.read(client)?;
        }
        Ok(())
    }

    fn membership(&self) -> Membership {
        Membership {
            generation: self.generation,
            member_id: self.id.clone(),
        }
    }

    /// The error code of a heartbeat.
    fn heartbeat(&self, client: &mut Client) -> Result<i16, Trouble> {
        if self.positions.is_empty() {
            return Ok(ErrorCode::UnknownMemberId.number());
        }
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id));
        Ok(client.connection.call(3, &request)?.error_code)
    }

    /// Joins, takes all partitions and the committed offsets; false if it must be tried again.
    fn join(&mut self, client: &mut Client) -> Result<bool, Trouble> {
        self.positions.clear();
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(subscription());
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_session_timeout_ms(6_000)
            .with_rebalance_timeout_ms(6_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let joined = client.connection.call(5, &request.with_member_id(text(&self.id)))?;
        match ErrorCode::from_number(joined.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::MemberIdRequired) => {
                self.id = joined.member_id.to_string();
                return Ok(false);
            }
            Some(ErrorCode::UnknownMemberId) => {
                self.id.clear();
                return Ok(false);
            }
            _ => return Ok(false),
        }
        (self.id, self.generation) = (joined.member_id.to_string(), joined.generation_id);
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(text(&self.id))
            .with_assignment(assignment());
        // A leader gives out the partitions; one that follows a ghost of its own past waits until that is gone.
        let assignments = if joined.leader == joined.member_id {
            vec![assignment]
        } else {
            Vec::new()
        };
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(GROUP)))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_assignments(assignments);
        let synced = client.connection.call(3, &request)?;
        if synced.error_code != 0 || synced.assignment.is_empty() {
            return Ok(false);
        }
        expect(synced.assignment == self::assignment(), || {
            "malformed assignment came back".to_owned()
        })?;
        self.stage.history.add(
            PROCESS,
            Event::Joined {
                group: GROUP.to_owned(),
                generation: self.generation,
            },
        );
        self.take_positions(client)
    }

    fn take_positions(&mut self, client: &mut Client) -> Result<bool, Trouble> {
        let all = (0..PARTITIONS).collect::<Vec<_>>();
        let Ok(positions) = client.committed(GROUP, TOPIC, &all)? else {
            return Ok(false);
        };
        self.position += 1;
        for (partition, offset) in positions {
            self.stage.history.add(
                PROCESS,
                Event::Position {
                    group: GROUP.to_owned(),
                    partition,
                    offset,
                },
            );
            self.positions.insert(partition, offset.unwrap_or(0));
        }
        Ok(true)
    }

    /// Polls and commits until the group wants something else.
    fn read(&mut self, client: &mut Client) -> Result<(), Trouble> {
        let mut beat = Instant::now();
        let mut polls = 0_u32;
        while !self.stage.is_ending() {
            self.poll(client)?;
            polls += 1;
            if polls.is_multiple_of(POLLS_PER_COMMIT) && !self.stage.is_paused() && !self.commit(client)? {
                return Ok(());
            }
            if beat.elapsed() > HEARTBEAT {
                beat = Instant::now();
                if self.heartbeat(client)? != 0 {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn poll(&mut self, client: &mut Client) -> Result<(), Trouble> {
        let from = self
            .positions
            .iter()
            .map(|(partition, offset)| (*partition, *offset))
            .collect::<Vec<_>>();
        for fetched in client.fetch(TOPIC, &from, 20)? {
            let Some(position) = self.positions.get_mut(&fetched.partition) else {
                continue;
            };
            let Some((last, _)) = fetched.records.last() else {
                continue;
            };
            let from = std::mem::replace(position, last + 1);
            self.stage.history.add(
                PROCESS,
                Event::Poll {
                    partition: fetched.partition,
                    position: self.position,
                    from,
                    high_watermark: fetched.high_watermark,
                    runs: runs(&fetched.records),
                },
            );
        }
        Ok(())
    }

    fn commit(&mut self, client: &mut Client) -> Result<bool, Trouble> {
        let offsets = self
            .positions
            .iter()
            .map(|(partition, offset)| (*partition, *offset))
            .collect::<Vec<_>>();
        let event = |acknowledged: bool, (partition, offset): (i32, i64)| {
            let group = GROUP.to_owned();
            if acknowledged {
                Event::Committed {
                    group,
                    partition,
                    offset,
                }
            } else {
                Event::Commit {
                    group,
                    partition,
                    offset,
                }
            }
        };
        offsets
            .iter()
            .for_each(|offset| self.stage.history.add(PROCESS, event(false, *offset)));
        let taken = client.commit(GROUP, &self.membership(), TOPIC, &offsets)?.is_ok();
        if taken {
            offsets
                .iter()
                .for_each(|offset| self.stage.history.add(PROCESS, event(true, *offset)));
        }
        Ok(taken)
    }
}

/// ConsumerProtocolSubscription v0: the one topic, no user data.
fn subscription() -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(TOPIC.len() as i16);
    bytes.put_slice(TOPIC.as_bytes());
    bytes.put_i32(-1);
    bytes.freeze()
}

/// ConsumerProtocolAssignment v0: all partitions of the one topic, no user data.
fn assignment() -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(TOPIC.len() as i16);
    bytes.put_slice(TOPIC.as_bytes());
    bytes.put_i32(PARTITIONS);
    (0..PARTITIONS).for_each(|partition| bytes.put_i32(partition));
    bytes.put_i32(-1);
    bytes.freeze()
}
