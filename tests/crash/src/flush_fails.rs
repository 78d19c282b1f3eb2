//! `flush-fails`: the medium refuses a flush. From then on nothing is acknowledged, the log says so, and after a restart
//! everything acknowledged before is there. One failure is as bad as many: the kernel marks the pages clean after the
//! first, so that the next flush would succeed and mean nothing.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::broker::{Broker, Launch, Program, last_lines};
use crate::client::Client;
use crate::evidence::{Evidence, within};
use crate::ledger::Ledger;
use crate::trouble::{During, Trouble, expect};

/// Which flushes of a thread fail: all, or one alone.
const FAILURES: &[(&str, &str)] = &[("every flush", "1+"), ("one flush", "2")];
const WRITERS: u64 = 3;
/// How long the broker may take to notice, and how long it is watched afterwards.
const NOTICE: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_millis(700);

/// Lets flushes fail under load, once and for good.
pub fn run(program: &Program) -> Result<String, Trouble> {
    let mut words = Vec::new();
    for (name, when) in FAILURES {
        words.push(format!(
            "{name}: {}",
            within("flush-fails", |evidence| fail(program, when, evidence)).during(name)?
        ));
    }
    Ok(words.join("; "))
}

fn fail(program: &Program, when: &str, evidence: &Evidence) -> Result<String, Trouble> {
    let launch = Launch::new(program, evidence.path())?;
    let mut broker = launch.start()?;
    let mut client = Client::open(launch.address())?;
    for writer in 0..WRITERS {
        client.create_topic(&format!("eio-{writer}"), 1, &[])?;
        client.find_coordinator(&format!("eio-{writer}-{writer}"))?;
    }
    let watch = Watch::default();
    let talked = launch.talk().len();
    let ledgers = std::thread::scope(|scope| {
        let (launch, watch) = (&launch, &watch);
        let writers = (0..WRITERS)
            .map(|number| scope.spawn(move || write(launch, number, watch)))
            .collect::<Vec<_>>();
        let injected = inject(&broker, when, watch, &mut client);
        watch.stop.store(true, Ordering::SeqCst);
        let ledgers = writers
            .into_iter()
            .map(|writer| writer.join().map_err(|_| Trouble::new("a writer panicked")));
        let ledgers = ledgers.collect::<Result<Result<Vec<_>, _>, _>>();
        injected.and_then(|()| ledgers?)
    })?;
    expect(watch.false_acks.load(Ordering::SeqCst) == 0, || {
        format!(
            "{} acknowledgements came after the failure",
            watch.false_acks.load(Ordering::SeqCst)
        )
    })?;
    let ended = broker.ended();
    let said = launch.talk()[talked..].to_owned();
    let loud = said
        .lines()
        .find(|line| line.contains("ERROR") && line.to_lowercase().contains("flush"));
    let loud = loud.or_else(|| {
        said.lines()
            .find(|line| line.contains("ERROR") && line.contains("os error 5"))
    });
    let loud =
        loud.ok_or_else(|| Trouble::new(format!("no line says that a flush failed: {}", last_lines(&said, 3))))?;
    broker.kill()?;

    let broker = launch.start()?;
    ledgers.iter().try_for_each(|ledger| ledger.demand(launch.address()))?;
    broker.stop()?;
    let promises = ledgers.iter().map(Ledger::acknowledged).sum::<usize>();
    let ended = ended.map_or("it went on refusing".to_owned(), |status| {
        format!("it ended with {status}")
    });
    let words = format!(
        "{promises} acknowledged before and all there, none after, {ended} ({})",
        loud.trim()
    );
    Ok(words)
}

/// What all writers know.
#[derive(Default)]
struct Watch {
    stop: AtomicBool,
    /// Set as soon as a request was refused or a connection broke.
    failed: AtomicBool,
    acknowledged: AtomicU64,
    /// Acknowledgements of what was sent after the failure was known.
    false_acks: AtomicU64,
}

/// Writes and commits until told to stop.
fn write(launch: &Launch, number: u64, watch: &Watch) -> Result<Ledger, Trouble> {
    let mut ledger = Ledger::new(&format!("eio-{number}"), number, 200);
    let mut turn = 0_u64;
    while !watch.stop.load(Ordering::SeqCst) {
        let Ok(mut client) = Client::open(launch.address()) else {
            watch.failed.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        client.connection.set_patience(Duration::from_secs(3))?;
        while !watch.stop.load(Ordering::SeqCst) {
            let knew = watch.failed.load(Ordering::SeqCst);
            turn += 1;
            let answer = if turn.is_multiple_of(4) {
                ledger.commit(&mut client)
            } else {
                ledger.write(&mut client)
            };
            let is_acknowledged = matches!(answer, Ok(Ok(())));
            if is_acknowledged {
                watch.acknowledged.fetch_add(1, Ordering::SeqCst);
                watch.false_acks.fetch_add(u64::from(knew), Ordering::SeqCst);
            } else {
                watch.failed.store(true, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(5));
            }
            if answer.is_err() {
                break;
            }
        }
    }
    Ok(ledger)
}

/// Lets flushes of the running broker fail, waits until a writer sees it, and watches a little longer.
fn inject(broker: &Broker, when: &str, watch: &Watch, client: &mut Client) -> Result<(), Trouble> {
    let deadline = Instant::now() + NOTICE;
    while watch.acknowledged.load(Ordering::SeqCst) < 30 {
        expect(Instant::now() < deadline, || "the writers do not get on".to_owned())?;
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut strace = attach(broker, when)?;
    let deadline = Instant::now() + NOTICE;
    while !watch.failed.load(Ordering::SeqCst) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(WATCH);
    // Whatever it still does, a broker that is up goes on to answer what needs no disk.
    let _ = client.list_offset("eio-0", 0, -1);
    if let Some(pid) = Pid::from_raw(strace.id() as i32) {
        let _ = kill_process(pid, Signal::INT);
    }
    strace.wait()?;
    expect(watch.failed.load(Ordering::SeqCst), || {
        "no request was refused although flushes failed".to_owned()
    })
}

fn attach(broker: &Broker, when: &str) -> Result<Child, Trouble> {
    let inject = format!("inject=fsync,fdatasync,sync_file_range:error=EIO:when={when}");
    let mut command = Command::new("strace");
    command.args([
        "-f",
        "-q",
        "-q",
        "-e",
        "trace=fsync,fdatasync,sync_file_range",
        "-e",
        &inject,
    ]);
    command.args(["-o", "/dev/null", "-p", &broker.pid().to_string()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .during("strace")
}
