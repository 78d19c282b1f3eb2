//! `lock`: a second broker on the same directory refuses to start, and the first does not notice.

use std::process::{Command, Stdio};

use crate::broker::{Launch, Program, free_port, last_lines};
use crate::client::Client;
use crate::content::{Shape, Value, batch};
use crate::evidence::{Evidence, within};
use crate::trouble::{Trouble, expect};
use ottla_log::Codec;

const TOPIC: &str = "locked";
const SHAPE: Shape = Shape {
    records: 1,
    record_bytes: 20,
    codec: Codec::None,
};

/// Starts two on one directory.
pub fn run(program: &Program) -> Result<String, Trouble> {
    within("lock", |evidence| start_two(program, evidence))
}

fn start_two(program: &Program, evidence: &Evidence) -> Result<String, Trouble> {
    let Program::Ottla(binary) = program else {
        return Ok("only of Ottla".to_owned());
    };
    let launch = Launch::new(program, evidence.path())?;
    let broker = launch.start()?;
    let mut client = Client::open(launch.address())?;
    client.create_topic(TOPIC, 1, &[])?;
    write_one(&mut client, 0)?;

    let mut second = Command::new(binary);
    second
        .arg("serve")
        .arg("--data")
        .arg(launch.data())
        .arg("--listen")
        .arg(format!("127.0.0.1:{}", free_port()?));
    let output = second.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(!output.status.success(), || {
        "a second broker started on a directory in use".to_owned()
    })?;
    let data = launch.data().display().to_string();
    expect(
        said.contains(&data) && (said.contains("use") || said.contains("lock")),
        || {
            format!(
                "the refusal does not say that {data} is in use: {}",
                last_lines(&said, 3)
            )
        },
    )?;
    expect(output.stdout.is_empty(), || {
        "the refused broker printed a ready line".to_owned()
    })?;

    write_one(&mut client, 1)?;
    broker.stop()?;
    let broker = launch.start()?;
    let read = Client::open(launch.address())?.fetch(TOPIC, &[(0, 0)], 500)?;
    let values = read
        .iter()
        .flat_map(|fetched| &fetched.records)
        .map(|(_, value)| value.number())
        .collect::<Vec<_>>();
    expect(values == [0, 1], || {
        format!("the first broker's records are {values:?} after its restart")
    })?;
    broker.stop()?;
    Ok(format!("refused with {}: {}", output.status, last_lines(&said, 1)))
}

fn write_one(client: &mut Client, number: u64) -> Result<(), Trouble> {
    let answer = client.produce(TOPIC, 0, -1, batch(Value::new(0, 0, number), SHAPE, None))?;
    expect(answer == Ok(number as i64), || {
        format!("record {number} was answered with {answer:?}")
    })
}
