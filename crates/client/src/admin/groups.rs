//! Groups: list, describe, delete.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};
use ottla_wire::Api;

use super::Admin;
use crate::client::text;
use crate::error::Result;

/// A group in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// Its id.
    pub id: String,
    /// `consumer`, `connect`, ...
    pub protocol_type: String,
    /// `Stable`, `Empty`, ...; empty from brokers before 2.6.
    pub state: String,
    /// `classic`, `consumer`, ...; empty from brokers before 3.8.
    pub kind: String,
}

/// A classic group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its id.
    pub id: String,
    /// `Stable`, `Empty`, `Dead`, ...
    pub state: String,
    /// `consumer`, `connect`, ...
    pub protocol_type: String,
    /// The assignor chosen, such as `range`.
    pub protocol: String,
    /// Its members.
    pub members: Vec<MemberDescription>,
}

/// A member of a classic group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberDescription {
    /// The id the coordinator gave it.
    pub id: String,
    /// Its own static id, if it has one (KIP-345).
    pub instance_id: Option<String>,
    /// What its client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// What it subscribes to, in its assignor's own bytes.
    pub metadata: Bytes,
    /// What it owns, by topic; empty if its bytes are not a consumer's.
    pub assignment: BTreeMap<String, Vec<i32>>,
}

impl Admin {
    /// All groups of all brokers.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>> {
        let cluster = self.describe(Some(&[])).await?;
        let mut groups = Vec::new();
        for id in cluster.brokers.keys() {
            groups.extend(self.client.retry(|| self.list_groups_of(*id)).await?);
        }
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    async fn list_groups_of(&self, broker: i32) -> Result<Vec<GroupListing>> {
        let connection = self.client.broker(broker).await?;
        let response = connection.ask(&ListGroupsRequest::default()).await?;
        connection.accept(Api::ListGroups, response.error_code, "")?;
        let listing = |group: &kafka_protocol::messages::list_groups_response::ListedGroup| GroupListing {
            id: group.group_id.to_string(),
            protocol_type: group.protocol_type.to_string(),
            state: group.group_state.to_string(),
            kind: group.group_type.to_string(),
        };
        Ok(response.groups.iter().map(listing).collect())
    }

    /// Describes a classic group. One that does not exist is refused from v6 on, else `Dead`.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription> {
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = client.coordinator(group).await?;
                let response = connection.ask(request).await?;
                let missing = || connection.missing(Api::DescribeGroups, format!("group {group}"));
                let described = response.groups.first().ok_or_else(missing)?;
                match described.error_code {
                    0 => Ok(description(described)),
                    code => {
                        let message = described.error_message.as_deref();
                        Err(connection.refusal(Api::DescribeGroups, code, format!("group {group}"), message))
                    }
                }
            })
            .await
    }

    /// Deletes a group and its offsets; it must have no members.
    pub async fn delete_group(&self, group: &str) -> Result<()> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
        let (client, request) = (&self.client, &request);
        client
            .retry(|| async move {
                let connection = client.coordinator(group).await?;
                let response = connection.ask(request).await?;
                let missing = || connection.missing(Api::DeleteGroups, format!("group {group}"));
                let result = response.results.first().ok_or_else(missing)?;
                connection.accept(Api::DeleteGroups, result.error_code, format!("group {group}"))
            })
            .await
    }
}

fn description(group: &DescribedGroup) -> GroupDescription {
    GroupDescription {
        id: group.group_id.to_string(),
        state: group.group_state.to_string(),
        protocol_type: group.protocol_type.to_string(),
        protocol: group.protocol_data.to_string(),
        members: group.members.iter().map(member).collect(),
    }
}

fn member(member: &DescribedGroupMember) -> MemberDescription {
    MemberDescription {
        id: member.member_id.to_string(),
        instance_id: member.group_instance_id.as_ref().map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        client_host: member.client_host.to_string(),
        metadata: member.member_metadata.clone(),
        assignment: crate::group::Assignment::decode(&member.member_assignment)
            .map(|assignment| assignment.topics)
            .unwrap_or_default(),
    }
}
