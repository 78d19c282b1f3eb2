//! What a scene plays on: a broker, a client, a topic and a group of its own, and the moves scenes have in common.

use crate::broker::Broker;
use crate::check::{self, Acked, HEARTBEAT, SESSION};
use crate::client::{Client, Program};
use crate::driver::{Driver, Log, PATIENCE, Pending};
use crate::story::{Event, Kind, Partition, Story, offsets};
use crate::trouble::{Outcome, Trouble, expect};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The pause between two looks at something only the broker can tell.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a scene leaves for the comparison of two brokers, by name.
pub type Facts = BTreeMap<String, Value>;

/// How a run plays its scenes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub quick: bool,
    pub seed: u64,
}

/// The stage of one scene.
pub struct Stage {
    pub pace: Pace,
    pub topic: String,
    pub group: String,
    /// Before the broker, and so dropped before it.
    drivers: Mutex<Vec<Arc<Driver>>>,
    broker: Arc<Mutex<Broker>>,
    bootstrap: String,
    pub client: Client,
    dir: PathBuf,
    log: Arc<Log>,
    names: Mutex<Vec<String>>,
    facts: Mutex<Facts>,
    commands: Mutex<u32>,
}

impl Stage {
    /// A stage with nobody on it; topic and group are named after `name`.
    pub fn new(client: Client, broker: Arc<Mutex<Broker>>, dir: &Path, name: &str, pace: Pace) -> Self {
        let bootstrap = broker.lock().unwrap_or_else(PoisonError::into_inner).bootstrap();
        Self {
            pace,
            topic: format!("{name}-topic"),
            group: format!("{name}-group"),
            broker,
            bootstrap,
            client,
            dir: dir.to_owned(),
            log: Log::new(),
            names: Mutex::default(),
            drivers: Mutex::default(),
            facts: Mutex::default(),
            commands: Mutex::default(),
        }
    }

    /// The address clients begin with.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The number of records for a scene: a tenth of `full` in quick mode.
    pub fn records(&self, full: u64) -> u64 {
        if self.pace.quick { full / 10 } else { full }
    }

    /// The story so far.
    pub fn story(&self) -> std::sync::MutexGuard<'_, Story> {
        self.log.story()
    }

    /// The number of things that happened so far.
    pub fn mark(&self) -> usize {
        self.story().events.len()
    }

    /// Waits for something in the story.
    pub fn wait<T>(&self, what: &str, found: impl FnMut(&Story) -> Option<T>) -> Outcome<T> {
        self.wait_within(PATIENCE, what, found)
    }

    /// Waits for something in the story, for as long as is allowed.
    pub fn wait_within<T>(&self, patience: Duration, what: &str, found: impl FnMut(&Story) -> Option<T>) -> Outcome<T> {
        self.log.wait(what, patience, found)
    }

    /// Leaves a fact for the comparison of brokers.
    pub fn note(&self, name: &str, value: impl Into<Value>) {
        self.facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), value.into());
    }

    /// The facts noted, and the errors members reported.
    pub fn facts(&self) -> Facts {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        facts.insert("errors".into(), check::errors(&self.story()).into_iter().collect());
        facts
    }

    /// The story as text, with the drivers' names.
    pub fn transcript(&self) -> String {
        self.story()
            .lines(&self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }

    // ---- drivers and broker

    /// Starts a driver process.
    pub fn driver(&self, name: &str) -> Outcome<Arc<Driver>> {
        self.driver_of(&self.client.program(), name)
    }

    /// Starts a driver process of another program.
    pub fn driver_of(&self, program: &Program, name: &str) -> Outcome<Arc<Driver>> {
        let process = {
            let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            names.push(name.to_owned());
            names.len() - 1
        };
        let driver = Arc::new(Driver::start(program, process, name, &self.dir, &self.log)?);
        self.drivers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(driver.clone());
        Ok(driver)
    }

    /// Does something to the broker.
    pub fn broker<T>(&self, act: impl FnOnce(&mut Broker) -> Outcome<T>) -> Outcome<T> {
        act(&mut self.broker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the scene: closes every driver and looks at what must hold of any scene.
    pub fn end(&self) -> Outcome<()> {
        let drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for driver in drivers.iter().filter(|d| !d.is_closed()) {
            driver.close()?;
        }
        check::nobody_gave_up(&self.story())
    }

    /// Calls an admin or produce command.
    pub fn admin(&self, driver: &Driver, cmd: &str, fields: Value) -> Outcome<Event> {
        driver.finish(&self.begin(driver, cmd, fields)?, PATIENCE * 2)
    }

    /// Notes how a command ends that may well be refused: the error's name, or `done`.
    pub fn note_refusal(&self, driver: &Driver, cmd: &str, fields: Value) -> Outcome<()> {
        let name = match self.admin(driver, cmd, fields) {
            Ok(_) => "done".to_owned(),
            Err(Trouble::Refused { error, .. }) => error,
            Err(Trouble::Unsupported(_)) => "UNSUPPORTED".to_owned(),
            Err(trouble) => return Err(trouble),
        };
        self.note(&format!("{cmd} in vain"), name);
        Ok(())
    }

    /// Begins an admin or produce command.
    pub fn begin(&self, driver: &Driver, cmd: &str, mut fields: Value) -> Outcome<Pending> {
        fields["bootstrap"] = self.bootstrap.clone().into();
        let number = {
            let mut commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            *commands += 1;
            *commands
        };
        driver.begin(cmd, &format!("c{number}"), fields)
    }

    /// Waits for the answer to a command that runs for some time.
    pub fn finish(&self, driver: &Driver, pending: &Pending) -> Outcome<Event> {
        driver.finish(pending, PATIENCE * 4)
    }

    // ---- topics and records

    /// Creates the scene's topic.
    pub fn create_topic(&self, driver: &Driver, partitions: u32) -> Outcome<()> {
        self.create_topic_named(driver, &self.topic, partitions)
    }

    /// Creates a topic.
    pub fn create_topic_named(&self, driver: &Driver, topic: &str, partitions: u32) -> Outcome<()> {
        self.admin(
            driver,
            "create_topic",
            json!({ "topic": topic, "partitions": partitions }),
        )?;
        // A broker may answer before everybody can see the topic.
        self.eventually("the topic to be seen", || {
            match self.admin(driver, "describe_topic", json!({ "topic": topic })) {
                Ok(answer) => Ok(answer.number("partitions") == i64::from(partitions)),
                Err(Trouble::Refused { .. }) => Ok(false),
                Err(trouble) => Err(trouble),
            }
        })
    }

    /// Produces `count` records from number `first` on, spread over `partitions`; all must be acknowledged.
    pub fn produce(&self, driver: &Driver, acked: &mut Acked, count: u64, partitions: u32) -> Outcome<()> {
        let first = acked.count();
        let pending = self.begin_produce(driver, first, count, json!({ "partitions": partitions }))?;
        self.finish_produce(driver, &pending, acked)
    }

    /// Begins to produce; `fields` may say more, such as the rate.
    pub fn begin_produce(&self, driver: &Driver, first: usize, count: u64, mut fields: Value) -> Outcome<Pending> {
        fields["topic"] = self.topic.clone().into();
        fields["first"] = first.into();
        fields["count"] = count.into();
        self.begin(driver, "produce", fields)
    }

    /// Waits for the end of producing; all must be acknowledged.
    pub fn finish_produce(&self, driver: &Driver, pending: &Pending, acked: &mut Acked) -> Outcome<()> {
        let answer = self.finish(driver, pending)?;
        expect(answer.number("failed") == 0, || {
            format!(
                "{} records could not be produced: {}",
                answer.number("failed"),
                answer.text("first_error")
            )
        })?;
        acked.add(&self.topic, "v", &answer);
        Ok(())
    }

    /// Waits until these members have read all these records.
    pub fn wait_read<S: AsRef<str>>(&self, ids: &[S], acked: &Acked) -> Outcome<()> {
        let waited = self.wait(&format!("{} records to be read", acked.count()), |story| {
            acked.read(&story.reads(ids)).then_some(())
        });
        // If they are not, say which.
        waited.map_err(|trouble| match check::complete(&self.story(), ids, acked) {
            Err(missing) => Trouble::Unmet(format!("{trouble}: {missing}")),
            Ok(_) => trouble,
        })
    }

    // ---- members

    /// The fields of a `consumer` command for the scene's group and topic, with the given ones added.
    fn member(&self, fields: Value) -> Value {
        let mut all = json!({
            "bootstrap": self.bootstrap, "group": self.group, "topics": [self.topic],
            "session_timeout_ms": SESSION, "heartbeat_interval_ms": HEARTBEAT,
        });
        if let (Some(all), Value::Object(fields)) = (all.as_object_mut(), fields) {
            all.extend(fields);
        }
        all
    }

    /// Begins to start a member.
    pub fn begin_join(&self, driver: &Driver, id: &str, fields: Value) -> Outcome<Pending> {
        driver.begin("consumer", id, self.member(fields))
    }

    /// Starts members at the same time.
    pub fn join(&self, driver: &Driver, ids: &[&str], fields: &Value) -> Outcome<()> {
        let pending = ids.iter().map(|id| self.begin_join(driver, id, fields.clone()));
        for pending in pending.collect::<Outcome<Vec<_>>>()? {
            driver.finish(&pending, PATIENCE)?;
        }
        Ok(())
    }

    /// Begins a consume-transform-produce loop in the scene's group.
    pub fn begin_transform(&self, driver: &Driver, id: &str, fields: Value) -> Outcome<Pending> {
        driver.begin("transform", id, self.member(fields))
    }

    /// Begins an instance of a Kafka Streams application, named after the scene's group.
    pub fn begin_streams(&self, driver: &Driver, id: &str, fields: Value) -> Outcome<Pending> {
        driver.begin("streams", id, self.member(fields))
    }

    /// Waits until the members own as many partitions each as `shape` says (in any order), and all `total` together.
    pub fn shared<S: AsRef<str>>(&self, ids: &[S], shape: &[usize]) -> Outcome<()> {
        self.shared_within(PATIENCE, ids, shape)
    }

    /// As `shared`, for as long as is allowed.
    pub fn shared_within<S: AsRef<str>>(&self, patience: Duration, ids: &[S], shape: &[usize]) -> Outcome<()> {
        let mut wanted = shape.to_vec();
        wanted.sort_unstable();
        self.wait_within(patience, &format!("partitions to be shared {shape:?}"), |story| {
            (shape_of(story, ids) == Some(wanted.clone())).then_some(())
        })
        .map_err(|trouble| Trouble::Unmet(format!("{trouble}; {}", self.owned(ids))))?;
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shapes) = facts
            .entry("shapes".to_owned())
            .or_insert_with(|| json!([]))
            .as_array_mut()
        {
            shapes.push(json!(wanted));
        }
        Ok(())
    }

    /// Who owns what, as text.
    pub fn owned<S: AsRef<str>>(&self, ids: &[S]) -> String {
        let story = self.story();
        let numbers = |id: &S| story.owned(id.as_ref()).into_iter().map(|p| p.1).collect::<Vec<_>>();
        ids.iter()
            .map(|id| format!("{} owns {:?}", id.as_ref(), numbers(id)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Closes a member and waits until it has left.
    pub fn leave(&self, driver: &Driver, id: &str) -> Outcome<()> {
        let from = self.mark();
        driver.call("close", id, json!({}))?;
        self.wait(&format!("{id} to end"), |story| {
            story.events[from..]
                .iter()
                .any(|e| e.kind == Kind::Ended && e.id == id)
                .then_some(())
        })
    }

    // ---- the broker's view

    /// Asks again and again until something is so: for what no event tells.
    pub fn eventually(&self, what: &str, mut so: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        while !so()? {
            expect(Instant::now() < deadline, || format!("waited in vain for {what}"))?;
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until the broker calls the group stable with so many members, which own what they say they own.
    pub fn stable(&self, driver: &Driver, members: usize) -> Outcome<()> {
        let mut seen = Value::Null;
        self.eventually("the group to be stable", || {
            let answer = match self.admin(driver, "describe_group", json!({ "group": self.group })) {
                Ok(answer) => answer,
                Err(Trouble::Refused { .. }) => return Ok(false),
                Err(trouble) => return Err(trouble),
            };
            seen = answer.body.clone();
            let list = answer.body["members"].as_array().cloned().unwrap_or_default();
            Ok(answer.text("state") == "Stable" && list.len() == members)
        })
        .map_err(|trouble| Trouble::Unmet(format!("{trouble}, the last answer was {seen}")))
    }

    /// Waits until the broker calls the group empty.
    pub fn empty(&self, driver: &Driver) -> Outcome<()> {
        self.eventually("the group to be empty", || {
            Ok(self
                .admin(driver, "describe_group", json!({ "group": self.group }))?
                .text("state")
                == "Empty")
        })
    }

    /// What a group has committed, of partitions it has committed for.
    pub fn committed(&self, driver: &Driver, group: &str, partitions: u32) -> Outcome<BTreeMap<Partition, i64>> {
        let fields = json!({ "group": group, "topic": self.topic, "partitions": partitions });
        let answer = self.admin(driver, "committed", fields)?;
        Ok(offsets(&answer.body["offsets"])
            .into_iter()
            .filter(|o| o.1 >= 0)
            .collect())
    }

    /// Waits until a group has committed all there is: a lag of 0.
    pub fn caught_up(&self, driver: &Driver, group: &str, partitions: u32, acked: &Acked) -> Outcome<()> {
        let (wanted, mut seen) = (acked.ends(), BTreeMap::new());
        self.eventually("the lag to be 0", || {
            seen = self.committed(driver, group, partitions)?;
            Ok(seen == wanted)
        })
        .map_err(|trouble| Trouble::Unmet(format!("{trouble}: {seen:?} instead of {wanted:?}")))
    }
}

/// How many partitions each owns, in ascending order; nothing if one is owned twice.
fn shape_of<S: AsRef<str>>(story: &Story, ids: &[S]) -> Option<Vec<usize>> {
    let owned: Vec<_> = ids.iter().map(|id| story.owned(id.as_ref())).collect();
    let mut shape: Vec<usize> = owned.iter().map(std::collections::BTreeSet::len).collect();
    let total: usize = shape.iter().sum();
    let different: std::collections::BTreeSet<_> = owned.into_iter().flatten().collect();
    shape.sort_unstable();
    (different.len() == total).then_some(shape)
}
