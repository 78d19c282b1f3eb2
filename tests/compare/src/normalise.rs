//! Stand-ins for what differs between two runs of the same broker: names, ids, clocks, addresses and texts.

use kafka_protocol::ResponseError;

use crate::batch;
use crate::tree::Tree;

/// What is known of one case's run.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What every name of this case begins with.
    pub token: String,
    /// What every name shared by all cases of this run begins with.
    pub shared: String,
    /// The broker's node id.
    pub node_id: String,
    /// The time from which the case's records count theirs.
    pub base_time: i64,
}

/// Puts stand-ins into the answers of one case; equal things get equal stand-ins.
pub struct Normaliser {
    scope: Scope,
    ids: Vec<String>,
    producers: Vec<String>,
    sessions: Vec<String>,
}

impl Normaliser {
    /// One that has seen nothing yet.
    pub fn new(scope: Scope) -> Normaliser {
        Normaliser {
            scope,
            ids: Vec::new(),
            producers: Vec::new(),
            sessions: Vec::new(),
        }
    }

    /// The answer with stand-ins, and with what is in no promised order sorted. With `own_only`, topics and groups of
    /// other cases are left out.
    pub fn normalise(&mut self, tree: Tree, own_only: bool) -> Tree {
        self.number_single(&tree);
        let tree = self.replace("", tree, own_only);
        self.number(tree)
    }

    /// Gives `id` the next number, ahead of any answer that shows it.
    pub fn know(&mut self, id: &str) {
        self.number_text(id.to_owned());
    }

    /// Numbers what stands alone before what stands in arrays, whose order follows from the numbers.
    fn number_single(&mut self, tree: &Tree) {
        if let Tree::Struct(fields) = tree {
            for (_, value) in fields {
                if let Tree::Text(text) = value {
                    self.number_text(text.clone());
                }
            }
        }
    }

    fn replace(&self, name: &str, tree: Tree, own_only: bool) -> Tree {
        match tree {
            Tree::Leaf(text) => Tree::Leaf(self.replace_leaf(name, text)),
            Tree::Text(text) => self.replace_text(name, text),
            Tree::Bytes(bytes) if name == "records" => self.replace("batches", batch::describe(&bytes), own_only),
            Tree::Bytes(bytes) => Tree::Bytes(self.replace_bytes(bytes)),
            Tree::List(items) => {
                let is_kept = |item: &Tree| !own_only || self.is_own(item);
                let items = if name == "responses" {
                    merge_topics(items)
                } else {
                    items
                };
                let items = items.into_iter().filter(is_kept);
                let mut items: Vec<Tree> = items.map(|item| self.replace(name, item, own_only)).collect();
                // Numbers of partitions, which are a set.
                if name == "partitions" && items.iter().all(|item| matches!(item, Tree::Leaf(_))) {
                    items.sort_by_cached_key(|item| item.to_string());
                }
                if items.iter().any(|item| matches!(item, Tree::Struct(_))) && name != "batches" {
                    items.sort_by_cached_key(|item| self.clone_numbers().number(item.clone()).to_string());
                }
                Tree::List(items)
            }
            Tree::Struct(fields) => {
                let fields = fields.into_iter().filter(|(name, _)| !UNSHOWN.contains(&name.as_str()));
                let replaced = fields.map(|(name, value)| {
                    let value = self.replace(&name, value, own_only);
                    (name, value)
                });
                Tree::Struct(replaced.collect())
            }
        }
    }

    fn replace_leaf(&self, name: &str, text: String) -> String {
        if name.ends_with("error_code") {
            return error_name(&text);
        }
        if NODES.contains(&name) && text == self.scope.node_id {
            return "<node>".into();
        }
        match name {
            "port" => return "<port>".into(),
            "finalized_features_epoch" if text != "-1" => return "<epoch>".into(),
            "total_bytes" | "usable_bytes" if text != "-1" => return "<bytes>".into(),
            _ => {}
        }
        match text.parse::<i64>() {
            Ok(number) => self.replace_time(number).unwrap_or(text),
            Err(_) => text,
        }
    }

    /// A time of the case's records, or one of today.
    fn replace_time(&self, number: i64) -> Option<String> {
        const NEAR_MS: i64 = 1_000_000;
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        let delta = number - self.scope.base_time;
        if delta.abs() < NEAR_MS {
            Some(format!("base{delta:+}"))
        } else {
            (delta.abs() < DAY_MS).then(|| "<now>".into())
        }
    }

    fn replace_text(&self, name: &str, text: String) -> Tree {
        match name {
            "error_message" | "batch_index_error_message" | "documentation" => return Tree::leaf("<text>"),
            "cluster_id" => return Tree::leaf("<cluster>"),
            "host" => return Tree::leaf("<host>"),
            "log_dir" => return Tree::leaf("<directory>"),
            "resource_name" | "key" if text == self.scope.node_id => return Tree::leaf("<node>"),
            _ => {}
        }
        let own = format!("{}-", self.scope.token);
        let shared = format!("{}-", self.scope.shared);
        Tree::Text(text.replace(&own, "").replace(&shared, ""))
    }

    /// Names in bytes, such as a subscription's topics, get stand-ins of the same length.
    fn replace_bytes(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        for prefix in [&self.scope.token, &self.scope.shared] {
            let mut from = 0;
            while let Some(at) = bytes[from..]
                .windows(prefix.len())
                .position(|window| window == prefix.as_bytes())
            {
                bytes[from + at..][..prefix.len()].fill(b'~');
                from += at + prefix.len();
            }
        }
        bytes
    }

    fn is_own(&self, item: &Tree) -> bool {
        let name = ["name", "topic", "group_id", "transactional_id"]
            .iter()
            .find_map(|field| item.field(field));
        match name {
            Some(Tree::Text(text)) => text.starts_with(&self.scope.token) || text.starts_with(&self.scope.shared),
            _ => true,
        }
    }

    fn number(&mut self, tree: Tree) -> Tree {
        self.number_field("", tree)
    }

    fn number_field(&mut self, name: &str, tree: Tree) -> Tree {
        match tree {
            Tree::Leaf(text) if name == "session_id" && text != "0" => stand_in("session", &mut self.sessions, &text),
            Tree::Leaf(text) if name == "producer_id" && text != "-1" => {
                stand_in("producer", &mut self.producers, &text)
            }
            Tree::Leaf(text) if text == NIL => Tree::leaf("nil"),
            Tree::Leaf(text) if is_uuid(text.as_bytes()) => stand_in("id", &mut self.ids, &text),
            Tree::Text(text) => Tree::Text(self.number_text(text)),
            Tree::List(items) => Tree::List(items.into_iter().map(|item| self.number_field(name, item)).collect()),
            Tree::Struct(fields) => {
                let numbered = fields.into_iter().map(|(name, value)| {
                    let value = self.number_field(&name, value);
                    (name, value)
                });
                Tree::Struct(numbered.collect())
            }
            other => other,
        }
    }

    /// The text with every UUID in it replaced.
    fn number_text(&mut self, text: String) -> String {
        let Some(at) = text.as_bytes().windows(NIL.len()).position(is_uuid) else {
            return text;
        };
        let (before, rest) = text.split_at(at);
        let (id, after) = rest.split_at(NIL.len());
        let stand_in = stand_in("id", &mut self.ids, id);
        format!("{before}{stand_in}{}", self.number_text(after.to_owned()))
    }

    fn clone_numbers(&self) -> Normaliser {
        Normaliser {
            scope: self.scope.clone(),
            ids: self.ids.clone(),
            producers: self.producers.clone(),
            sessions: self.sessions.clone(),
        }
    }
}

/// Fetch may answer a topic in several entries, its partitions spread over them; one entry says the same.
fn merge_topics(items: Vec<Tree>) -> Vec<Tree> {
    let mut merged: Vec<Tree> = Vec::new();
    for item in items {
        let of_same_topic = |other: &&mut Tree| {
            let is_same = |field| item.field(field).is_some() && item.field(field) == other.field(field);
            is_same("topic") && is_same("topic_id")
        };
        let (Some(Tree::Struct(known)), Some(Tree::List(partitions))) =
            (merged.iter_mut().find(of_same_topic), item.field("partitions"))
        else {
            merged.push(item);
            continue;
        };
        for (name, value) in known {
            if let ("partitions", Tree::List(list)) = (name.as_str(), value) {
                list.extend(partitions.iter().cloned());
            }
        }
    }
    merged
}

/// The name of an error code, such as `UNKNOWN_MEMBER_ID`.
pub fn error_name(code: &str) -> String {
    let Ok(code) = code.parse::<i16>() else {
        return code.to_owned();
    };
    match ResponseError::try_from_code(code) {
        None => "NONE".into(),
        Some(ResponseError::Unknown(code)) => code.to_string(),
        Some(error) => {
            let mut name = String::new();
            for c in format!("{error:?}").chars() {
                if c.is_uppercase() && !name.is_empty() {
                    name.push('_');
                }
                name.push(c.to_ascii_uppercase());
            }
            name
        }
    }
}

fn stand_in(kind: &str, seen: &mut Vec<String>, value: &str) -> Tree {
    let index = seen.iter().position(|known| known == value).unwrap_or_else(|| {
        seen.push(value.to_owned());
        seen.len() - 1
    });
    Tree::Leaf(format!("<{kind} {}>", index + 1))
}

fn is_uuid(text: &[u8]) -> bool {
    text.len() == NIL.len()
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Fields that say nothing here.
const UNSHOWN: [&str; 2] = ["throttle_time_ms", "unknown_tagged_fields"];

/// Fields that hold node ids.
const NODES: [&str; 9] = [
    "node_id",
    "broker_id",
    "leader_id",
    "controller_id",
    "replica_nodes",
    "isr_nodes",
    "offline_replicas",
    "preferred_read_replica",
    "leader",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn normaliser() -> Normaliser {
        Normaliser::new(Scope {
            token: "x-1".into(),
            shared: "x-all".into(),
            node_id: "7".into(),
            base_time: 1_000_000_000_000,
        })
    }

    #[track_caller]
    fn check(own_only: bool, text: &str, expected: &str) {
        let tree = normaliser().normalise(Tree::parse(text).unwrap(), own_only);
        assert_eq!(tree.to_string(), expected);
    }

    #[test]
    fn ids_that_stand_alone_are_numbered_before_those_in_arrays() {
        check(
            false,
            r#"{members: [{n: "b", id: "c-11111111-1111-1111-1111-111111111111"},
                {n: "a", id: "c-22222222-2222-2222-2222-222222222222"}], leader: "c-11111111-1111-1111-1111-111111111111"}"#,
            r#"{members: [{n: "a", id: "c-<id 2>"}, {n: "b", id: "c-<id 1>"}], leader: "c-<id 1>"}"#,
        );
    }

    #[test]
    fn a_topic_fetched_in_two_entries_is_one() {
        check(
            false,
            r#"{responses: [{topic: "a", topic_id: 1, partitions: [{p: 1}]}, {topic: "b", topic_id: 1, partitions: []},
                {topic: "a", topic_id: 1, partitions: [{p: 0}]}]}"#,
            r#"{responses: [{topic: "a", topic_id: 1, partitions: [{p: 0}, {p: 1}]}, {topic: "b", topic_id: 1, partitions: []}]}"#,
        );
    }

    #[test]
    fn names_times_nodes_and_errors_are_replaced() {
        check(
            true,
            r#"{error_code: 25, t: 1000000000005, now: 1000005000000, throttle_time_ms: 3, leader_id: 7,
                topics: [{name: "x-1-a"}, {name: "x-2-a"}, {name: "x-all-b"}]}"#,
            r#"{error_code: UNKNOWN_MEMBER_ID, t: base+5, now: <now>, leader_id: <node>, topics: [{name: "a"}, {name: "b"}]}"#,
        );
    }
}
