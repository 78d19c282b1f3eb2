//! Heartbeat: every member, generation and instance id in every state.

use anyhow::Result;
use kafka_protocol::messages::{GroupId, HeartbeatRequest};

use crate::cases::{Case, in_states};
use crate::requests::text;
use crate::script::Script;
use crate::states::{self, State};

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases = in_states("heartbeat", 0..=4, beat);
    cases.extend((0..=4).map(|version| {
        Case::new(format!("heartbeat/bad_group/v{version}"), move |s| {
            bad_group(s, version)
        })
    }));
    cases
}

fn beat(s: &mut Script<'_>, state: State, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    for (member, member_id) in group.members() {
        for (generation, generation_id) in group.generations() {
            for (instance, instance_id) in group.instances(version >= 3) {
                let request = HeartbeatRequest::default()
                    .with_group_id(group.id.clone())
                    .with_generation_id(generation_id)
                    .with_member_id(member_id.clone())
                    .with_group_instance_id(instance_id);
                let label = format!("member {member}, generation {generation}, instance {instance}");
                s.ask(label, version, &request)?;
            }
        }
    }
    Ok(())
}

fn bad_group(s: &mut Script<'_>, version: i16) -> Result<()> {
    for name in ["", " ", "no such group"] {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(name)))
            .with_generation_id(1)
            .with_member_id(text("m"));
        s.ask(format!("group {name:?}"), version, &request)?;
    }
    Ok(())
}
