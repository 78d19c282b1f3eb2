//! Up to twenty members join and leave at random while records flow. In the end the group is stable, every partition has
//! one owner, the lag is 0, and every record was read.

use crate::check::{self, Acked};
use crate::driver::{Driver, PATIENCE, Pending};
use crate::stage::Stage;
use crate::trouble::Outcome;
use serde_json::json;
use std::time::{Duration, Instant};

const PARTITIONS: u32 = 12;
const MEMBERS: usize = 20;
/// How many members stay.
const LAST: usize = 5;
const RATE: u64 = 40;

/// The members of the moment.
struct Crowd<'a> {
    stage: &'a Stage,
    main: &'a Driver,
    dice: Dice,
    /// Those that were told to join, with the answer they owe.
    present: Vec<(String, Pending)>,
    leaving: Vec<Pending>,
    born: usize,
}

pub fn play(stage: &Stage) -> Outcome<()> {
    let time = Duration::from_secs(if stage.pace.quick { 15 } else { 120 });
    let main = stage.driver("main")?;
    stage.create_topic(&main, PARTITIONS)?;
    let count = time.as_secs() * RATE;
    let producing = stage.begin_produce(&main, 0, count, json!({ "partitions": PARTITIONS, "rate": RATE }))?;
    let dice = Dice(stage.pace.seed | 1);
    let mut crowd = Crowd {
        stage,
        main: &main,
        dice,
        present: Vec::new(),
        leaving: Vec::new(),
        born: 0,
    };
    let end = Instant::now() + time;
    while Instant::now() < end {
        crowd.step()?;
        // This is the scene's own pace, not a wait for anything.
        std::thread::sleep(Duration::from_millis(100 + crowd.dice.roll(500)));
    }
    let last = crowd.settle()?;
    let mut acked = Acked::default();
    stage.finish_produce(&main, &producing, &mut acked)?;
    let mut shape = [PARTITIONS as usize / LAST; LAST];
    shape[..PARTITIONS as usize % LAST].iter_mut().for_each(|n| *n += 1);
    stage.shared_within(PATIENCE * 2, &last, &shape)?;
    stage.stable(&main, LAST)?;
    let everybody = stage.story().members(&stage.group);
    stage.wait_read(&everybody, &acked)?;
    stage.caught_up(&main, &stage.group, PARTITIONS, &acked)?;
    stage.note("committed", acked.ends().into_values().collect::<Vec<_>>());
    main.close()?;
    let story = stage.story();
    check::complete(&story, &everybody, &acked)?;
    check::reads_are_owned(&story, &stage.group)?;
    if stage.client.rereads().is_none() {
        check::repeats_from_commits_only(&story, &stage.group)?;
    }
    check::one_owner_at_a_time(&story, &stage.group)
}

impl Crowd<'_> {
    /// One member comes or goes. They tend to come until the house is full.
    fn step(&mut self) -> Outcome<()> {
        let room = MEMBERS.saturating_sub(self.present.len());
        if self.present.is_empty() || self.dice.roll(MEMBERS as u64 + 5) < room as u64 {
            self.join()
        } else {
            self.leave()
        }
    }

    fn join(&mut self) -> Outcome<()> {
        self.born += 1;
        let id = format!("m{}", self.born);
        let pending = self.stage.begin_join(self.main, &id, json!({}))?;
        self.present.push((id, pending));
        Ok(())
    }

    fn leave(&mut self) -> Outcome<()> {
        let which = self.dice.roll(self.present.len() as u64);
        let (id, pending) = self.present.swap_remove(usize::try_from(which).unwrap_or_default());
        self.main.finish(&pending, PATIENCE)?;
        self.leaving.push(self.main.begin("close", &id, json!({}))?);
        Ok(())
    }

    /// Comes to the last few members, and waits until all others have left.
    fn settle(mut self) -> Outcome<Vec<String>> {
        while self.present.len() < LAST {
            self.join()?;
        }
        while self.present.len() > LAST {
            self.leave()?;
        }
        for pending in &self.leaving {
            self.main.finish(pending, PATIENCE * 2)?;
        }
        for (_, pending) in &self.present {
            self.main.finish(pending, PATIENCE)?;
        }
        Ok(self.present.into_iter().map(|(id, _)| id).collect())
    }
}

/// A xorshift generator: the same seed, the same churn.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides.max(1)
    }
}
