//! Positions committed in transactions.

use ottla_model::{ErrorCode, LeaderEpoch, PartitionIndex, ProducerEpoch, ProducerId};
use proptest::prelude::*;

use super::context::*;
use crate::*;

fn producer(id: i64, epoch: i16) -> Producer {
    Producer {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
    }
}

impl Context {
    /// The answer for the one partition that is committed.
    fn commit_in(&mut self, producer: Producer, announced: bool, commit: Commit) -> Result<(), CommitRefused> {
        let ticket = self.send(Command::TransactionalCommit(TransactionalCommit {
            commit: commit.0,
            producer,
            announced,
        }));
        match self.reply(ticket) {
            Some(Reply::TransactionalCommit(Ok(topics))) => topics[0].partitions[0].1.map_err(CommitRefused::Error),
            Some(Reply::TransactionalCommit(Err(refused))) => Err(*refused),
            other => panic!("a commit is answered at once: {other:?}"),
        }
    }

    fn end(&mut self, producer: Producer, committed: bool) {
        let ticket = self.send(Command::EndTransaction(EndTransaction {
            producer,
            coordinator_epoch: LeaderEpoch(0),
            committed,
            raises_epoch: true,
        }));
        assert_eq!(self.reply(ticket), Some(&Reply::TransactionEnded));
    }

    /// The position in partition 0, or why there is none to go on from.
    fn position(&mut self, topic: &str, require_stable: bool) -> Result<Option<i64>, ErrorCode> {
        let ticket = self.send(Command::OffsetFetch(OffsetFetch {
            group: GROUP.into(),
            topics: Fetched::Named(vec![FetchTopic {
                topic: topic.into(),
                id: None,
                partitions: vec![PartitionIndex(0)],
            }]),
            require_stable,
        }));
        match self.reply(ticket) {
            Some(Reply::OffsetFetch(Ok(topics))) => topics[0].partitions[0]
                .1
                .clone()
                .map(|position| position.map(|position| position.offset.0)),
            other => panic!("a fetch is answered at once: {other:?}"),
        }
    }

    fn stable_position(&mut self) -> Result<Option<i64>, ErrorCode> {
        self.position("t", true)
    }
}

#[test]
fn a_position_counts_once_the_transaction_is_committed() {
    let mut ctx = Context::new();
    ctx.commit(commit("t", 3)).expect("taken");
    ctx.commit_in(producer(7, 0), true, commit("t", 8)).expect("taken");
    assert_eq!(ctx.position("t", false), Ok(Some(3)));
    assert_eq!(ctx.stable_position(), Err(ErrorCode::UnstableOffsetCommit));
    ctx.fail_over();
    assert_eq!(ctx.stable_position(), Err(ErrorCode::UnstableOffsetCommit));
    ctx.end(producer(7, 1), true);
    assert_eq!(ctx.stable_position(), Ok(Some(8)));
    ctx.fail_over();
    assert_eq!(ctx.stable_position(), Ok(Some(8)));
}

#[test]
fn a_position_of_an_aborted_transaction_never_counts() {
    let mut ctx = Context::new();
    ctx.commit_in(producer(7, 0), true, commit("t", 8)).expect("taken");
    ctx.end(producer(7, 1), false);
    assert_eq!(ctx.stable_position(), Ok(None));
    assert!(ctx.exists(), "as on Kafka, the group stays");
}

#[test]
fn an_end_leaves_other_transactions_open() {
    let mut ctx = Context::new();
    ctx.commit_in(producer(7, 0), true, commit("t", 1)).expect("taken");
    ctx.commit_in(producer(8, 0), true, commit("u", 2)).expect("taken");
    ctx.end(producer(7, 1), true);
    assert_eq!(ctx.position("t", true), Ok(Some(1)));
    assert_eq!(ctx.position("u", true), Err(ErrorCode::UnstableOffsetCommit));
}

#[test]
fn of_two_positions_the_later_record_counts_not_the_later_marker() {
    let mut ctx = Context::new();
    ctx.commit_in(producer(7, 0), true, commit("t", 1)).expect("taken");
    ctx.commit_in(producer(8, 0), true, commit("t", 2)).expect("taken");
    ctx.end(producer(8, 1), true);
    assert_eq!(ctx.stable_position(), Err(ErrorCode::UnstableOffsetCommit));
    ctx.end(producer(7, 1), true);
    assert_eq!(ctx.stable_position(), Ok(Some(2)));

    ctx.commit_in(producer(7, 1), true, commit("t", 3)).expect("taken");
    ctx.commit(commit("t", 4)).expect("taken");
    ctx.end(producer(7, 2), true);
    assert_eq!(ctx.stable_position(), Ok(Some(4)));
}

#[test]
fn a_transaction_is_announced_before_its_first_position() {
    let mut ctx = Context::new();
    let unannounced = Err(CommitRefused::Unannounced);
    assert_eq!(ctx.commit_in(producer(7, 0), false, commit("t", 1)), unannounced);
    assert!(!ctx.exists());
    ctx.commit_in(producer(7, 0), true, commit("t", 1)).expect("taken");
    assert_eq!(ctx.commit_in(producer(7, 0), false, commit("t", 2)), Ok(()));
    assert_eq!(ctx.commit_in(producer(7, 1), false, commit("t", 3)), unannounced);
    ctx.end(producer(7, 1), true);
    assert_eq!(ctx.commit_in(producer(7, 0), false, commit("t", 4)), unannounced);
    assert_eq!(ctx.stable_position(), Ok(Some(2)));
}

#[test]
fn a_member_of_another_generation_may_not_commit() {
    let mut ctx = Context::new();
    let [a] = ctx.stable(["a"]);
    let refused = |code| Err(CommitRefused::Error(code));
    let mut sent = |commit| ctx.commit_in(producer(7, 0), true, commit);
    assert_eq!(sent(commit("t", 1).by(&a, 1)), Ok(()));
    assert_eq!(sent(commit("t", 1).by(&a, 0)), refused(ErrorCode::IllegalGeneration));
    assert_eq!(
        sent(commit("t", 1).by(&"x".into(), 1)),
        refused(ErrorCode::UnknownMemberId)
    );
    assert_eq!(sent(commit("t", 1)), Ok(()), "who names nobody is not checked");
}

#[test]
fn a_generation_in_an_unknown_group_is_illegal() {
    let mut ctx = Context::new();
    let sent = ctx.commit_in(producer(7, 0), true, commit("t", 1).by(&"x".into(), 1));
    assert_eq!(sent, Err(CommitRefused::Error(ErrorCode::IllegalGeneration)));
}

#[test]
fn who_forgets_a_position_forgets_the_pending_one_too() {
    let delete = |ctx: &mut Context, way: usize| match way {
        0 => assert_eq!(ctx.delete_group(), Ok(())),
        1 => {
            let topics = vec![("t".into(), vec![PartitionIndex(0)])];
            let ticket = ctx.send(Command::OffsetDelete(OffsetDelete {
                group: GROUP.into(),
                topics,
            }));
            assert!(matches!(ctx.reply(ticket), Some(Reply::OffsetDelete(Ok(_)))));
        }
        _ => {
            let gone = DeletedTopic {
                topic: "t".into(),
                id: ottla_model::TopicId::METADATA,
            };
            let ticket = ctx.send(Command::TopicsDeleted(vec![gone]));
            assert_eq!(ctx.reply(ticket), Some(&Reply::TopicsDeleted(1)));
        }
    };
    for way in 0..3 {
        let mut ctx = Context::new();
        ctx.commit_in(producer(7, 0), true, commit("t", 1)).expect("taken");
        delete(&mut ctx, way);
        ctx.end(producer(7, 1), true);
        assert_eq!(ctx.stable_position(), Ok(None), "way {way}");
    }
}

#[test]
fn a_pending_position_keeps_its_group_and_what_it_would_replace() {
    let mut ctx = Context::new();
    ctx.commit(commit("t", 3)).expect("taken");
    ctx.commit_in(producer(7, 0), true, commit("t", 4)).expect("taken");
    let week = GroupConfig::default().offsets_retention.0;
    ctx.pass(2 * week);
    assert_eq!(ctx.position("t", false), Ok(Some(3)));
    ctx.end(producer(7, 1), false);
    ctx.pass(week);
    assert!(!ctx.exists());
}

#[derive(Clone, Debug)]
enum Event {
    Commit,
    CommitIn(i64),
    End(i64, bool),
    Delete,
    FailOver,
}

fn event() -> impl Strategy<Value = Event> {
    let producer = 0..3i64;
    prop_oneof![
        2 => Just(Event::Commit),
        5 => producer.clone().prop_map(Event::CommitIn),
        3 => (producer, any::<bool>()).prop_map(|(producer, committed)| Event::End(producer, committed)),
        1 => Just(Event::Delete),
        1 => Just(Event::FailOver),
    ]
}

/// All positions ever committed in one partition, in the log's order. Each is its own place.
#[derive(Default)]
struct Positions {
    /// The producer of the transaction that is open, if it was committed in one; `true` counts, `false` does not.
    all: Vec<Result<bool, i64>>,
}

impl Positions {
    fn end(&mut self, producer: i64, committed: bool) {
        for position in &mut self.all {
            if *position == Err(producer) {
                *position = Ok(committed);
            }
        }
    }

    fn forget(&mut self) {
        self.all.iter_mut().for_each(|position| *position = Ok(false));
    }

    fn latest(&self) -> Option<i64> {
        let latest = self.all.iter().rposition(|position| *position == Ok(true));
        latest.map(|at| at as i64)
    }

    fn is_open(&self) -> bool {
        self.all.iter().any(Result::is_err)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The context checks after each step that the log says what the state says.
    #[test]
    fn the_last_position_that_counts_is_the_one_to_go_on_from(events in prop::collection::vec(event(), 1..40)) {
        let mut ctx = Context::new();
        let mut positions = Positions::default();
        let mut epochs = [0; 3];
        for event in events {
            match event {
                Event::Commit => {
                    ctx.commit(commit("t", positions.all.len() as i64)).expect("taken");
                    positions.all.push(Ok(true));
                }
                Event::CommitIn(number) => {
                    let producer = producer(number, epochs[number as usize]);
                    let sent = commit("t", positions.all.len() as i64);
                    ctx.commit_in(producer, true, sent).expect("taken");
                    positions.all.push(Err(number));
                }
                Event::End(number, committed) => {
                    epochs[number as usize] += 1;
                    ctx.end(producer(number, epochs[number as usize]), committed);
                    positions.end(number, committed);
                }
                Event::Delete => {
                    let _ = ctx.delete_group();
                    positions.forget();
                }
                Event::FailOver => ctx.fail_over(),
            }
            prop_assert_eq!(ctx.position("t", false), Ok(positions.latest()));
            prop_assert_eq!(ctx.stable_position().is_err(), positions.is_open());
        }
    }
}
