//! JoinGroup: every kind of member in every state.

use anyhow::Result;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{GroupId, JoinGroupRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use crate::cases::Case;
use crate::requests::{describe, join, protocol, subscription, text};
use crate::script::Script;
use crate::states::{self, Group, State};

/// All cases of this area.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for version in 0..=9 {
        for state in State::ALL {
            for variant in VARIANTS.iter().filter(|variant| variant.fits(state, version)) {
                let name = format!("join/{}/{}/v{version}", state.name(), variant.name);
                cases.push(Case::new(name, move |s| attempt(s, state, variant, version)));
            }
        }
        cases.push(Case::new(format!("join/limits/v{version}"), move |s| {
            limits(s, version)
        }));
    }
    cases
}

/// A kind of JoinGroup.
struct Variant {
    name: &'static str,
    member: Who,
    instance: Instance,
    protocols: Protocols,
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    New,
    Right,
    Other,
    Wrong,
}

#[derive(Clone, Copy, PartialEq)]
enum Instance {
    None,
    Right,
    Wrong,
}

#[derive(Clone, Copy, PartialEq)]
enum Protocols {
    Same,
    Swapped,
    ChangedChosen,
    ChangedOther,
    OnlySecond,
    Foreign,
    None,
    OtherType,
    EmptyType,
}

const fn variant(name: &'static str, member: Who, instance: Instance, protocols: Protocols) -> Variant {
    Variant {
        name,
        member,
        instance,
        protocols,
    }
}

const VARIANTS: [Variant; 25] = [
    variant("new", Who::New, Instance::None, Protocols::Same),
    variant("new_only_second", Who::New, Instance::None, Protocols::OnlySecond),
    variant("new_foreign", Who::New, Instance::None, Protocols::Foreign),
    variant("new_no_protocols", Who::New, Instance::None, Protocols::None),
    variant("new_other_type", Who::New, Instance::None, Protocols::OtherType),
    variant("new_empty_type", Who::New, Instance::None, Protocols::EmptyType),
    variant("new_static", Who::New, Instance::Wrong, Protocols::Same),
    variant("new_static_foreign", Who::New, Instance::Wrong, Protocols::Foreign),
    variant("right", Who::Right, Instance::None, Protocols::Same),
    variant("right_swapped", Who::Right, Instance::None, Protocols::Swapped),
    variant(
        "right_changed_chosen",
        Who::Right,
        Instance::None,
        Protocols::ChangedChosen,
    ),
    variant(
        "right_changed_other",
        Who::Right,
        Instance::None,
        Protocols::ChangedOther,
    ),
    variant("right_foreign", Who::Right, Instance::None, Protocols::Foreign),
    variant("right_other_type", Who::Right, Instance::None, Protocols::OtherType),
    variant("right_wrong_instance", Who::Right, Instance::Wrong, Protocols::Same),
    variant("right_instance", Who::Right, Instance::Right, Protocols::Same),
    variant(
        "right_instance_changed",
        Who::Right,
        Instance::Right,
        Protocols::ChangedChosen,
    ),
    variant("other", Who::Other, Instance::None, Protocols::Same),
    variant("other_changed", Who::Other, Instance::None, Protocols::ChangedChosen),
    variant("wrong", Who::Wrong, Instance::None, Protocols::Same),
    variant("wrong_instance", Who::Wrong, Instance::Wrong, Protocols::Same),
    variant("wrong_right_instance", Who::Wrong, Instance::Right, Protocols::Same),
    variant("takeover", Who::New, Instance::Right, Protocols::Same),
    variant("takeover_changed", Who::New, Instance::Right, Protocols::ChangedChosen),
    variant("takeover_foreign", Who::New, Instance::Right, Protocols::Foreign),
];

impl Variant {
    fn fits(&self, state: State, version: i16) -> bool {
        match self.instance {
            Instance::None => true,
            Instance::Wrong => version >= 5,
            Instance::Right => version >= 5 && state.is_static(),
        }
    }

    fn request(&self, group: &Group, topic: &TopicName) -> JoinGroupRequest {
        let member = match self.member {
            Who::New => text(""),
            Who::Right => group.member.clone(),
            Who::Other => group.other.clone(),
            Who::Wrong => text("nobody"),
        };
        let instance = match self.instance {
            Instance::None => None,
            Instance::Right => group.instance.clone(),
            Instance::Wrong => Some(text("instance-z")),
        };
        let request = join(&group.id, &member, instance, topic);
        let changed = |name: &str| {
            JoinGroupRequestProtocol::default()
                .with_name(text(name))
                .with_metadata(subscription(topic, b"changed"))
        };
        match self.protocols {
            Protocols::Same => request,
            Protocols::Swapped => request.with_protocols(vec![protocol("roundrobin", topic), protocol("range", topic)]),
            Protocols::ChangedChosen => request.with_protocols(vec![changed("range"), protocol("roundrobin", topic)]),
            Protocols::ChangedOther => request.with_protocols(vec![protocol("range", topic), changed("roundrobin")]),
            Protocols::OnlySecond => request.with_protocols(vec![protocol("roundrobin", topic)]),
            Protocols::Foreign => request.with_protocols(vec![protocol("sticky", topic)]),
            Protocols::None => request.with_protocols(vec![]),
            Protocols::OtherType => request.with_protocol_type(text("connect")),
            Protocols::EmptyType => request.with_protocol_type(text("")),
        }
    }
}

/// Joins, follows up with the member id if one is handed out, and looks at the group and at those who waited.
fn attempt(s: &mut Script<'_>, state: State, variant: &Variant, version: i16) -> Result<()> {
    let group = states::make(s, state)?;
    let topic = s.broker.shared.name.clone();
    let request = variant.request(&group, &topic);
    s.send(version, &request)?;
    let mut response = s.peek::<JoinGroupRequest>("join", version)?;
    if let Some(given) = response.as_ref().filter(|response| response.error_code == 79) {
        s.send(version, &request.with_member_id(given.member_id.clone()))?;
        response = s.peek::<JoinGroupRequest>("join with the id", version)?;
    }
    s.on("observer").ask("the group", 5, &describe(&group.id))?;
    if state == State::Preparing {
        s.on("member b").peek::<JoinGroupRequest>("the one who waited", 5)?;
    }
    if response.is_none() && state.is_pair() {
        // The others come back, and all are answered.
        s.on("member b");
        if state != State::Preparing {
            s.send(5, &join(&group.id, &group.other, None, &topic))?;
            s.peek::<JoinGroupRequest>("the other comes back", 5)?;
        }
        s.on("member a")
            .send(5, &join(&group.id, &group.member, None, &topic))?;
        s.peek::<JoinGroupRequest>("the leader comes back", 5)?;
        s.on("a").peek::<JoinGroupRequest>("join, later", version)?;
        s.on("observer").ask("the group, later", 5, &describe(&group.id))?;
    }
    Ok(())
}

/// Bad group names and session timeouts.
fn limits(s: &mut Script<'_>, version: i16) -> Result<()> {
    let topic = s.broker.shared.name.clone();
    let known: StrBytes = text("");
    s.ask("empty group", version, &join(&GroupId(text("")), &known, None, &topic))?;
    for (label, session_ms) in [("session 0", 0), ("session -1", -1), ("session too long", 1_800_001)] {
        let group = GroupId(s.name(label));
        let request = join(&group, &known, None, &topic).with_session_timeout_ms(session_ms);
        s.ask(label, version, &request)?;
        s.ask(format!("{label}, the group"), 5, &describe(&group))?;
    }
    let group = GroupId(s.name("rebalance"));
    let request = join(&group, &known, None, &topic).with_session_timeout_ms(1_800_000);
    let request = if version >= 1 {
        request.with_rebalance_timeout_ms(-5)
    } else {
        request
    };
    s.ask_briefly("longest session, rebalance timeout -5", version, &request)?;
    Ok(())
}
