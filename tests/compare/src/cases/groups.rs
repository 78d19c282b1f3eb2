//! DescribeGroups, ListGroups, DeleteGroups and FindCoordinator.

use anyhow::Result;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, ListGroupsRequest,
};

use crate::cases::{Case, in_states, in_versions};
use crate::requests::{describe, offsets, text};
use crate::script::Script;
use crate::states::{self, State};

/// All cases of these areas.
pub fn cases() -> Vec<Case> {
    let mut cases = in_states("describe_groups/state", 0..=6, describe_state);
    cases.extend(in_versions("describe_groups/many", 0..=6, describe_many));
    cases.extend(in_states("list_groups/state", 0..=5, list));
    cases.extend(in_states("delete_groups/state", 0..=2, delete));
    cases.extend(in_versions("delete_groups/many", 0..=2, delete_many));
    cases.extend(in_versions("find_coordinator/one", 0..=3, coordinator));
    cases.extend(in_versions("find_coordinator/many", 4..=6, coordinators));
    cases
}

fn describe_state(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    s.ask("plain", version, &describe(&group.id))?;
    if version >= 3 {
        s.ask(
            "with operations",
            version,
            &describe(&group.id).with_include_authorized_operations(true),
        )?;
    }
    Ok(())
}

fn describe_many(s: &mut Script<'_>, version: i16) -> Result<()> {
    let group = states::make(s, State::Simple)?.id;
    let missing = GroupId(s.name("missing"));
    let ask = |groups: Vec<GroupId>| DescribeGroupsRequest::default().with_groups(groups);
    s.ask("none", version, &ask(vec![]))?;
    s.ask("two", version, &ask(vec![group.clone(), missing.clone()]))?;
    s.ask(
        "twice",
        version,
        &ask(vec![group.clone(), group, missing.clone(), missing]),
    )?;
    Ok(())
}

fn list(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    s.own_only();
    states::make(s, state)?;
    s.ask("all", version, &ListGroupsRequest::default())?;
    let states = [
        "Stable",
        "stable",
        "Empty",
        "PreparingRebalance",
        "CompletingRebalance",
        "Dead",
        "",
        "nonsense",
    ];
    for filter in states.into_iter().filter(|_| version >= 4) {
        let request = ListGroupsRequest::default().with_states_filter(vec![text(filter)]);
        s.ask(format!("state {filter:?}"), version, &request)?;
    }
    for filter in ["classic", "Classic", "consumer", "share", "", "nonsense"]
        .into_iter()
        .filter(|_| version >= 5)
    {
        let request = ListGroupsRequest::default().with_types_filter(vec![text(filter)]);
        s.ask(format!("type {filter:?}"), version, &request)?;
        let both = request.with_states_filter(vec![text("Empty"), text("Stable")]);
        s.ask(format!("type {filter:?}, Empty or Stable"), version, &both)?;
    }
    Ok(())
}

fn delete(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?.id;
    let request = DeleteGroupsRequest::default().with_groups_names(vec![group.clone()]);
    s.ask("delete", version, &request)?;
    s.ask("the group", 6, &describe(&group))?;
    s.ask("its offsets", 7, &offsets(7, &group, None))?;
    s.ask("delete again", version, &request)?;
    Ok(())
}

fn delete_many(s: &mut Script<'_>, version: i16) -> Result<()> {
    let group = states::make(s, State::Simple)?.id;
    let missing = GroupId(s.name("missing"));
    let ask = |groups: Vec<GroupId>| DeleteGroupsRequest::default().with_groups_names(groups);
    s.ask("none", version, &ask(vec![]))?;
    s.ask("missing", version, &ask(vec![missing.clone()]))?;
    s.ask("twice", version, &ask(vec![group.clone(), missing, group]))?;
    Ok(())
}

fn coordinator(s: &mut Script<'_>, version: i16) -> Result<()> {
    for key in ["some-group", "", "\u{1f600}"] {
        for key_type in [0, 1, 2, 3, -1].into_iter().take(if version >= 1 { 5 } else { 1 }) {
            // Kafka makes the transaction topic when it is first asked for.
            if key_type == 1 {
                continue;
            }
            let request = FindCoordinatorRequest::default()
                .with_key(text(key))
                .with_key_type(key_type);
            s.ask(format!("key {key:?}, type {key_type}"), version, &request)?;
        }
    }
    Ok(())
}

fn coordinators(s: &mut Script<'_>, version: i16) -> Result<()> {
    let lists: [&[&str]; 4] = [&[], &["one"], &["one", "two", ""], &["one", "one"]];
    for keys in lists {
        for key_type in [0, 3, -1] {
            let request = FindCoordinatorRequest::default()
                .with_coordinator_keys(keys.iter().map(|key| text(key)).collect())
                .with_key_type(key_type);
            s.ask(format!("keys {keys:?}, type {key_type}"), version, &request)?;
        }
    }
    // A share coordinator is asked for by group, topic and partition; this is none.
    let request = FindCoordinatorRequest::default()
        .with_coordinator_keys(vec![text("nonsense")])
        .with_key_type(2);
    s.ask("share", version, &request)?;
    Ok(())
}
