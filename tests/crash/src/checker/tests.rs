//! One broken history for each anomaly, and a sound one.

use super::*;
use crate::breakage::{Breakage, break_history};

/// Two producers, two partitions, a reader and a committer over one crash, all sound.
fn sound() -> Vec<Entry> {
    let mut story = Story::default();
    for partition in 0..2 {
        for producer in 0..2 {
            story.acked(partition, producer, 0, 3, i64::from(producer as i32 * 3));
        }
        story.poll(partition, 0, &[(0, 0, 0, 3), (3, 1, 0, 3)]);
        story.commit(partition, 3, true);
        story.commit(partition, 6, true);
    }
    story.add(Event::Kill);
    story.add(Event::Restart);
    for partition in 0..2 {
        story.position(partition, Some(6));
        story.acked(partition, 0, 3, 2, 6);
        story.poll(partition, 6, &[(6, 0, 3, 2)]);
        story.commit(partition, 8, false);
        story.position(partition, Some(8));
    }
    story.add(Event::Joined {
        group: "g".into(),
        generation: 1,
    });
    story.add(Event::Joined {
        group: "g".into(),
        generation: 2,
    });
    for partition in 0..2 {
        story.drain(partition, 8, &[(0, 0, 0, 3), (3, 1, 0, 3), (6, 0, 3, 2)]);
    }
    story.entries
}

#[derive(Default)]
struct Story {
    entries: Vec<Entry>,
}

impl Story {
    fn add(&mut self, event: Event) {
        self.entries.push(Entry {
            process: "one".into(),
            round: 0,
            ns: 0,
            event,
        });
    }

    fn acked(&mut self, partition: i32, producer: u64, number: u64, count: u64, offset: i64) {
        let first = Value::new(producer, partition, number);
        self.add(Event::Send {
            partition,
            first,
            count,
        });
        self.add(Event::Acked {
            partition,
            first,
            count,
            offset,
        });
    }

    fn poll(&mut self, partition: i32, from: i64, read: &[(i64, u64, u64, u64)]) {
        let runs = self.runs(partition, read);
        let high_watermark = runs.last().map_or(0, |run| run.offset + run.count as i64);
        self.add(Event::Poll {
            partition,
            position: 0,
            from,
            high_watermark,
            runs,
        });
    }

    fn drain(&mut self, partition: i32, end: i64, read: &[(i64, u64, u64, u64)]) {
        let (runs, since) = (self.runs(partition, read), self.entries.len());
        self.add(Event::Drain {
            partition,
            from: 0,
            end,
            since,
            runs,
        });
    }

    fn runs(&self, partition: i32, read: &[(i64, u64, u64, u64)]) -> Vec<Run> {
        let run = |(offset, producer, number, count): &(i64, u64, u64, u64)| Run {
            offset: *offset,
            first: Value::new(*producer, partition, *number),
            count: *count,
        };
        read.iter().map(run).collect()
    }

    fn commit(&mut self, partition: i32, offset: i64, acked: bool) {
        self.add(Event::Commit {
            group: "g".into(),
            partition,
            offset,
        });
        if acked {
            self.add(Event::Committed {
                group: "g".into(),
                partition,
                offset,
            });
        }
    }

    fn position(&mut self, partition: i32, offset: Option<i64>) {
        self.add(Event::Position {
            group: "g".into(),
            partition,
            offset,
        });
    }
}

fn kinds(entries: &[Entry]) -> Vec<Kind> {
    check(entries).iter().map(|anomaly| anomaly.kind).collect()
}

#[test]
fn a_sound_history_passes() {
    assert_eq!(check(&sound()), []);
}

#[test]
fn every_breakage_is_caught_by_its_own_rule() {
    for breakage in Breakage::HISTORIES {
        let mut entries = sound();
        assert!(
            break_history(*breakage, &mut entries),
            "{breakage:?} found nothing to break"
        );
        let kinds = kinds(&entries);
        assert!(
            kinds.contains(&breakage.caught_as()),
            "{breakage:?} was seen as {kinds:?}"
        );
    }
}

#[test]
fn an_unacknowledged_tail_may_be_missing() {
    let mut story = Story { entries: sound() };
    story.add(Event::Send {
        partition: 0,
        first: Value::new(0, 0, 5),
        count: 9,
    });
    assert_eq!(check(&story.entries), []);
}

#[test]
fn an_unacknowledged_commit_may_be_seen_or_not_but_not_both_in_turn() {
    let mut story = Story::default();
    story.commit(0, 5, true);
    story.commit(0, 9, false);
    story.position(0, Some(5));
    story.position(0, Some(9));
    assert_eq!(check(&story.entries), []);
    story.position(0, Some(5));
    assert_eq!(kinds(&story.entries), [Kind::CommitLost]);
}

#[test]
fn what_was_acknowledged_after_a_drain_began_is_not_missed() {
    let mut story = Story::default();
    story.acked(0, 0, 0, 3, 0);
    story.drain(0, 3, &[(0, 0, 0, 3)]);
    story.acked(0, 0, 3, 3, 3);
    assert_eq!(check(&story.entries), []);
    story.drain(0, 3, &[(0, 0, 0, 3)]);
    assert!(kinds(&story.entries).contains(&Kind::LostWrite));
}
