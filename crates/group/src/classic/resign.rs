//! The broker stops being the coordinator of a shard.

use ottla_coordinator::{Output, Ticket};
use ottla_model::ErrorCode;

use crate::machine::Groups;
use crate::reply::{JoinRefused, Reply};
use crate::session::{Phase, Session};

/// Everybody who waits is sent to look for the new coordinator; from now on every group is Dead here.
pub(crate) fn decide(session: &mut Session, ticket: Ticket) -> Output<Groups> {
    let mut output = Output::default();
    session.resigned = true;
    for live in std::mem::take(&mut session.groups).into_values() {
        let (Phase::Preparing(mut round) | Phase::Completing(mut round)) = live.phase else {
            continue;
        };
        for (_, member) in round.members_mut() {
            if let Some(ticket) = member.joining.take() {
                output.answer(
                    ticket,
                    Reply::JoinGroup(Err(JoinRefused::Error(ErrorCode::NotCoordinator))),
                );
            }
            if let Some(ticket) = member.syncing.take() {
                output.answer(ticket, Reply::SyncGroup(Err(ErrorCode::NotCoordinator)));
            }
        }
    }
    output.answer(ticket, Reply::Resigned);
    output
}
