//! The language that cases are written in: ask, and note what came back.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use kafka_protocol::messages::{ResponseHeader, TopicName};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use uuid::Uuid;

use crate::client::{self, Client, Reply};
use crate::normalise::{Normaliser, Scope};
use crate::setup;
use crate::transcript::{Step, Transcript};
use crate::tree::Tree;

/// A broker under test, and what all cases of a run share on it.
#[derive(Clone, Debug)]
pub struct Broker {
    /// Host and port.
    pub address: String,
    /// Its node id.
    pub node_id: i32,
    /// What all names of this run begin with.
    pub run: String,
    /// From when the records of this run count their time.
    pub base_time: i64,
    /// Waits are this many times as long as usual.
    pub slowness: u32,
    /// A topic with records that cases may read but not change.
    pub shared: Topic,
}

/// A topic made for a case.
#[derive(Clone, Debug, Default)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id.
    pub id: Uuid,
}

/// A case being run: the broker, its connections and the transcript so far.
pub struct Script<'a> {
    /// The broker it runs against.
    pub broker: &'a Broker,
    token: String,
    connections: HashMap<&'static str, Client>,
    current: &'static str,
    normaliser: Normaliser,
    transcript: Transcript,
    own_only: bool,
}

impl<'a> Script<'a> {
    /// The run number `number` of a case against `broker`.
    pub fn new(broker: &'a Broker, number: usize) -> Script<'a> {
        let token = format!("{}-{number:06}", broker.run);
        let scope = Scope {
            token: token.clone(),
            shared: format!("{}-all", broker.run),
            node_id: broker.node_id.to_string(),
            base_time: broker.base_time,
        };
        Script {
            broker,
            token,
            connections: HashMap::new(),
            current: FIRST,
            normaliser: Normaliser::new(scope),
            transcript: Transcript::new(),
            own_only: false,
        }
    }

    /// The transcript, at the end.
    pub fn finish(self) -> Transcript {
        self.transcript
    }

    /// A name that no other case uses; shown as `stem`.
    pub fn name(&self, stem: &str) -> StrBytes {
        StrBytes::from_string(format!("{}-{stem}", self.token))
    }

    /// `offset_ms` after the base of all times of this run.
    pub fn time(&self, offset_ms: i64) -> i64 {
        self.broker.base_time + offset_ms
    }

    /// Numbers an id before any answer shows it, so that equal-looking members are told apart by who they are.
    pub fn know(&mut self, id: &str) {
        self.normaliser.know(id);
    }

    /// What comes next goes over the connection of this name.
    pub fn on(&mut self, connection: &'static str) -> &mut Self {
        self.current = connection;
        self
    }

    /// Leave topics and groups of other cases out of answers from now on.
    pub fn own_only(&mut self) -> &mut Self {
        self.own_only = true;
        self
    }

    /// Closes the current connection; the next request opens a new one.
    pub fn disconnect(&mut self) {
        self.connections.remove(self.current);
    }

    /// Asks, notes the answer and returns it; `None` if there is none.
    pub fn ask<R>(&mut self, label: impl Into<String>, version: i16, request: &R) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        self.send(version, request)?;
        self.receive::<R>(label, version, ANSWER)
    }

    /// Like [`Script::ask`] for a request that may be left without an answer for good or until something happens.
    /// What is still waiting is closed, so that a later request has a connection of its own.
    pub fn ask_briefly<R>(&mut self, label: impl Into<String>, version: i16, request: &R) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        self.send(version, request)?;
        self.receive::<R>(label, version, SILENCE)
    }

    /// Sends without waiting for an answer.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> Result<()> {
        let client = self.connection()?;
        let correlation_id = client.next_correlation_id();
        let bytes = client::encode(version, correlation_id, CLIENT_ID, request)?;
        client.send_bytes(&client::frame(&bytes));
        Ok(())
    }

    /// Waits for the answer to the oldest request sent, and notes it.
    pub fn receive<R>(
        &mut self,
        label: impl Into<String>,
        version: i16,
        patience: Duration,
    ) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        let reply = self.reply(patience)?;
        self.note::<R>(label.into(), version, reply)
    }

    /// Waits shortly for the answer to the oldest request sent and notes it, or that there is none yet; the
    /// connection stays open.
    pub fn peek<R>(&mut self, label: impl Into<String>, version: i16) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        let patience = SILENCE * self.broker.slowness;
        let reply = self.connection()?.receive(patience);
        self.note::<R>(label.into(), version, reply)
    }

    /// Waits for the answer to a request that [`Script::peek`] found waiting, and notes it.
    pub fn ask_pending<R>(&mut self, label: impl Into<String>, version: i16) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        self.receive::<R>(label, version, ANSWER)
    }

    /// Notes something seen besides an answer.
    pub fn remark(&mut self, label: impl Into<String>, what: &str) {
        self.log(label.into(), what.to_owned());
    }

    /// Asks with a frame made by hand (without its length) and notes what comes back, read as the answer to `R`.
    pub fn ask_frame<R>(&mut self, label: impl Into<String>, version: i16, frame: &[u8]) -> Result<()>
    where
        R: Request,
        R::Response: Debug,
    {
        self.connection()?.send_bytes(&client::frame(frame));
        self.receive::<R>(label, version, UNKNOWN).map(|_| ())
    }

    /// Sends bytes as they are and notes what comes back as far as one can say without knowing what was asked.
    pub fn ask_bytes(&mut self, label: impl Into<String>, bytes: &[u8]) -> Result<()> {
        self.connection()?.send_bytes(bytes);
        let outcome = match self.reply(UNKNOWN)? {
            Reply::Frame(frame) => format!("{} bytes", frame.len()),
            Reply::Silence => "silence".into(),
            Reply::Closed => "closed".into(),
        };
        self.log(label.into(), outcome);
        Ok(())
    }

    /// Asks until the answer satisfies `is_settled` (at most some seconds) and notes the last answer.
    pub fn ask_until<R>(
        &mut self,
        label: impl Into<String>,
        version: i16,
        request: &R,
        is_settled: impl Fn(&R::Response) -> bool,
    ) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        let deadline = Instant::now() + ANSWER;
        loop {
            self.send(version, request)?;
            let reply = self.reply(ANSWER)?;
            let decoded = match &reply {
                Reply::Frame(frame) => decode::<R>(version, frame.clone()).ok(),
                _ => None,
            };
            if decoded.is_none_or(|(_, response, _)| is_settled(&response)) || Instant::now() > deadline {
                return self.note::<R>(label.into(), version, reply);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks for something that must succeed for the case to make sense; not noted.
    pub fn must<R>(&mut self, version: i16, request: &R) -> Result<R::Response>
    where
        R: Request,
        R::Response: Debug,
    {
        self.send(version, request)?;
        self.must_receive::<R>(version)
    }

    /// Waits for the answer to the oldest request sent, which must come; not noted.
    pub fn must_receive<R>(&mut self, version: i16) -> Result<R::Response>
    where
        R: Request,
        R::Response: Debug,
    {
        match self.reply(ANSWER)? {
            Reply::Frame(frame) => Ok(decode::<R>(version, frame)?.1),
            other => bail!("{} v{version} while preparing: {other:?}", R::KEY),
        }
    }

    /// A new topic, ready for use.
    pub fn topic(&mut self, stem: &str, partitions: i32) -> Result<Topic> {
        self.topic_with(stem, partitions, &[])
    }

    /// A new topic with configs, ready for use.
    pub fn topic_with(&mut self, stem: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<Topic> {
        let name = TopicName(self.name(stem));
        setup::create_topic(self, name, partitions, configs)
    }

    /// Lets time pass.
    pub fn sleep(&self, milliseconds: u64) {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }

    /// Notes that a case ended before its end.
    pub fn note_failure(&mut self, error: &anyhow::Error) {
        self.log("the case stopped".into(), format!("{:?}", format!("{error:#}")));
    }

    fn connection(&mut self) -> Result<&mut Client> {
        if !self.connections.contains_key(self.current) {
            let client = Client::connect(&self.broker.address).context("connecting")?;
            self.connections.insert(self.current, client);
        }
        Ok(self.connections.get_mut(self.current).expect("it was just made"))
    }

    /// A connection that did not answer is given up.
    fn reply(&mut self, patience: Duration) -> Result<Reply> {
        let patience = patience * self.broker.slowness;
        let reply = self.connection()?.receive(patience);
        if !matches!(reply, Reply::Frame(_)) {
            self.disconnect();
        }
        Ok(reply)
    }

    fn note<R>(&mut self, label: String, version: i16, reply: Reply) -> Result<Option<R::Response>>
    where
        R: Request,
        R::Response: Debug,
    {
        let frame = match reply {
            Reply::Frame(frame) => frame,
            Reply::Silence => {
                self.log(label, "silence".into());
                return Ok(None);
            }
            Reply::Closed => {
                self.log(label, "closed".into());
                return Ok(None);
            }
        };
        match decode::<R>(version, frame) {
            Ok((_, response, left)) => {
                let tree = Tree::parse(&format!("{response:?}"))?;
                let mut outcome = self.normaliser.normalise(tree, self.own_only).to_string();
                if left > 0 {
                    outcome = format!("{{trailing_bytes: {left}, answer: {outcome}}}");
                }
                self.log(label, outcome);
                Ok(Some(response))
            }
            Err(error) => {
                self.log(label, format!("undecodable: {error}"));
                Ok(None)
            }
        }
    }

    fn log(&mut self, label: String, outcome: String) {
        self.transcript.push(Step { label, outcome });
    }
}

/// The correlation id, the answer and the number of bytes behind it.
fn decode<R: Request>(version: i16, mut frame: Bytes) -> Result<(i32, R::Response, usize)> {
    let header_version = <R::Response as HeaderVersion>::header_version(version);
    let header = ResponseHeader::decode(&mut frame, header_version)?;
    let response = R::Response::decode(&mut frame, version)?;
    Ok((header.correlation_id, response, frame.len()))
}

/// How long a request that should be answered is waited for.
pub const ANSWER: Duration = Duration::from_secs(10);

/// How long no answer must come for it to count as silence.
pub const SILENCE: Duration = Duration::from_millis(500);

/// How long something is waited for after bytes that are no sound request: most are answered by closing, some never.
const UNKNOWN: Duration = Duration::from_millis(2000);

/// The client id of all requests.
pub const CLIENT_ID: &str = "compare";

const FIRST: &str = "a";
