//! What a run comes to: lines, a table, and the differences between two brokers.

use crate::Kind;
use crate::client::Client;
use crate::run::name;
use crate::scene::Scene;
use crate::stage::Facts;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// How a scene ended.
#[derive(Clone, Debug)]
pub enum Verdict {
    Passed,
    /// The client lacks what the scene is about, as was known.
    Lacking(&'static str),
    Failed(String),
}

/// One scene with one client.
#[derive(Clone, Debug)]
pub struct Result {
    pub client: Client,
    pub scene: Scene,
    pub verdict: Verdict,
    pub facts: Facts,
    pub time: Duration,
}

/// The line about a scene that has just ended.
pub fn line(kind: Kind, result: &Result) -> String {
    let Result {
        client, scene, time, ..
    } = result;
    let (word, more) = match &result.verdict {
        Verdict::Passed => ("ok", String::new()),
        Verdict::Lacking(lack) => ("n/a", format!("  {lack}")),
        Verdict::Failed(why) => ("FAIL", format!("\n     {why}")),
    };
    format!(
        "{word:<4} {:>6.1} s  {} {client:<12} {scene}{more}",
        time.as_secs_f32(),
        name(kind)
    )
}

/// Scenes by clients.
pub fn table(kind: Kind, clients: &[Client], scenes: &[Scene], results: &[Result]) -> String {
    let mut text = format!("{:<12}", name(kind));
    for client in clients {
        text.push_str(&format!(" {client:>12}"));
    }
    for scene in scenes {
        text.push_str(&format!("\n{scene:<12}"));
        for client in clients {
            let result = results.iter().find(|r| r.client == *client && r.scene == *scene);
            let cell = match result.map(|r| (&r.verdict, r.time.as_secs_f32())) {
                Some((Verdict::Passed, time)) => format!("{time:.1} s"),
                Some((Verdict::Lacking(_), _)) => "n/a".to_owned(),
                Some((Verdict::Failed(_), _)) => "FAIL".to_owned(),
                None => "?".to_owned(),
            };
            text.push_str(&format!(" {cell:>12}"));
        }
    }
    text.push('\n');
    text
}

/// What came out differently, as lines: first as on Kafka, then as on Ottla. The errors members reported come apart,
/// since some of them depend on a race that both brokers allow.
pub fn differences(kafka: &[Result], ottla: &[Result]) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut errors) = (Vec::new(), Vec::new());
    for k in kafka {
        let Some(o) = ottla.iter().find(|o| (o.client, o.scene) == (k.client, k.scene)) else {
            continue;
        };
        let (client, scene) = (k.client, k.scene);
        if word(&k.verdict) != word(&o.verdict) {
            lines.push(format!(
                "{client} {scene}: {} on Kafka, {} on Ottla",
                word(&k.verdict),
                word(&o.verdict)
            ));
        }
        let names: BTreeSet<&String> = k.facts.keys().chain(o.facts.keys()).collect();
        for fact in names {
            let (on_kafka, on_ottla) = (k.facts.get(fact), o.facts.get(fact));
            if on_kafka != on_ottla {
                let show = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
                let into = if fact == "errors" { &mut errors } else { &mut lines };
                into.push(format!(
                    "{client} {scene}, {fact}: {} on Kafka, {} on Ottla",
                    show(on_kafka),
                    show(on_ottla)
                ));
            }
        }
    }
    (lines, errors)
}

/// The differences as text.
pub fn list(differences: &[String]) -> String {
    match differences {
        [] => "none".to_owned(),
        some => format!("{}\n  {}", some.len(), some.join("\n  ")),
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Lacking(_) => "n/a",
        Verdict::Failed(_) => "failed",
    }
}
