//! The cases, one file per area.

mod api_versions;
mod commit;
mod configs;
mod exhaustion;
mod fetch;
mod groups;
mod heartbeat;
mod join;
mod leave;
mod list_offsets;
mod list_transactions;
mod metadata;
mod offsets;
mod produce;
mod sync;
mod topics;
mod transactions;
mod wire;

use anyhow::Result;

use std::ops::RangeInclusive;

use crate::script::Script;
use crate::states::State;

/// A named script.
pub struct Case {
    /// Its name: the area, what it is about and often a version, with slashes between.
    pub name: String,
    script: Box<Body>,
}

type Body = dyn Fn(&mut Script<'_>) -> Result<()> + Send + Sync;

impl Case {
    /// A case.
    pub fn new(
        name: impl Into<String>,
        script: impl Fn(&mut Script<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Case {
        Case {
            name: name.into(),
            script: Box::new(script),
        }
    }

    /// Runs it.
    pub fn run(&self, script: &mut Script<'_>) -> Result<()> {
        (self.script)(script)
    }
}

/// All cases, in the order of their names.
pub fn all() -> Vec<Case> {
    let areas = [
        api_versions::cases(),
        commit::cases(),
        configs::cases(),
        exhaustion::cases(),
        fetch::cases(),
        groups::cases(),
        heartbeat::cases(),
        join::cases(),
        leave::cases(),
        list_offsets::cases(),
        list_transactions::cases(),
        metadata::cases(),
        offsets::cases(),
        produce::cases(),
        sync::cases(),
        topics::cases(),
        transactions::cases(),
        wire::cases(),
    ];
    let mut cases: Vec<Case> = areas.into_iter().flatten().collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(twice) = cases.windows(2).find(|pair| pair[0].name == pair[1].name) {
        panic!("two cases are named {}", twice[0].name);
    }
    cases
}

/// One case for each state of a group and each version.
fn in_states(
    area: &str,
    versions: RangeInclusive<i16>,
    script: impl Fn(&mut Script<'_>, State, i16) -> Result<()> + Copy + Send + Sync + 'static,
) -> Vec<Case> {
    let mut cases = Vec::new();
    for version in versions {
        for state in State::ALL {
            let name = format!("{area}/{}/v{version}", state.name());
            cases.push(Case::new(name, move |s| script(s, state, version)));
        }
    }
    cases
}

/// One case for each version.
fn in_versions(
    name: &str,
    versions: RangeInclusive<i16>,
    script: impl Fn(&mut Script<'_>, i16) -> Result<()> + Copy + Send + Sync + 'static,
) -> Vec<Case> {
    versions
        .map(|version| Case::new(format!("{name}/v{version}"), move |s| script(s, version)))
        .collect()
}
