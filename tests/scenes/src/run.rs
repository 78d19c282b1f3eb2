//! Plays the chosen scenes side by side.

use crate::broker::{self, Broker};
use crate::client::Client;
use crate::report::{self, Result, Verdict};
use crate::scene::Scene;
use crate::stage::{Facts, Pace, Stage};
use crate::trouble::{Outcome, Trouble, unmet};
use crate::{Kind, Options};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Plays what the options say; true if all is well.
pub fn run(options: &Options) -> Outcome<bool> {
    let start = Instant::now();
    let (clients, missing) = install(options)?;
    let scenes = if options.scene.is_empty() {
        Scene::value_variants().to_vec()
    } else {
        options.scene.clone()
    };
    let root = std::env::temp_dir().join(format!("ottla-scenes-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    let kinds = if options.compare {
        vec![Kind::Kafka, Kind::Ottla]
    } else {
        vec![options.broker]
    };
    let mut well = missing.is_empty() || options.allow_missing;
    let mut all = Vec::new();
    for kind in kinds {
        let results = play_all(options, kind, &clients, &scenes, &root)?;
        well &= results.iter().all(|r| !matches!(r.verdict, Verdict::Failed(_)));
        println!("\n{}", report::table(kind, &clients, &scenes, &results));
        all.push(results);
    }
    if let [kafka, ottla] = &all[..] {
        let (differences, errors) = report::differences(kafka, ottla);
        well &= differences.is_empty();
        println!("differences: {}", report::list(&differences));
        println!(
            "errors seen on one broker only (some come by chance): {}",
            report::list(&errors)
        );
    }
    for (client, why) in missing {
        println!("{client} was not played: {why}");
    }
    let failed = all
        .iter()
        .flatten()
        .filter(|r| matches!(r.verdict, Verdict::Failed(_)))
        .count();
    println!("{failed} failed, {:.0} s altogether", start.elapsed().as_secs_f32());
    // Empty unless something was kept.
    let _ = std::fs::remove_dir(&root);
    Ok(well)
}

/// A client whose toolchain is missing, and what is.
type Missing = (Client, String);

/// The clients that can be played with, and those that cannot for want of a toolchain.
fn install(options: &Options) -> Outcome<(Vec<Client>, Vec<Missing>)> {
    let wanted = if options.client.is_empty() {
        Client::value_variants().to_vec()
    } else {
        options.client.clone()
    };
    let (mut clients, mut missing) = (Vec::new(), Vec::new());
    for client in wanted {
        match client.install() {
            Ok(()) => clients.push(client),
            Err(Trouble::Unsupported(why)) => missing.push((client, why)),
            Err(trouble) => return Err(trouble),
        }
    }
    Ok((clients, missing))
}

/// Where a kind of broker comes from.
enum Source {
    /// A broker for each scene, of this binary.
    Binary(PathBuf),
    /// One broker for all scenes that do not kill it.
    Shared(Arc<Mutex<Broker>>),
}

fn play_all(options: &Options, kind: Kind, clients: &[Client], scenes: &[Scene], root: &Path) -> Outcome<Vec<Result>> {
    let source = Arc::new(match kind {
        Kind::Ottla if !options.binary.is_file() => return unmet(format!("no {}", options.binary.display())),
        Kind::Ottla => Source::Binary(options.binary.clone()),
        Kind::Kafka => Source::Shared(Arc::new(Mutex::new(Broker::kafka(&root.join("kafka"))?))),
    });
    let mut cells: Vec<_> = scenes
        .iter()
        .flat_map(|scene| clients.iter().map(|client| (*client, *scene)))
        .collect();
    cells.sort_by_key(|(_, scene)| !scene.is_long());
    let slots = Arc::new(Slots::new(options.jobs));
    let mut threads = Vec::new();
    for (client, scene) in cells {
        // Begun in order, so that nothing heavy waits for ever behind what is light.
        let own_jvm = kind == Kind::Kafka && scene.kills_the_broker();
        let weight = slots.take(client.weight() + if own_jvm { 2 } else { 0 });
        let (slots, source, options) = (slots.clone(), source.clone(), options.clone());
        let dir = root.join(format!("{}-{client}-{scene}", name(kind)));
        threads.push(std::thread::spawn(move || {
            let result = play(&options, &source, client, scene, &dir);
            println!("{}", report::line(kind, &result));
            slots.give(weight);
            result
        }));
    }
    let results = threads.into_iter().filter_map(|thread| thread.join().ok()).collect();
    drop(source);
    if kind == Kind::Kafka {
        let _ = std::fs::remove_dir_all(root.join("kafka"));
    }
    Ok(results)
}

/// Plays one scene with one client, and keeps its logs if it fails.
fn play(options: &Options, source: &Source, client: Client, scene: Scene, dir: &Path) -> Result {
    let start = Instant::now();
    let result = |verdict, facts| Result {
        client,
        scene,
        verdict,
        facts,
        time: start.elapsed(),
    };
    if let Err(error) = std::fs::create_dir_all(dir) {
        return result(Verdict::Failed(error.to_string()), Facts::new());
    }
    let broker = match raise(source, scene, dir) {
        Ok(broker) => broker,
        Err(trouble) => {
            return result(
                Verdict::Failed(format!("{trouble} (logs in {})", dir.display())),
                Facts::new(),
            );
        }
    };
    let pace = Pace {
        quick: options.quick,
        seed: options.seed,
    };
    let stage = Stage::new(client, broker, dir, &format!("{client}-{scene}"), pace);
    let played = scene.play(&stage).and_then(|()| stage.end());
    let verdict = judge(client, scene, played);
    let facts = stage.facts();
    let failed = matches!(verdict, Verdict::Failed(_));
    if failed || options.keep {
        let _ = std::fs::write(dir.join("story.log"), stage.transcript());
    }
    drop(stage);
    match verdict {
        Verdict::Failed(why) => result(Verdict::Failed(format!("{why}\n     logs: {}", dir.display())), facts),
        verdict => {
            if !options.keep {
                let _ = std::fs::remove_dir_all(dir);
            }
            result(verdict, facts)
        }
    }
}

/// The broker a scene plays against.
fn raise(source: &Source, scene: Scene, dir: &Path) -> Outcome<Arc<Mutex<Broker>>> {
    let own = dir.join("broker");
    let broker = match source {
        Source::Shared(broker) if !scene.kills_the_broker() => return Ok(broker.clone()),
        Source::Shared(_) => Broker::kafka(&own)?,
        Source::Binary(binary) if scene.kills_the_broker() => Broker::ottla(binary, &own, broker::free_port()?)?,
        Source::Binary(binary) => Broker::ottla(binary, &own, 0)?,
    };
    Ok(Arc::new(Mutex::new(broker)))
}

/// What a scene's outcome means for this client.
fn judge(client: Client, scene: Scene, played: Outcome<()>) -> Verdict {
    match (played, client.lacks(scene)) {
        (Ok(()), None) => Verdict::Passed,
        (Ok(()), Some(lack)) => Verdict::Failed(format!("passed, though the client is listed as lacking: {lack}")),
        (Err(Trouble::Unsupported(_)), Some(lack)) => Verdict::Lacking(lack),
        (Err(trouble), _) => Verdict::Failed(trouble.to_string()),
    }
}

/// A broker's name in paths.
pub fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Ottla => "ottla",
        Kind::Kafka => "kafka",
    }
}

/// As much as may be done at a time.
struct Slots {
    all: usize,
    free: Mutex<usize>,
    changed: Condvar,
}

impl Slots {
    fn new(all: usize) -> Self {
        let all = all.max(1);
        Self {
            all,
            free: Mutex::new(all),
            changed: Condvar::new(),
        }
    }

    /// Waits for so many slots, or for all if there are not as many, and returns how many were taken.
    fn take(&self, wanted: usize) -> usize {
        let wanted = wanted.min(self.all);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free < wanted {
            free = self
                .changed
                .wait_timeout(free, Duration::from_secs(1))
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *free -= wanted;
        wanted
    }

    fn give(&self, taken: usize) {
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += taken;
        self.changed.notify_all();
    }
}
