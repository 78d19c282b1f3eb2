//! The built binary against a broker that it started itself.

#![allow(clippy::unwrap_used, reason = "a test may end at any surprise")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use ottla_client::{Admin, Client, ClientConfig};
use ottla_model::TopicPartition;
use serde_json::{Value, json};

/// A broker with an empty directory, on a port of its own.
struct Broker {
    process: Child,
    directory: PathBuf,
    bootstrap: String,
}

impl Broker {
    fn start() -> Broker {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ottla-cli-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let mut process = ottla()
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        Broker {
            process,
            directory,
            bootstrap: ready["ready"]["bootstrap"].as_str().unwrap().to_owned(),
        }
    }

    /// A command line, its words parted by spaces.
    fn command(&self, line: &str) -> Command {
        let mut command = ottla();
        command.args(line.split(' ')).env("OTTLA_BOOTSTRAP", &self.bootstrap);
        command
    }

    fn run(&self, line: &str) -> Done {
        Done::from(self.command(line).output().unwrap())
    }

    fn feed(&self, line: &str, input: &str) -> Done {
        let mut command = self.command(line);
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Done::from(child.wait_with_output().unwrap())
    }

    /// A topic with one partition and a record for each line.
    fn topic(&self, name: &str, lines: &str) {
        self.run(&format!("topic create {name} --partitions 1")).succeeds();
        self.feed(&format!("produce {name}"), lines).succeeds();
    }

    /// Deletes what is before `offset` in partition 0, as retention would.
    fn delete_records(&self, topic: &str, offset: i64) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let client = Client::connect(ClientConfig::new(&self.bootstrap)).await.unwrap();
            let before = BTreeMap::from([(TopicPartition::new(topic, 0), offset)]);
            Admin::new(client).delete_records(&before).await.unwrap();
        });
    }

    fn describe_group(&self, name: &str) -> Value {
        self.run(&format!("group describe {name} --json"))
            .succeeds()
            .json()
            .remove(0)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A command that ended.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    #[track_caller]
    fn succeeds(self) -> Done {
        assert_eq!(self.code, 0, "stderr: {}", self.err);
        self
    }

    /// Ends with `code`, says `words` to stderr and nothing to stdout.
    #[track_caller]
    fn fails(self, code: i32, words: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "stderr: {}", self.err);
        assert!(self.err.contains(words), "stderr: {}", self.err);
    }

    #[track_caller]
    fn prints(self, out: &str) -> Done {
        let done = self.succeeds();
        assert_eq!(done.out, out);
        done
    }

    #[track_caller]
    fn says(self, err: &str) -> Done {
        let done = self.succeeds();
        assert_eq!(done.err, err);
        done
    }

    fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A member of a group that is known to have read its first record.
struct Member {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Member {
    fn start(broker: &Broker, line: &str) -> (Member, String) {
        let mut command = broker.command(line);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        (Member { process, lines }, first)
    }

    fn signal(&self, name: &str) {
        signal(&self.process, name);
    }

    /// Ctrl-C, and what it said on stderr.
    fn interrupt(mut self) -> String {
        self.signal("-INT");
        let mut said = String::new();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{said}");
        said
    }
}

fn signal(process: &Child, name: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

fn ottla() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command
        .env_remove("OTTLA_BOOTSTRAP")
        .env_remove("OTTLA_LOG")
        .stdin(Stdio::null());
    command
}

#[test]
fn a_topic_is_created_listed_described_altered_and_deleted() {
    let broker = Broker::start();
    broker
        .run("topic list")
        .prints("")
        .says("there is no topic yet; make one with: ottla topic create NAME\n");
    broker
        .run("topic create orders --partitions 3 --config retention.ms=60000")
        .says("created topic orders with 3 partitions\n");
    broker
        .run("topic create orders")
        .fails(1, "topic orders exists already");
    broker.run("topic list").prints("TOPIC   PARTITIONS\norders  3\n");
    let described = broker.run("topic describe orders --json").succeeds().json().remove(0);
    assert_eq!(described["config"], json!({ "retention.ms": "60000" }));
    assert_eq!(described["partitions"].as_array().unwrap().len(), 3);
    assert_eq!(described["partitions"][2]["end"], json!(0));
    broker
        .run("topic alter orders --partitions 2")
        .fails(2, "has 3 partitions already");
    broker
        .run("topic alter orders --partitions 5 --set max.message.bytes=2000 --unset retention.ms")
        .says("topic orders: 3 -> 5 partitions\ntopic orders: properties changed\n");
    let described = broker.run("topic describe orders --json").succeeds().json().remove(0);
    assert_eq!(described["config"], json!({ "max.message.bytes": "2000" }));
    let table = broker.run("topic describe orders").succeeds().out;
    assert!(
        table.contains("PARTITION  LEADER  REPLICAS  IN SYNC  START  END\n"),
        "{table}"
    );
    broker.run("topic delete orders").says("deleted topic orders\n");
    broker
        .run("topic delete orders")
        .fails(1, "topic orders does not exist; there is no topic at all");
}

#[test]
fn records_are_produced_and_consumed_with_keys_and_places() {
    let broker = Broker::start();
    broker.run("topic create orders --partitions 2").succeeds();
    let produced = broker.feed(
        "produce orders --key-separator : --partition 1 --json",
        "a:one\nb:two:2\n",
    );
    let produced = produced.says("2 records written to orders: 2 to partition 1\n");
    let acknowledged = json!({ "topic": "orders", "partition": 1, "offset": 1 });
    assert_eq!(produced.json()[1], acknowledged);
    broker
        .run("consume orders --max 2")
        .prints("one\ntwo:2\n")
        .says("2 records read\n");
    let records = broker
        .run("consume orders --partition 1 --from 1 --max 1 --json")
        .succeeds()
        .json();
    assert_eq!(records[0]["key"], json!("b"));
    assert_eq!(records[0]["value"], json!("two:2"));
    assert_eq!(
        (&records[0]["partition"], &records[0]["offset"]),
        (&json!(1), &json!(1))
    );
    let time = records[0]["timestamp"].as_str().unwrap();
    let again = broker.run(&format!("consume orders --from {time} --max 1")).succeeds();
    assert!(["one\n", "two:2\n"].contains(&again.out.as_str()));
    broker.feed("produce orders --acks 0", "x\n").succeeds();
    broker.feed("produce orders --acks 1", "x\n").succeeds();
    broker
        .feed("produce orders --key-separator :", "a:b\nnone\n")
        .fails(1, "line 2 has no \":\"");
}

#[test]
fn a_group_is_read_described_reset_and_deleted() {
    let broker = Broker::start();
    broker.topic("orders", "1\n2\n3\n4\n5\n");
    let read = broker.run("consume orders --group billing --max 3").prints("1\n2\n3\n");
    assert_eq!(
        read.err,
        "group billing assigned to this member: orders 0\nleft group billing; 3 records read\n"
    );
    broker
        .run("group list")
        .prints("GROUP    STATE  PROTOCOL\nbilling  Empty  consumer\n");
    let group = broker.describe_group("billing");
    let partition = json!({
        "topic": "orders", "partition": 0, "committed": 3, "start": 0, "end": 5,
        "state": "behind", "lag": 2, "member": null,
    });
    assert_eq!(group["partitions"], json!([partition]));
    broker.run("group describe billing").prints(
        "group billing: Empty, protocol consumer, 0 members\n\n\
         TOPIC   PARTITION  COMMITTED  END  STATE     MEMBER\n\
         orders  0          3          5    behind 2  -\n",
    );
    let reset = "group reset-offsets billing --topic orders:0 --to 1";
    let table = "TOPIC   PARTITION  FROM  TO  EFFECT\norders  0          3     1   2 records read again\n";
    let dry = broker.run(reset).prints(table);
    let talk = "nothing is changed yet: 2 records would be read again, 0 records skipped. Add --execute to do it\n";
    assert_eq!(dry.err, talk);
    assert_eq!(broker.describe_group("billing")["partitions"][0]["committed"], json!(3));
    let done = broker.run(&format!("{reset} --execute")).prints(table);
    assert_eq!(done.err, "done: 2 records will be read again, 0 records skipped\n");
    broker.run("consume orders --group billing --max 1").prints("2\n");
    let moves = broker
        .run("group reset-offsets billing --topic orders --to latest --json")
        .succeeds()
        .json();
    assert_eq!(
        (&moves[0]["effect"], &moves[0]["records"]),
        (&json!("skipped"), &json!(3))
    );
    let ago = broker
        .command("group reset-offsets billing --topic orders --to")
        .arg("2h ago")
        .output()
        .unwrap();
    Done::from(ago).prints("TOPIC   PARTITION  FROM  TO  EFFECT\norders  0          2     0   2 records read again\n");
    let fresh = broker
        .run("group reset-offsets bill --topic orders --to 2 --execute")
        .succeeds();
    assert!(
        fresh.err.starts_with("group bill does not exist yet\n"),
        "{}",
        fresh.err
    );
    assert!(
        fresh
            .out
            .ends_with("orders  0          no commit  2   3 records to read\n"),
        "{}",
        fresh.out
    );
    broker.run("consume orders --group bill --max 1").prints("3\n");
    broker
        .run("group delete billing")
        .says("deleted group billing and its offsets\n");
    broker
        .run("group describe billing")
        .fails(1, "group billing does not exist; `ottla group list` shows");
}

#[test]
fn records_that_retention_took_are_told_and_not_counted() {
    let broker = Broker::start();
    broker.topic("orders", "1\n2\n3\n4\n5\n");
    broker.run("consume orders --group billing --max 1").prints("1\n");
    broker.delete_records("orders", 3);
    let partition = &broker.describe_group("billing")["partitions"][0];
    assert_eq!(partition["state"], json!("lost_to_retention"));
    assert_eq!((&partition["lost"], &partition["lag"]), (&json!(2), &json!(2)));
    let words = "committed below the log start: 2 records lost to retention, behind 2";
    let shown = broker.run("group describe billing").succeeds().out;
    assert!(shown.contains(words), "{shown}");
    broker
        .run("group reset-offsets billing --topic orders --to 0")
        .prints("TOPIC   PARTITION  FROM  TO  EFFECT\norders  0          1     3   no record read again or skipped\n");
    broker
        .run("consume orders --from 0")
        .fails(2, "orders-0 has no offset 0: its records are at 3 to 4");
}

#[test]
fn a_member_is_shown_protected_and_leaves_at_once() {
    let broker = Broker::start();
    broker.topic("orders", "1\n");
    let (member, first) = Member::start(&broker, "consume orders --group billing --json");
    assert_eq!(serde_json::from_str::<Value>(&first).unwrap()["value"], json!("1"));
    let group = broker.describe_group("billing");
    assert_eq!(group["state"], json!("Stable"));
    assert_eq!(group["members"][0]["client"], json!("ottla"));
    assert_eq!(group["members"][0]["host"], json!("127.0.0.1"));
    assert_eq!(group["members"][0]["partitions"], json!({ "orders": [0] }));
    assert_eq!(group["partitions"][0]["member"], group["members"][0]["member"]);
    let reset = "group reset-offsets billing --topic orders --to earliest --execute";
    broker
        .run(reset)
        .fails(1, "group billing has 1 member, which would go on from where they are");
    broker
        .run("group delete billing")
        .fails(1, "group billing has 1 member; stop what consumes in it");
    let said = member.interrupt();
    assert!(said.ends_with("left group billing; 1 record read\n"), "{said}");
    let group = broker.describe_group("billing");
    assert_eq!((&group["state"], &group["members"]), (&json!("Empty"), &json!([])));
    assert_eq!(group["partitions"][0]["state"], json!("caught_up"));
}

#[test]
fn an_idle_member_says_so_and_a_second_one_takes_over() {
    let broker = Broker::start();
    broker.topic("orders", "1\n");
    let (first, _) = Member::start(&broker, "consume orders --group billing");
    let mut second = broker.command("consume orders --group billing --max 1");
    let mut second = second.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(second.stderr.take().unwrap()).lines();
    // On a slow machine.
    let mut said = said.filter(|line| !line.as_ref().unwrap().contains("is still rebalancing"));
    let share = said.next().unwrap().unwrap();
    let first_said = first.interrupt();
    assert!(
        first_said.contains("group billing rebalances, so this member gives back orders 0\n"),
        "{first_said}"
    );
    if share.ends_with("nothing: there are more members than partitions") {
        let again = said.next().unwrap().unwrap();
        assert_eq!(again, "group billing assigned to this member: orders 0");
    }
    broker.feed("produce orders", "2\n").succeeds();
    let mut read = String::new();
    second.stdout.take().unwrap().read_to_string(&mut read).unwrap();
    assert_eq!(read, "2\n");
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

#[test]
fn a_join_that_waits_says_so_and_can_be_given_up() {
    let broker = Broker::start();
    broker.topic("orders", "1\n");
    let (first, _) = Member::start(&broker, "consume orders --group billing");
    first.signal("-STOP");
    let mut second = broker.command("consume orders --group billing");
    let mut second = second.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(second.stderr.take().unwrap()).lines();
    let waits = said.next().unwrap().unwrap();
    assert!(
        waits.starts_with("group billing is still rebalancing; `ottla group describe billing`"),
        "{waits}"
    );
    assert_eq!(broker.describe_group("billing")["members"].as_array().unwrap().len(), 2);
    signal(&second, "-INT");
    assert_eq!(said.next().unwrap().unwrap(), "left group billing; 0 records read");
    assert_eq!(second.wait().unwrap().code(), Some(0));
    assert_eq!(broker.describe_group("billing")["members"].as_array().unwrap().len(), 1);
    first.signal("-CONT");
    first.interrupt();
}

#[test]
fn a_broker_that_is_gone_is_told() {
    let mut broker = Broker::start();
    broker.topic("orders", "1\n");
    let (mut member, _) = Member::start(&broker, "consume orders");
    broker.process.kill().unwrap();
    broker.process.wait().unwrap();
    let mut said = BufReader::new(member.process.stderr.take().unwrap()).lines();
    let gone = said.next().unwrap().unwrap();
    let words = format!(
        "going on when the broker is back: nothing listens at {} (",
        broker.bootstrap
    );
    assert!(gone.starts_with(&words), "{gone}");
    member.signal("-TERM");
    assert_eq!(said.next().unwrap().unwrap(), "1 record read");
    assert_eq!(member.process.wait().unwrap().code(), Some(0));
}

#[test]
fn messages_say_what_is_wrong_and_what_to_try() {
    let broker = Broker::start();
    broker.topic("orders", "1\n");
    broker.run("consume orders --group billing --max 1").succeeds();
    broker
        .run("consume oders")
        .fails(1, "topic oders does not exist; did you mean orders?");
    broker.run("produce Orders").fails(1, "did you mean orders?");
    broker
        .run("topic describe users")
        .fails(1, "`ottla topic create users` makes it");
    broker
        .run("group describe biling")
        .fails(1, "group biling does not exist; did you mean billing?");
    broker
        .run("group delete biling")
        .fails(1, "group biling does not exist; did you mean billing?");
    broker
        .run("consume orders --partition 4")
        .fails(2, "topic orders has no partition 4; its partitions are 0 to 0");
    broker
        .run("consume orders --from 7")
        .fails(2, "orders-0 has no offset 7: its records are at 0 to 0");
    broker
        .run("consume orders --group billing --from 7")
        .fails(2, "ottla group reset-offsets billing --topic orders");
    broker
        .run("consume orders --from yesterday")
        .fails(2, "examples: earliest, latest, 42, \"2h ago\"");
    broker
        .run("group reset-offsets billing --topic orders --to 2026-09-01T10:00")
        .fails(2, "+02:00");
    broker
        .run("group reset-offsets billing --topic orders:x --to 1")
        .fails(2, "orders:0,3");
    broker
        .run("topic create a --config x")
        .fails(2, "retention.ms=86400000");
    broker.run("topic alter orders").fails(2, "--partitions");
    broker.run("topic create orders/2").fails(1, "INVALID_TOPIC_EXCEPTION");
    broker.run("topic create x --config nonsense=1").fails(1, "nonsense");
    broker.run("topic list --bootstrap nowhere").fails(2, "not HOST:PORT");
    let refused = "nothing listens at 127.0.0.1:1 (connection refused). Start a broker with `ottla serve`";
    broker.run("topic list --bootstrap 127.0.0.1:1").fails(1, refused);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let broker = Broker::start();
    let lines: String = (0..2_000).map(|number| format!("{number:0100}\n")).collect();
    broker.topic("orders", &lines);
    let mut command = broker.command("consume orders");
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0_u8; 8];
    process.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let done = process.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_command_has_help_with_an_example() {
    let commands = [
        "",
        "topic create",
        "topic list",
        "topic describe",
        "topic alter",
        "topic delete",
        "produce",
        "consume",
        "group list",
        "group describe",
        "group reset-offsets",
        "group delete",
    ];
    for line in commands {
        let words = line.split_whitespace().chain(["--help"]);
        let done = Done::from(ottla().args(words).output().unwrap()).succeeds();
        assert!(
            done.out
                .contains(&format!("ottla {}", if line.is_empty() { "serve" } else { line })),
            "{line}"
        );
        let example = done.out.contains("Example") || done.out.contains("To begin");
        assert!(example && done.err.is_empty(), "{line}: {}", done.out);
    }
}
