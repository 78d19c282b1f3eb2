//! A process that commits rising offsets for a group of its own, without being its member, and looks them up again.

use super::{PARTITIONS, PAUSE, Stage, TOPIC};
use crate::client::{Client, Membership};
use crate::history::Event;
use crate::random::Random;
use crate::trouble::Trouble;

/// Commits between two look-ups.
const COMMITS_PER_LOOK: u64 = 10;

/// Commits until the load ends, and looks up its offsets a last time.
pub(super) fn run(stage: &Stage, number: u64, mut random: Random) {
    let (process, group) = (format!("committer-{number}"), format!("commits-{number}"));
    let mut next = 1;
    while let Some(mut client) = stage.connect() {
        match work(stage, &process, &group, &mut client, &mut next, &mut random) {
            Ok(()) => return,
            Err(trouble) => stage.excuse(&process, &trouble),
        }
    }
}

fn work(
    stage: &Stage,
    process: &str,
    group: &str,
    client: &mut Client,
    next: &mut i64,
    random: &mut Random,
) -> Result<(), Trouble> {
    let all = (0..PARTITIONS).collect::<Vec<_>>();
    loop {
        // After a restart the coordinator may still be loading: that is no position.
        if let Ok(positions) = client.committed(group, TOPIC, &all)? {
            for (partition, offset) in positions {
                stage.history.add(
                    process,
                    Event::Position {
                        group: group.to_owned(),
                        partition,
                        offset,
                    },
                );
            }
            if stage.is_ending() {
                return Ok(());
            }
        }
        for _ in 0..random.between(1, COMMITS_PER_LOOK) {
            if stage.is_paused() || stage.is_ending() {
                std::thread::sleep(PAUSE);
                continue;
            }
            let partitions = random.between(1, PARTITIONS as u64) as i32;
            let offsets = (0..partitions).map(|partition| (partition, *next)).collect::<Vec<_>>();
            *next += 1;
            commit(stage, process, group, client, &offsets)?;
        }
    }
}

fn commit(
    stage: &Stage,
    process: &str,
    group: &str,
    client: &mut Client,
    offsets: &[(i32, i64)],
) -> Result<(), Trouble> {
    for (partition, offset) in offsets {
        let event = Event::Commit {
            group: group.to_owned(),
            partition: *partition,
            offset: *offset,
        };
        stage.history.add(process, event);
    }
    if client.commit(group, &Membership::default(), TOPIC, offsets)?.is_ok() {
        for (partition, offset) in offsets {
            let event = Event::Committed {
                group: group.to_owned(),
                partition: *partition,
                offset: *offset,
            };
            stage.history.add(process, event);
        }
    }
    Ok(())
}
