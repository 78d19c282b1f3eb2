//! A broker's configuration from its sources: the profile, the properties file, `--set name=value`.

use std::fmt;

use super::broker::BrokerConfig;
use super::known::{UNSUPPORTED, is_kafkas};
use super::layers::{Layers, Profile};
use super::properties::parse_properties;
use super::{BROKER_CONFIGS, broker_definition};

/// Where a property was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file's name as the user gave it.
        name: String,
        /// The line, from 1.
        line: usize,
    },
    /// With `--set`.
    Set,
}

/// What stops the broker from starting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct BrokerConfigFault {
    /// Where it was set.
    pub place: Place,
    /// The property, the value and what is allowed.
    pub reason: String,
}

/// What does not stop the broker but may surprise its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerConfigWarning {
    /// Kafka knows the property, Ottla does not honour it.
    Unsupported {
        /// The property.
        name: String,
        /// Where it was set.
        place: Place,
    },
    /// Nobody knows the property.
    Unknown {
        /// The property.
        name: String,
        /// Where it was set.
        place: Place,
        /// A property that is spelled nearly the same.
        suggestion: Option<&'static str>,
    },
}

/// A configuration and what is to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: BrokerConfig,
    /// In the order of the sources.
    pub warnings: Vec<BrokerConfigWarning>,
}

/// Collects the sources; what comes later goes before what came earlier.
#[derive(Clone, Debug, Default)]
pub struct BrokerConfigLoader {
    profile: Profile,
    settings: Vec<(Place, String, String)>,
    faults: Vec<BrokerConfigFault>,
}

impl BrokerConfigLoader {
    /// Starts with a profile's defaults.
    pub fn new(profile: Profile) -> BrokerConfigLoader {
        BrokerConfigLoader {
            profile,
            ..BrokerConfigLoader::default()
        }
    }

    /// Adds the text of a properties file; `file` is its name for messages.
    pub fn properties(mut self, file: &str, text: &str) -> BrokerConfigLoader {
        let place = |line| Place::File {
            name: file.to_owned(),
            line,
        };
        match parse_properties(text) {
            Ok(properties) => {
                let settings = properties
                    .into_iter()
                    .map(|found| (place(found.line), found.name, found.value));
                self.settings.extend(settings);
            }
            Err(fault) => self.faults.push(BrokerConfigFault {
                place: place(fault.line),
                reason: "\\u must be followed by four hexadecimal digits".to_owned(),
            }),
        }
        self
    }

    /// Adds one `name=value`, as given with `--set`.
    pub fn set(mut self, text: &str) -> BrokerConfigLoader {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                self.settings
                    .push((Place::Set, name.trim().to_owned(), value.trim().to_owned()));
            }
            _ => self.faults.push(BrokerConfigFault {
                place: Place::Set,
                reason: format!("'{text}' is not of the form name=value"),
            }),
        }
        self
    }

    /// Checks everything that was collected. Every fault is told, not only the first.
    pub fn load(self) -> Result<Loaded, Vec<BrokerConfigFault>> {
        let mut faults = self.faults;
        let mut warnings = Vec::new();
        let mut layers = Layers {
            profile: self.profile,
            ..Layers::default()
        };
        for (place, name, value) in &self.settings {
            match broker_definition(name) {
                Some(definition) => {
                    if let Err(fault) = definition.parse(value) {
                        faults.push(BrokerConfigFault {
                            place: place.clone(),
                            reason: fault.to_string(),
                        });
                    }
                }
                None => warnings.push(warning(name, place)),
            }
            layers.fixed.insert(name.clone(), value.clone());
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        for (name, reason) in contradictions(&layers) {
            let set = self.settings.iter().rev().find(|(_, set, _)| *set == name);
            let place = set.map_or(Place::Set, |(place, _, _)| place.clone());
            faults.push(BrokerConfigFault { place, reason });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let config = BrokerConfig::build(layers);
        let empty = |name: &str| {
            let set = self.settings.iter().rev().find(|(_, set, _)| set == name);
            let place = set.map_or(Place::Set, |(place, _, _)| place.clone());
            vec![BrokerConfigFault {
                place,
                reason: format!("{name} leaves nothing to use"),
            }]
        };
        if config.log.dirs.is_empty() {
            return Err(empty("log.dirs"));
        }
        if config.network.listeners.is_empty() {
            return Err(empty("listeners"));
        }
        Ok(Loaded { config, warnings })
    }
}

/// Values that are right each by itself but not together: the property to blame and the reason.
fn contradictions(layers: &Layers) -> Vec<(&'static str, String)> {
    let number = |name| {
        let definition = broker_definition(name).expect("the table holds the property");
        match layers.value(definition) {
            Some(super::Value::Number(number)) => Some(number),
            _ => None,
        }
    };
    let mut found = Vec::new();
    for (least, most) in ORDERED {
        if let (Some(low), Some(high)) = (number(least), number(most))
            && low > high
        {
            let blamed = if layers.fixed.contains_key(*least) { least } else { most };
            found.push((
                *blamed,
                format!("{least} ({low}) must not be greater than {most} ({high})"),
            ));
        }
    }
    if let (Some(node), Some(broker)) = (number("node.id"), number("broker.id"))
        && broker >= 0
        && node != broker
    {
        found.push((
            "broker.id",
            format!("broker.id ({broker}) must be the same as node.id ({node})"),
        ));
    }
    found
}

const ORDERED: &[(&str, &str)] = &[
    ("group.min.session.timeout.ms", "group.max.session.timeout.ms"),
    (
        "group.consumer.min.session.timeout.ms",
        "group.consumer.session.timeout.ms",
    ),
    (
        "group.consumer.session.timeout.ms",
        "group.consumer.max.session.timeout.ms",
    ),
    (
        "group.consumer.min.heartbeat.interval.ms",
        "group.consumer.heartbeat.interval.ms",
    ),
    (
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.max.heartbeat.interval.ms",
    ),
    (
        "group.consumer.min.assignment.interval.ms",
        "group.consumer.assignment.interval.ms",
    ),
    (
        "group.consumer.assignment.interval.ms",
        "group.consumer.max.assignment.interval.ms",
    ),
    ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    ("ottla.journal.file.bytes", "ottla.journal.bytes.max"),
];

fn warning(name: &str, place: &Place) -> BrokerConfigWarning {
    let (name, place) = (name.to_owned(), place.clone());
    if is_kafkas(&name) {
        return BrokerConfigWarning::Unsupported { name, place };
    }
    let candidates = BROKER_CONFIGS
        .iter()
        .map(|definition| definition.name)
        .chain(UNSUPPORTED.iter().copied());
    let nearest = candidates
        .map(|candidate| (distance(&name, candidate), candidate))
        .min();
    let suggestion = nearest
        .filter(|(edits, _)| *edits <= SUGGESTION_EDITS_MAX)
        .map(|(_, candidate)| candidate);
    BrokerConfigWarning::Unknown {
        name,
        place,
        suggestion,
    }
}

/// A property that differs by more letters is another property, not a typing error.
const SUGGESTION_EDITS_MAX: usize = 3;

/// How many letters must be put in, taken out or changed to make one text the other.
fn distance(one: &str, other: &str) -> usize {
    if one.len().abs_diff(other.len()) > SUGGESTION_EDITS_MAX {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for column in 0..other.len() {
            let change = diagonal + usize::from(letter != other[column]);
            diagonal = row[column + 1];
            row[column + 1] = change.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { name, line } => write!(f, "{name}:{line}"),
            Place::Set => f.write_str("--set"),
        }
    }
}

impl fmt::Display for BrokerConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BrokerConfigWarning::Unsupported { name, place } => {
                write!(
                    f,
                    "{place}: {name} is a property of Kafka that Ottla does not use; it has no effect"
                )
            }
            BrokerConfigWarning::Unknown {
                name,
                place,
                suggestion: None,
            } => {
                write!(f, "{place}: unknown property {name}; it has no effect")
            }
            BrokerConfigWarning::Unknown {
                name,
                place,
                suggestion: Some(suggestion),
            } => {
                write!(
                    f,
                    "{place}: unknown property {name}; it has no effect. Did you mean {suggestion}?"
                )
            }
        }
    }
}
