//! DescribeGroups, ListGroups, and why a group rebalanced.

use bytes::Bytes;
use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, GroupId};

use crate::command::ListGroups;
use crate::machine::Groups;
use crate::reply::{ClassicState, DescribedMember, GroupDescription, ListedGroup, Reply};
use crate::session::Session;
use crate::state::State;

use super::Seen;

pub(crate) fn group(state: &State, session: &Session, ticket: Ticket, group: GroupId) -> Output<Groups> {
    let result = match state.group(&group) {
        Some(found) => {
            let live = session.groups.get(&group);
            Ok(Seen {
                log: &found.classic,
                live,
            }
            .describe(group))
        }
        None => Err(ErrorCode::GroupIdNotFound),
    };
    Output::reply(ticket, Reply::DescribeGroup(result))
}

pub(crate) fn history(state: &State, session: &Session, ticket: Ticket, group: &GroupId) -> Output<Groups> {
    let result = match state.group(group) {
        Some(_) => Ok(session
            .groups
            .get(group)
            .map(|live| live.history.all())
            .unwrap_or_default()),
        None => Err(ErrorCode::GroupIdNotFound),
    };
    Output::reply(ticket, Reply::DescribeHistory(result))
}

pub(crate) fn list(state: &State, session: &Session, ticket: Ticket, filter: &ListGroups) -> Output<Groups> {
    let listed = state.groups().map(|(group, found)| {
        let seen = Seen {
            log: &found.classic,
            live: session.groups.get(group),
        };
        ListedGroup {
            group: group.clone(),
            protocol_type: seen.protocol_type().cloned(),
            state: seen.state(),
        }
    });
    let groups = listed.filter(|listed| filter.lets_through(listed)).collect();
    Output::reply(ticket, Reply::ListGroups(Ok(groups)))
}

impl ListGroups {
    fn lets_through(&self, group: &ListedGroup) -> bool {
        let names = |filter: &[String], name: &str| {
            filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        names(&self.states, group.state.name()) && names(&self.types, ListedGroup::TYPE)
    }
}

impl Seen<'_> {
    fn describe(&self, group: GroupId) -> GroupDescription {
        let members = match self.round() {
            Some(round) => round
                .members()
                .map(|(id, member)| DescribedMember {
                    member: id.clone(),
                    instance: member.instance.clone(),
                    client: member.client.clone(),
                    // What it says counts only once a protocol is agreed on and shared out.
                    metadata: Bytes::new(),
                    assignment: member.assignment.clone(),
                })
                .collect(),
            None => self
                .log
                .members
                .iter()
                .map(|(id, member)| DescribedMember {
                    member: id.clone(),
                    instance: member.instance.clone(),
                    client: member.client.clone(),
                    metadata: member.subscription.clone(),
                    assignment: member.assignment.clone(),
                })
                .collect(),
        };
        let state = self.state();
        GroupDescription {
            group,
            state,
            generation: self.generation(),
            protocol_type: self.protocol_type().cloned(),
            protocol: self.protocol().filter(|_| state == ClassicState::Stable).cloned(),
            leader: self.leader().cloned(),
            members,
        }
    }
}
