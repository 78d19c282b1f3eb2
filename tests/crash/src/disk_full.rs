//! `disk-full`: the file system has no room. Writes are refused and say why, reads and groups go on, and when there is room
//! again writes go on by themselves; nothing acknowledged is lost, neither by this nor by a kill afterwards.

use std::time::{Duration, Instant};

use crate::breakage::copy_directory;
use crate::broker::{Launch, Program, last_lines};
use crate::client::{Client, Membership, code};
use crate::evidence::{Evidence, within};
use crate::ledger::Ledger;
use crate::small_disk::SmallDisk;
use crate::trouble::{Trouble, expect};

const TOPIC: &str = "full";
const DISK_BYTES: u64 = 128 << 20;
/// What the ballast leaves.
const LEFT_BYTES: u64 = 6 << 20;
/// Each record, so that the room that is left is gone soon.
const RECORD_BYTES: usize = 100_000;
/// How long writes may go on into room that was set aside before.
const FILL: Duration = Duration::from_secs(30);
/// How soon writes must go on when there is room again.
const RESUME: Duration = Duration::from_secs(15);
/// How long an answer is waited for while the disk is full, and how many may fail to come.
const UNANSWERED: Duration = Duration::from_secs(2);
const UNANSWERED_MAX: u32 = 2;
const SETTINGS: &[&str] = &["ottla.journal.file.bytes=4194304", "ottla.journal.bytes.max=67108864"];

/// Fills the disk, looks, and gives the room back.
pub fn run(program: &Program) -> Result<String, Trouble> {
    within("disk-full", |evidence| on_small_disk(program, evidence))
}

fn on_small_disk(program: &Program, evidence: &Evidence) -> Result<String, Trouble> {
    let disk = SmallDisk::mount(evidence.path(), DISK_BYTES)?;
    let mut launch = Launch::new(program, evidence.path())?;
    launch.settings.extend(SETTINGS.iter().map(ToString::to_string));
    launch.place = Some(disk.path().join("data"));
    let outcome = fill_and_relieve(&launch, &disk);
    if outcome.is_err() {
        // The mount goes with the check; what the broker left on it is part of the evidence.
        let _ = copy_directory(&launch.data(), &evidence.path().join("data-as-left"));
    }
    let words = outcome?;
    Ok(format!("{} of {} MiB: {words}", disk.kind, DISK_BYTES >> 20))
}

fn fill_and_relieve(launch: &Launch, disk: &SmallDisk) -> Result<String, Trouble> {
    let mut broker = launch.start()?;
    let mut client = Client::open(launch.address())?;
    client.create_topic(TOPIC, 1, &[("segment.bytes", "1048576")])?;
    let mut ledger = Ledger::new(TOPIC, 1, RECORD_BYTES);
    client.find_coordinator("full-1")?;
    for _ in 0..20 {
        expect(ledger.write(&mut client)? == Ok(()), || {
            "a write was refused with room left".to_owned()
        })?;
        expect(ledger.commit(&mut client)? == Ok(()), || {
            "a commit was refused with room left".to_owned()
        })?;
    }
    disk.fill(LEFT_BYTES)?;

    let (refusal, unanswered) = write_until_refused(&mut ledger, &mut client, launch)?;
    expect(broker.ended().is_none(), || "the broker ended".to_owned())?;
    let said = launch.talk();
    let clear = said.lines().rev().find(|line| line.to_lowercase().contains("space"));
    expect(clear.is_some(), || {
        format!(
            "refused with {}, but no line says that there is no space: {}",
            code(refusal),
            last_lines(&said, 3)
        )
    })?;
    ledger.demand_records(&mut client)?;
    ledger.demand_commit(&mut client)?;
    let still = (0..20)
        .filter(|_| matches!(ledger.write(&mut client), Ok(Err(_))))
        .count();
    join(&mut client)?;

    disk.relieve()?;
    let since = Instant::now();
    client.connection.set_patience(RESUME)?;
    while ledger.write(&mut client)?.is_err() {
        expect(since.elapsed() < RESUME, || {
            format!("writes are refused {RESUME:?} after there was room again")
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
    let resumed = since.elapsed();
    while ledger.commit(&mut client)?.is_err() {
        expect(since.elapsed() < RESUME, || {
            format!("commits are refused {RESUME:?} after there was room again")
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
    ledger.demand(launch.address())?;
    broker.kill()?;
    let broker = launch.start()?;
    ledger.demand(launch.address())?;
    broker.stop()?;
    let broker = launch.start()?;
    ledger.demand(launch.address())?;
    broker.stop()?;
    Ok(format!(
        "refused with {} after {} records ({still} of 20 more, {unanswered} unanswered), reads and the group went on, writes resumed after {} ms, \
         all there after a kill ({})",
        code(refusal),
        ledger.acknowledged(),
        resumed.as_millis(),
        clear.unwrap_or_default().trim()
    ))
}

/// The code of the first refusal, and how many writes before it got no answer at all: what was taken before the room ended
/// may wait for room.
fn write_until_refused(ledger: &mut Ledger, client: &mut Client, launch: &Launch) -> Result<(i16, u32), Trouble> {
    let deadline = Instant::now() + FILL;
    let mut unanswered = 0;
    client.connection.set_patience(UNANSWERED)?;
    loop {
        match ledger.write(client) {
            Ok(Ok(())) => {}
            Ok(Err(code)) => return Ok((code, unanswered)),
            Err(trouble) => {
                unanswered += 1;
                expect(unanswered <= UNANSWERED_MAX, || {
                    format!("{unanswered} writes were not answered: {trouble}")
                })?;
                *client = Client::open(launch.address())?;
                client.connection.set_patience(UNANSWERED)?;
            }
        }
        expect(Instant::now() < deadline, || {
            format!("no write was refused in {FILL:?}")
        })?;
    }
}

/// The group's state is at hand: its commits can be read and an unknown member is told so.
fn join(client: &mut Client) -> Result<(), Trouble> {
    let stranger = Membership {
        generation: 7,
        member_id: "stranger".to_owned(),
    };
    let answer = client.commit("full-1", &stranger, TOPIC, &[(0, 1)])?;
    expect(answer.is_err(), || "a stranger's commit was taken".to_owned())
}
