//! A client driver: its process, the commands to it, and the log its events go to.

use crate::client::Program;
use crate::story::{Event, Kind, Story};
use crate::trouble::{Outcome, Trouble, unmet};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a command may take unless the scene says otherwise. Generous: it runs out only when something is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The story of one scene, which all its drivers write and the scene waits on.
#[derive(Debug)]
pub struct Log {
    story: Mutex<Story>,
    changed: Condvar,
}

impl Log {
    /// An empty log.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            story: Mutex::new(Story::new()),
            changed: Condvar::new(),
        })
    }

    /// The story, for a look at it.
    pub fn story(&self) -> MutexGuard<'_, Story> {
        self.story.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the story and wakes those who wait on it.
    fn write(&self, change: impl FnOnce(&mut Story)) {
        change(&mut self.story());
        self.changed.notify_all();
    }

    /// Waits until `found` finds something in the story, or until a driver ends unbidden.
    pub fn wait<T>(&self, what: &str, patience: Duration, mut found: impl FnMut(&Story) -> Option<T>) -> Outcome<T> {
        let deadline = Instant::now() + patience;
        let mut story = self.story();
        loop {
            if let Some(it) = found(&story) {
                return Ok(it);
            }
            if let Some(process) = story.deserter() {
                return unmet(format!("driver process {process} ended while waiting for {what}"));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return unmet(format!("waited {:.0} s in vain for {what}", patience.as_secs_f32()));
            }
            story = self
                .changed
                .wait_timeout(story, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// A command sent, whose answer is still to come.
#[derive(Debug, Clone)]
pub struct Pending {
    process: usize,
    from: usize,
    id: String,
    cmd: String,
}

/// A driver process.
#[derive(Debug)]
pub struct Driver {
    /// Its number in the scene's story.
    pub process: usize,
    log: Arc<Log>,
    child: Mutex<Child>,
    stdin: Mutex<Option<ChildStdin>>,
    ending: Arc<Mutex<Ending>>,
}

/// Whether a driver was told to end, and when it was killed.
#[derive(Debug, Default)]
struct Ending {
    expected: bool,
    killed: Option<i64>,
}

impl Driver {
    /// Starts a driver and waits until it is ready; its stderr goes to a file in `dir`.
    pub fn start(program: &Program, process: usize, name: &str, dir: &Path, log: &Arc<Log>) -> Outcome<Self> {
        let stderr = File::create(dir.join(format!("{name}.stderr")))?;
        let mut child = Command::new(&program.path)
            .args(program.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()?;
        let stdin = child.stdin.take();
        let Some(stdout) = child.stdout.take() else {
            return unmet("the driver has no stdout");
        };
        let ending = Arc::new(Mutex::new(Ending::default()));
        let (listener, end) = (log.clone(), ending.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                listener.write(|story| story.received(process, &line));
            }
            let end = end.lock().unwrap_or_else(PoisonError::into_inner);
            listener.write(|story| story.exited(process, end.expected, end.killed));
        });
        let driver = Self {
            process,
            log: log.clone(),
            child: Mutex::new(child),
            stdin: Mutex::new(stdin),
            ending,
        };
        log.wait(&format!("driver {name} to be ready"), PATIENCE, |story| {
            story
                .events
                .iter()
                .any(|e| e.process == process && e.kind == Kind::Ready)
                .then_some(())
        })?;
        Ok(driver)
    }

    /// Sends a command and leaves the answer for `finish`.
    pub fn begin(&self, cmd: &str, id: &str, fields: Value) -> Outcome<Pending> {
        let mut command = json!({ "cmd": cmd, "id": id });
        if let (Some(into), Value::Object(fields)) = (command.as_object_mut(), fields) {
            into.extend(fields);
        }
        let line = format!("{command}\n");
        let from = self.log.story().events.len();
        self.log.write(|story| story.sent(self.process, command));
        match &mut *self.stdin.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(stdin) => stdin.write_all(line.as_bytes())?,
            None => return unmet(format!("{cmd} {id} for a driver that was closed")),
        }
        Ok(Pending {
            process: self.process,
            from,
            id: id.to_owned(),
            cmd: cmd.to_owned(),
        })
    }

    /// Waits for the answer to a command.
    pub fn finish(&self, pending: &Pending, patience: Duration) -> Outcome<Event> {
        let what = format!("the answer to {} {}", pending.cmd, pending.id);
        let answer = self.log.wait(&what, patience, |story| story.answer(pending).cloned())?;
        if answer.kind == Kind::Done {
            return Ok(answer);
        }
        let error = answer.text("error").to_owned();
        if error == "UNSUPPORTED" {
            return Err(Trouble::Unsupported(format!(
                "{}: {}",
                pending.cmd,
                answer.text("message")
            )));
        }
        Err(Trouble::Refused {
            cmd: pending.cmd.clone(),
            error,
            message: answer.text("message").to_owned(),
        })
    }

    /// Sends a command and waits for its answer.
    pub fn call(&self, cmd: &str, id: &str, fields: Value) -> Outcome<Event> {
        self.finish(&self.begin(cmd, id, fields)?, PATIENCE)
    }

    /// Kills the process as a crash would, and waits until all it had said is in the story.
    pub fn kill(&self) -> Outcome<()> {
        self.expect_end(true);
        self.child.lock().unwrap_or_else(PoisonError::into_inner).kill()?;
        self.await_exit(PATIENCE)
    }

    /// Closes stdin, on which a driver closes what it holds, and waits for its end.
    pub fn close(&self) -> Outcome<()> {
        self.expect_end(false);
        self.log
            .write(|story| story.sent(self.process, json!({ "cmd": "end" })));
        self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.await_exit(PATIENCE)?;
        let status = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait()?;
        if status.success() {
            Ok(())
        } else {
            unmet(format!("driver process {} ended with {status}", self.process))
        }
    }

    /// Whether it was told to end already.
    pub fn is_closed(&self) -> bool {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).expected
    }

    fn expect_end(&self, killed: bool) {
        let now = self.log.story().now();
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        ending.expected = true;
        ending.killed = killed.then_some(now);
    }

    fn await_exit(&self, patience: Duration) -> Outcome<()> {
        self.log.wait("the driver to end", patience, |story| {
            story
                .events
                .iter()
                .rev()
                .any(|e| e.process == self.process && e.kind == Kind::Exit)
                .then_some(())
        })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.expect_end(true);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Story {
    /// The answer to a command, if it has come.
    fn answer(&self, pending: &Pending) -> Option<&Event> {
        self.events[pending.from..].iter().find(|e| {
            matches!(e.kind, Kind::Done | Kind::Failed)
                && e.process == pending.process
                && e.id == pending.id
                && e.text("cmd") == pending.cmd
        })
    }
}
