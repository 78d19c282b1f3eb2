//! What is asked of the coordinators of groups before and after a load.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use kafka_protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, GroupId, LeaveGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use ottla_wire::Api;

use crate::load::Member;
use crate::wire::Wire;

/// How long coordinators may take until they answer: the first group makes Kafka create the topic of offsets.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// Groups that one request deletes.
const DELETED_AT_ONCE: usize = 1_000;

/// A client that waits for each answer.
pub struct GroupAdmin {
    wire: Wire,
}

impl GroupAdmin {
    /// Connects.
    pub fn connect(address: &str) -> Result<GroupAdmin, String> {
        Ok(GroupAdmin {
            wire: Wire::connect(address)?,
        })
    }

    /// Waits until the coordinators of these groups answer.
    pub fn wait_for_coordinators(&mut self, groups: &[String]) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.coordinators_answer(groups)? {
            if Instant::now() > deadline {
                return Err("the coordinators of groups do not answer".to_owned());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn coordinators_answer(&mut self, groups: &[String]) -> Result<bool, String> {
        let keys = groups.iter().map(|group| StrBytes::from_string(group.clone()));
        let find = FindCoordinatorRequest::default().with_coordinator_keys(keys.collect());
        let found: FindCoordinatorResponse = self.wire.ask(Api::FindCoordinator, 4, &find)?;
        if found.coordinators.iter().any(|one| one.error_code != 0) {
            return Ok(false);
        }
        let describe = DescribeGroupsRequest::default().with_groups(groups.iter().map(|group| id(group)).collect());
        let described: DescribeGroupsResponse = self.wire.ask(Api::DescribeGroups, 5, &describe)?;
        Ok(described.groups.iter().all(|group| group.error_code == 0))
    }

    /// All members leave their groups, which are deleted.
    pub fn end_groups<'a>(&mut self, members: impl Iterator<Item = (&'a str, &'a Member)>) -> Result<(), String> {
        let mut groups: BTreeMap<&str, Vec<MemberIdentity>> = BTreeMap::new();
        for (group, member) in members {
            let identity = MemberIdentity::default().with_member_id(member.id().clone());
            groups.entry(group).or_default().push(identity);
        }
        let names: Vec<String> = groups.keys().map(|name| (*name).to_owned()).collect();
        for (group, members) in groups {
            let leave = LeaveGroupRequest::default()
                .with_group_id(id(group))
                .with_members(members);
            let left: LeaveGroupResponse = self.wire.ask(Api::LeaveGroup, 5, &leave)?;
            if left.error_code != 0 || left.members.iter().any(|member| member.error_code != 0) {
                return Err(format!("the members of {group} could not leave"));
            }
        }
        self.delete_groups(&names)
    }

    /// Deletes groups that have no members.
    pub fn delete_groups(&mut self, groups: &[String]) -> Result<(), String> {
        for some in groups.chunks(DELETED_AT_ONCE) {
            let request =
                DeleteGroupsRequest::default().with_groups_names(some.iter().map(|group| id(group)).collect());
            let answer: DeleteGroupsResponse = self.wire.ask(Api::DeleteGroups, 2, &request)?;
            if let Some(refused) = answer.results.iter().find(|result| result.error_code != 0) {
                return Err(format!("a group was not deleted: {refused:?}"));
            }
        }
        Ok(())
    }
}

fn id(group: &str) -> GroupId {
    GroupId(StrBytes::from_string(group.to_owned()))
}
