//! One simulated member of a classic group: which request follows which answer. It knows no socket and no clock.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use kafka_protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use kafka_protocol::messages::{GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use crate::wire;

const JOIN_VERSION: i16 = 7;
const SYNC_VERSION: i16 = 5;
const HEARTBEAT_VERSION: i16 = 4;
/// Partitions that each member gets.
const PARTITIONS: i32 = 10;
/// So long that a member that is busy measuring is not thrown out; within Kafka's limit of half an hour.
const SESSION_MS: i32 = 600_000;

const NONE: i16 = 0;
const ILLEGAL_GENERATION: i16 = 22;
const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;

/// Where a member stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It has not asked to join.
    Outside,
    /// It waits for the answer to JoinGroup.
    Joining,
    /// It waits for its assignment.
    Syncing,
    /// It has its assignment and nothing under way.
    Owning,
    /// It has its assignment and waits for the answer to a heartbeat.
    Beating,
}

/// A generation as its leader was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// The generation.
    pub generation: i32,
    /// How many members it has.
    pub members: usize,
}

/// One member.
pub struct Member {
    group: StrBytes,
    id: StrBytes,
    generation: i32,
    phase: Phase,
    /// Told in its metadata: a change of it makes the group rebalance.
    round: u32,
    /// It is to join again as soon as its heartbeat is answered.
    rejoins: bool,
    led: Option<Led>,
}

impl Member {
    /// One that has not joined.
    pub fn new(group: &str) -> Member {
        Member {
            group: StrBytes::from_string(group.to_owned()),
            id: StrBytes::default(),
            generation: -1,
            phase: Phase::Outside,
            round: 0,
            rejoins: false,
            led: None,
        }
    }

    /// The name the coordinator gave it; empty before.
    pub fn id(&self) -> &StrBytes {
        &self.id
    }

    /// The generation in which it has an assignment, as far as it knows.
    pub fn owns_in(&self) -> Option<i32> {
        matches!(self.phase, Phase::Owning | Phase::Beating).then_some(self.generation)
    }

    /// The latest generation of which it was the leader.
    pub fn led(&self) -> Option<Led> {
        self.led
    }

    /// Whether a heartbeat can be sent.
    pub fn can_beat(&self) -> bool {
        self.phase == Phase::Owning
    }

    /// Joins, for the first time or again with other metadata; no request if one has to be answered first.
    pub fn join(&mut self) -> Result<Option<Bytes>, String> {
        self.round += 1;
        match self.phase {
            Phase::Outside | Phase::Owning => self.ask_to_join().map(Some),
            Phase::Joining | Phase::Syncing | Phase::Beating => {
                self.rejoins = true;
                Ok(None)
            }
        }
    }

    /// A heartbeat.
    pub fn beat(&mut self) -> Result<Bytes, String> {
        assert!(
            self.can_beat(),
            "a heartbeat is sent by a member that has nothing under way"
        );
        self.phase = Phase::Beating;
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone());
        wire::frame(Api::Heartbeat, HEARTBEAT_VERSION, 0, &request)
    }

    /// Takes the answer to what is under way, and gives the request that follows from it.
    pub fn answered(&mut self, frame: &[u8]) -> Result<Option<Bytes>, String> {
        let answer = Bytes::copy_from_slice(frame);
        match self.phase {
            Phase::Joining => self.joined(&wire::decode(Api::JoinGroup, JOIN_VERSION, answer)?),
            Phase::Syncing => {
                let synced: SyncGroupResponse = wire::decode(Api::SyncGroup, SYNC_VERSION, answer)?;
                if synced.error_code == NONE && synced.assignment.is_empty() {
                    return Err("a member got an empty assignment".to_owned());
                }
                self.settled("SyncGroup", synced.error_code)
            }
            Phase::Beating => {
                let beaten: HeartbeatResponse = wire::decode(Api::Heartbeat, HEARTBEAT_VERSION, answer)?;
                self.settled("Heartbeat", beaten.error_code)
            }
            Phase::Outside | Phase::Owning => Err("a member was answered without a question".to_owned()),
        }
    }

    fn joined(&mut self, answer: &JoinGroupResponse) -> Result<Option<Bytes>, String> {
        match answer.error_code {
            NONE => {
                self.id = answer.member_id.clone();
                self.generation = answer.generation_id;
                self.phase = Phase::Syncing;
                if answer.leader == answer.member_id {
                    self.led = Some(Led {
                        generation: answer.generation_id,
                        members: answer.members.len(),
                    });
                }
                self.sync(answer).map(Some)
            }
            MEMBER_ID_REQUIRED => {
                self.id = answer.member_id.clone();
                self.ask_to_join().map(Some)
            }
            error => Err(format!("JoinGroup was refused with error {error}")),
        }
    }

    fn settled(&mut self, what: &str, error: i16) -> Result<Option<Bytes>, String> {
        match error {
            NONE if !self.rejoins => {
                self.phase = Phase::Owning;
                Ok(None)
            }
            NONE | REBALANCE_IN_PROGRESS | ILLEGAL_GENERATION => self.ask_to_join().map(Some),
            error => Err(format!("{what} was refused with error {error}")),
        }
    }

    fn ask_to_join(&mut self) -> Result<Bytes, String> {
        self.phase = Phase::Joining;
        self.rejoins = false;
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(subscription(self.round));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group_id())
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(SESSION_MS)
            .with_member_id(self.id.clone())
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        wire::frame(Api::JoinGroup, JOIN_VERSION, 0, &request)
    }

    /// The leader's has everybody's assignment.
    fn sync(&self, joined: &JoinGroupResponse) -> Result<Bytes, String> {
        let assignments = joined.members.iter().enumerate().map(|(number, member)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(member.member_id.clone())
                .with_assignment(assignment(number as i32 * PARTITIONS))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_protocol_type(joined.protocol_type.clone())
            .with_protocol_name(joined.protocol_name.clone())
            .with_assignments(assignments.collect());
        wire::frame(Api::SyncGroup, SYNC_VERSION, 0, &request)
    }

    fn group_id(&self) -> GroupId {
        GroupId(self.group.clone())
    }
}

const TOPIC: &[u8] = b"work";

/// A subscription of the consumer protocol, version 0: topics and the round as user data.
fn subscription(round: u32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(TOPIC.len() as i16);
    bytes.put_slice(TOPIC);
    bytes.put_i32(4);
    bytes.put_u32(round);
    bytes.freeze()
}

/// An assignment of the consumer protocol, version 0: some partitions of the topic from this one on.
fn assignment(first: i32) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes.put_i32(1);
    bytes.put_i16(TOPIC.len() as i16);
    bytes.put_slice(TOPIC);
    bytes.put_i32(PARTITIONS);
    (first..first + PARTITIONS).for_each(|partition| bytes.put_i32(partition));
    bytes.put_i32(-1);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
    use kafka_protocol::protocol::Encodable;
    use ottla_wire::RequestHeader;

    use super::*;

    fn answer<M: Encodable>(api: Api, version: i16, message: &M) -> Vec<u8> {
        ottla_wire::encode(api, version, 0, message).unwrap()[4..].to_vec()
    }

    fn joined(error: i16, generation: i32, leads: bool) -> Vec<u8> {
        let me = StrBytes::from_static_str("me");
        let members = [me.clone(), StrBytes::from_static_str("other")];
        let members = members.map(|id| JoinGroupResponseMember::default().with_member_id(id));
        let response = JoinGroupResponse::default()
            .with_error_code(error)
            .with_generation_id(generation)
            .with_member_id(me.clone())
            .with_leader(if leads { me } else { StrBytes::from_static_str("other") })
            .with_protocol_name(Some(StrBytes::from_static_str("range")))
            .with_members(if leads { members.to_vec() } else { Vec::new() });
        answer(Api::JoinGroup, JOIN_VERSION, &response)
    }

    fn synced(error: i16) -> Vec<u8> {
        let response = SyncGroupResponse::default()
            .with_error_code(error)
            .with_assignment(assignment(0));
        answer(Api::SyncGroup, SYNC_VERSION, &response)
    }

    fn beaten(error: i16) -> Vec<u8> {
        let response = HeartbeatResponse::default().with_error_code(error);
        answer(Api::Heartbeat, HEARTBEAT_VERSION, &response)
    }

    fn api(request: Option<Bytes>) -> Api {
        let mut body = request.unwrap().slice(4..);
        RequestHeader::decode(&mut body).unwrap().api
    }

    #[test]
    fn a_member_comes_back_with_the_id_it_is_given_and_syncs() {
        let mut member = Member::new("group");
        assert_eq!(api(member.join().unwrap()), Api::JoinGroup);
        assert_eq!(
            api(member.answered(&joined(MEMBER_ID_REQUIRED, -1, false)).unwrap()),
            Api::JoinGroup
        );
        assert_eq!(&**member.id(), "me");
        assert_eq!(api(member.answered(&joined(NONE, 3, true)).unwrap()), Api::SyncGroup);
        assert_eq!(member.owns_in(), None);
        assert_eq!(member.answered(&synced(NONE)).unwrap(), None);
        assert_eq!(member.owns_in(), Some(3));
        let led = Led {
            generation: 3,
            members: 2,
        };
        assert_eq!(member.led(), Some(led));
    }

    #[test]
    fn the_leaders_sync_has_an_assignment_for_each() {
        let mut member = Member::new("group");
        member.join().unwrap();
        let mut body = member.answered(&joined(NONE, 1, true)).unwrap().unwrap().slice(4..);
        let header = RequestHeader::decode(&mut body).unwrap();
        let sync: SyncGroupRequest = ottla_wire::decode(header.api, header.version, body).unwrap();
        let ids: Vec<&str> = sync.assignments.iter().map(|one| &*one.member_id).collect();
        assert_eq!(ids, ["me", "other"]);
        assert_ne!(sync.assignments[0].assignment, sync.assignments[1].assignment);
    }

    #[test]
    fn a_rebalance_is_followed_whenever_it_is_heard_of() {
        let mut member = Member::new("group");
        member.join().unwrap();
        member.answered(&joined(NONE, 1, false)).unwrap();
        let again = member.answered(&synced(REBALANCE_IN_PROGRESS)).unwrap();
        assert_eq!(api(again), Api::JoinGroup);
        member.answered(&joined(NONE, 2, false)).unwrap();
        member.answered(&synced(NONE)).unwrap();
        member.beat().unwrap();
        assert_eq!(member.answered(&beaten(NONE)).unwrap(), None);
        member.beat().unwrap();
        assert_eq!(
            api(member.answered(&beaten(REBALANCE_IN_PROGRESS)).unwrap()),
            Api::JoinGroup
        );
        assert_eq!(member.owns_in(), None);
    }

    #[test]
    fn a_member_that_waits_for_a_heartbeat_joins_after_it() {
        let mut member = Member::new("group");
        member.join().unwrap();
        member.answered(&joined(NONE, 1, false)).unwrap();
        member.answered(&synced(NONE)).unwrap();
        member.beat().unwrap();
        assert_eq!(member.join().unwrap(), None);
        assert_eq!(api(member.answered(&beaten(NONE)).unwrap()), Api::JoinGroup);
        assert!(member.answered(&joined(25, -1, false)).is_err());
    }
}
