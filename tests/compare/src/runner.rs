//! Runs cases, many at a time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cases::Case;
use crate::script::{Broker, Script};
use crate::transcript::{self, Transcript, Transcripts};

/// Runs `cases` against `broker`, `at_once` at a time.
pub fn run(broker: &Broker, cases: &[&Case], at_once: usize) -> Transcripts {
    let next = AtomicUsize::new(0);
    let transcripts = Mutex::new(Transcripts::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let transcript = run_one(broker, case);
                    let mut transcripts = transcripts.lock().expect("no case panics with the lock held");
                    transcripts.insert(case.name.clone(), transcript);
                }
            });
        }
    });
    transcripts.into_inner().expect("no case panics with the lock held")
}

fn run_one(broker: &Broker, case: &Case) -> Transcript {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let mut script = Script::new(broker, NUMBER.fetch_add(1, Ordering::Relaxed));
    if let Err(error) = case.run(&mut script) {
        script.note_failure(&error);
    }
    script.finish()
}

/// `count` of `cases`, the same ones every time, taken from all areas in turn and spread over each.
pub fn subset<'a>(cases: &[&'a Case], count: usize) -> Vec<&'a Case> {
    let mut areas: Vec<Vec<&Case>> = Vec::new();
    for case in cases {
        let same = |area: &&mut Vec<&Case>| transcript::area(&area[0].name) == transcript::area(&case.name);
        match areas.iter_mut().find(same) {
            Some(area) => area.push(case),
            None => areas.push(vec![case]),
        }
    }
    // An area with few cases leaves its share to the others.
    areas.sort_by_key(Vec::len);
    let (mut taken, mut areas_left, mut left) = (Vec::new(), areas.len(), count);
    for area in areas {
        let share = left.div_ceil(areas_left).min(area.len()).min(left);
        taken.extend((0..share).map(|index| area[index * area.len() / share]));
        left -= share;
        areas_left -= 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subset_is_balanced_and_stable() {
        let names = ["a/1", "b/1", "b/2", "b/3", "b/4", "c/1", "c/2", "c/3", "c/4"];
        let cases: Vec<Case> = names.iter().map(|name| Case::new(*name, |_| Ok(()))).collect();
        let cases: Vec<&Case> = cases.iter().collect();
        let taken: Vec<&str> = subset(&cases, 5).iter().map(|case| case.name.as_str()).collect();
        assert_eq!(taken, ["a/1", "b/1", "b/3", "c/1", "c/3"]);
        assert_eq!(subset(&cases, 100).len(), names.len());
    }
}
