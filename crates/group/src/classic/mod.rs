//! The classic consumer group: JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and the rebalance they drive.
//!
//! One file per request, each a rule from what is seen to what is decided. [`Turn`] is one such decision in the making;
//! [`Seen`] is a group as it stands, at rest (from the log) or in a rebalance (from the session).

pub(crate) mod describe;
pub(crate) mod heartbeat;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod member;
mod rebalance;
pub(crate) mod resign;
pub(crate) mod round;
mod seen;
pub(crate) mod sync;
mod takeover;

use ottla_coordinator::{Output, Ticket};
use ottla_model::{ErrorCode, GroupId, MemberId, Millis};

use crate::config::GroupConfig;
use crate::machine::{Groups, Timer};
use crate::record::Record;
use crate::reply::{JoinRefused, Reply};
use crate::session::{Live, Session};
use crate::state::{Classic, NOTHING, State};

pub(crate) use seen::Seen;

/// One decision about one group, in the making.
pub(crate) struct Turn<'a> {
    pub(crate) id: GroupId,
    pub(crate) log: &'a Classic,
    pub(crate) live: &'a mut Live,
    pub(crate) config: &'a GroupConfig,
    pub(crate) now: Millis,
    pub(crate) output: Output<Groups>,
}

impl<'a> Turn<'a> {
    /// A turn of an existing group.
    pub(crate) fn of(state: &'a State, session: &'a mut Session, now: Millis, id: GroupId) -> Option<Turn<'a>> {
        let log = &state.group(&id)?.classic;
        Some(Turn::new(log, session, now, id))
    }

    /// A turn of a group that may be new; a new one is written to the log as Empty.
    pub(crate) fn of_new(state: &'a State, session: &'a mut Session, now: Millis, id: GroupId) -> Turn<'a> {
        match state.group(&id) {
            Some(group) => Turn::new(&group.classic, session, now, id),
            None => {
                let mut turn = Turn::new(&NOTHING, session, now, id);
                turn.write(NOTHING.clone());
                turn
            }
        }
    }

    fn new(log: &'a Classic, session: &'a mut Session, now: Millis, id: GroupId) -> Turn<'a> {
        let live = session.groups.entry(id.clone()).or_default();
        Turn {
            id,
            log,
            live,
            config: &session.config,
            now,
            output: Output::default(),
        }
    }

    /// The group as it stands.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen {
            log: self.log,
            live: Some(self.live),
        }
    }

    /// Writes the group at rest.
    fn write(&mut self, value: Classic) {
        self.output.record(Record::Group {
            group: self.id.clone(),
            value: Some(value),
        });
    }

    /// From now on the member must be heard of within `span`.
    pub(crate) fn watch(&mut self, member: &MemberId, span: Millis) {
        self.output
            .arm(Timer::Session(self.id.clone(), member.clone()), self.now.plus(span));
    }

    /// The member need not be heard of any more.
    fn unwatch(&mut self, member: &MemberId) {
        self.output.disarm(Timer::Session(self.id.clone(), member.clone()));
    }

    fn refuse_join(&mut self, ticket: Ticket, error: ErrorCode) {
        self.output
            .answer(ticket, Reply::JoinGroup(Err(JoinRefused::Error(error))));
    }

    fn refuse_sync(&mut self, ticket: Ticket, error: ErrorCode) {
        self.output.answer(ticket, Reply::SyncGroup(Err(error)));
    }

    /// Tells whoever waits in the name of `member` that it waits in vain.
    fn refuse_parked(&mut self, member: &mut member::Member, error: ErrorCode) {
        if let Some(ticket) = member.joining.take() {
            self.refuse_join(ticket, error);
        }
        if let Some(ticket) = member.syncing.take() {
            self.refuse_sync(ticket, error);
        }
    }
}

/// The output that carries out `more` after `output`.
pub(crate) fn append(output: &mut Output<Groups>, more: Output<Groups>) {
    output.records.extend(more.records);
    output.replies.extend(more.replies);
    output.timers.extend(more.timers);
    output.effects.extend(more.effects);
}

/// Forgets all that the session knows of a group that is deleted, deadlines included.
pub(crate) fn forget(session: &mut Session, group: &GroupId, output: &mut Output<Groups>) {
    let Some(live) = session.groups.remove(group) else {
        return;
    };
    for member in live.pending {
        output.disarm(Timer::Session(group.clone(), member));
    }
    output.disarm(Timer::Join(group.clone()));
    output.disarm(Timer::Sync(group.clone()));
}
