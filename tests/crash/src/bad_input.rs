//! `bad-input`: whatever comes over a connection, the broker refuses it in the protocol's way or closes the connection,
//! says so in one line, takes no memory for what is only declared, and lets nobody else feel it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::broker::{Launch, Program, last_lines};
use crate::client::Client;
use crate::evidence::{Evidence, within};
use crate::trouble::{During, Trouble, expect};

mod batches;
mod counts;
mod frames;
mod neighbour;

use neighbour::Neighbour;

/// How much the broker's memory may grow at its peak.
const RSS_GROWTH_MAX: u64 = 128 << 20;
/// Connections that declare much and send little.
const CROWD: usize = 1_000;
/// What each of them declares.
const DECLARED: i32 = 100 << 20;
/// Connections that stop in the middle of a frame and stay.
const HALVES: usize = 200;
/// How long a connection may stay open after what must close it.
const CLOSES_WITHIN: Duration = Duration::from_secs(3);

/// Sends all of it.
pub fn run(program: &Program) -> Result<String, Trouble> {
    within("bad-input", |evidence| beside_a_neighbour(program, evidence))
}

fn beside_a_neighbour(program: &Program, evidence: &Evidence) -> Result<String, Trouble> {
    raise_descriptor_limit();
    let launch = Launch::new(program, evidence.path())?;
    let mut broker = launch.start()?;
    let address = launch.address();
    Client::open(address)?.create_topic(batches::TOPIC, 1, &[])?;
    let neighbour = Neighbour::begin(address)?;
    std::thread::sleep(Duration::from_millis(300));
    let (resident, _) = broker.resident()?;

    let outcome = all(&launch);
    let ended = broker.ended();
    expect(ended.is_none(), || {
        format!("the broker ended with {ended:?}: {}", last_lines(&launch.talk(), 3))
    })?;
    let (_, peak) = broker.resident()?;
    let calm = neighbour.end();
    let mut words = outcome?;
    words.push(calm?);
    let growth = peak.saturating_sub(resident);
    expect(growth <= RSS_GROWTH_MAX || is_kafka(program), || {
        format!(
            "the broker grew by {} MiB, {} are allowed",
            growth >> 20,
            RSS_GROWTH_MAX >> 20
        )
    })?;
    words.push(format!(
        "memory grew by {} MiB of {}",
        growth >> 20,
        RSS_GROWTH_MAX >> 20
    ));
    broker.stop()?;
    Ok(words.join(", "))
}

fn all(launch: &Launch) -> Result<Vec<String>, Trouble> {
    let address = launch.address();
    let frames = frames::run(launch).during("frames")?;
    let batches = batches::run(address).during("batches")?;
    let halves = silent_halves(address).during("half frames")?;
    let crowd = crowd(address).during("the crowd")?;
    let counts = counts::run(address).during("huge counts")?;
    drop((halves, crowd));
    Ok(vec![frames, batches, counts])
}

/// Connections that send half a frame and then nothing.
fn silent_halves(address: SocketAddr) -> Result<Vec<TcpStream>, Trouble> {
    let open = |_| {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(&[0, 0, 0, 100, 0, 3, 0, 9, 0])?;
        Ok(socket)
    };
    (0..HALVES).map(open).collect()
}

/// Connections that each declare a frame as large as is allowed and send its beginning.
fn crowd(address: SocketAddr) -> Result<Vec<TcpStream>, Trouble> {
    let open = |_| {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(&DECLARED.to_be_bytes())?;
        socket.write_all(&[0, 0, 0, 9])?;
        socket.write_all(&[0; 1_000])?;
        Ok(socket)
    };
    let crowd = (0..CROWD).map(open).collect::<Result<Vec<_>, Trouble>>()?;
    // They are all there at once, for as long as a garbage collector or a sweeper might need to look at them.
    std::thread::sleep(Duration::from_millis(500));
    Ok(crowd)
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// An answer came.
    Answered,
    /// It was closed without one.
    Closed,
    /// Neither, for as long as was waited.
    Silent,
}

/// Sends bytes over a connection of their own; what became of it, from which port, and what was answered.
fn send(address: SocketAddr, bytes: &[u8], patience: Duration) -> Result<(Fate, u16, Vec<u8>), Trouble> {
    let mut socket = TcpStream::connect(address)?;
    let port = socket.local_addr()?.port();
    socket.set_read_timeout(Some(patience))?;
    // The broker may close while this is still being written.
    let _ = socket.write_all(bytes);
    let deadline = Instant::now() + patience;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match socket.read(&mut chunk) {
            Ok(0) => break,
            Ok(got) => answer.extend_from_slice(&chunk[..got]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(_) => return Ok((Fate::Silent, port, answer)),
        }
        if answer.len() >= 4 {
            return Ok((Fate::Answered, port, answer));
        }
        if Instant::now() > deadline {
            return Ok((Fate::Silent, port, answer));
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
    Ok((Fate::Closed, port, answer))
}

fn is_kafka(program: &Program) -> bool {
    matches!(program, Program::Kafka(_))
}

/// The crowd needs more descriptors than some systems give by default; the broker inherits the limit.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
}
