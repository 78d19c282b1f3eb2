//! Positions that nobody uses are forgotten after a while (KIP-211), and groups of which nothing is left with them.

use ottla_coordinator::Output;
use ottla_model::{GroupId, Millis};

use crate::classic::Seen;
use crate::config::GroupConfig;
use crate::effect::Effect;
use crate::machine::{Groups, Timer};
use crate::reply::ClassicState;
use crate::session::Session;
use crate::state::{CommittedOffset, Group, State};
use crate::subscription::{CONSUMER, Subscribed};

use super::delete::forget_group;
use super::tombstone;

/// How many records one step may write before it makes way for others. A single group may exceed it.
const RECORDS_PER_STEP_MAX: usize = 10_000;

/// Looks through the groups; goes on at once where it stopped, or after the interval once it is through.
pub(crate) fn tick(state: &State, session: &mut Session, now: Millis) -> Output<Groups> {
    let mut output = Output::default();
    let resume_after = session.expired_up_to.take();
    for (id, group) in state.groups_after(resume_after.as_ref()) {
        expire(id, group, session, now, &mut output);
        if output.records.len() >= RECORDS_PER_STEP_MAX {
            session.expired_up_to = Some(id.clone());
            output.arm(Timer::ExpireOffsets, now);
            return output;
        }
    }
    output.arm(
        Timer::ExpireOffsets,
        now.plus(session.config.offsets_retention_check_interval),
    );
    output
}

fn expire(id: &GroupId, group: &Group, session: &mut Session, now: Millis, output: &mut Output<Groups>) {
    let live = session.groups.get(id);
    let seen = Seen {
        log: &group.classic,
        live,
    };
    let has_pending = live.is_some_and(|live| !live.pending.is_empty());
    let may_go = seen.state() == ClassicState::Empty && !has_pending && group.pending.is_empty();
    let Some(rule) = Rule::of(seen) else { return };
    let (mut kept, mut forgotten) = (0, 0);
    for (topic, partitions) in &group.offsets {
        for (partition, offset) in partitions {
            let in_use = rule.subscribed.contains(topic) || group.pending.holds(topic, *partition);
            if in_use || !rule.is_over(offset, now, &session.config) {
                kept += 1;
            } else {
                forgotten += 1;
                output.record(tombstone(id, topic, *partition));
            }
        }
    }
    if forgotten > 0 {
        output.effect(Effect::OffsetsExpired {
            group: id.clone(),
            count: forgotten,
        });
    }
    if kept == 0 && may_go {
        forget_group(session, id.clone(), output);
    }
}

/// From when on a group's positions grow old, and which do not.
struct Rule {
    /// Since when all of them are unused; `None`: each since it was committed.
    unused_since: Option<Millis>,
    subscribed: Subscribed,
}

impl Rule {
    /// `None` while nothing may expire.
    fn of(seen: Seen<'_>) -> Option<Rule> {
        match (seen.protocol_type(), seen.state()) {
            (None, _) => Some(Rule {
                unused_since: None,
                subscribed: Subscribed::Unknown,
            }),
            (Some(_), ClassicState::Empty) => Some(Rule {
                unused_since: seen.log.since,
                subscribed: Subscribed::Unknown,
            }),
            (Some(kind), ClassicState::Stable) if &**kind == CONSUMER => {
                let subscribed = seen.subscribed();
                (subscribed != Subscribed::Unreadable).then_some(Rule {
                    unused_since: None,
                    subscribed,
                })
            }
            // What is in use while members change, or by members of other types, is not known.
            _ => None,
        }
    }

    fn is_over(&self, offset: &CommittedOffset, now: Millis, config: &GroupConfig) -> bool {
        match offset.expires_at {
            Some(expires_at) => now >= expires_at,
            None => now.since(self.unused_since.unwrap_or(offset.committed_at)) >= config.offsets_retention,
        }
    }
}
