//! Operations that depend on one another in a circle.
//!
//! Three kinds of edges: the next record of a partition was written (ww), the highest record read was written (wr), the
//! record after the highest one read was written (rw, the read missed it). Polls of several partitions at once are no
//! snapshot in Kafka: whoever feeds real polls makes each partition's an operation of its own. Components are found by Tarjan's algorithm; of
//! each the shortest cycle of every kind is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::anomaly::{Anomaly, Kind};
use crate::history::{Action, History, Key, Outcome};
use crate::versions::Versions;

/// Kinds of edges, as sets.
const WW: u8 = 1;
const WR: u8 = 2;
const RW: u8 = 4;

type Edges = BTreeMap<usize, BTreeMap<usize, u8>>;

pub(crate) fn check(history: &History, versions: &Versions<'_>) -> Vec<Anomaly> {
    let edges = edges(history, versions);
    let mut anomalies = Vec::new();
    let mut told: Vec<Vec<usize>> = Vec::new();
    let searches = [
        (Kind::G0, WW, None),
        (Kind::G1c, WR, None),
        (Kind::G1cWithWrites, WW | WR, None),
        (Kind::GSingle, WW | WR, Some(RW)),
    ];
    for (kind, any, once) in searches {
        for component in components(&edges, any | once.unwrap_or_default()) {
            // A cycle of one kind of edges is one of more kinds as well, and told already.
            let known = |cycle: &Vec<usize>| cycle.iter().all(|node| component.contains(node));
            if kind == Kind::G1cWithWrites && told.iter().any(known) {
                continue;
            }
            if let Some(cycle) = shortest(&edges, &component, any, once) {
                anomalies.push(Anomaly::new(kind, in_words(history, &edges, &cycle)));
                told.push(cycle);
            }
        }
    }
    anomalies
}

fn edges(history: &History, versions: &Versions<'_>) -> Edges {
    let mut edges = Edges::new();
    let mut add = |from: Option<usize>, to: Option<usize>, kind: u8| {
        let counts = |index: usize| history.operations[index].outcome != Outcome::Fail;
        if let (Some(from), Some(to)) = (from, to)
            && from != to
            && counts(from)
            && counts(to)
        {
            *edges.entry(from).or_default().entry(to).or_default() |= kind;
        }
    };
    for (key, order) in versions.orders() {
        for pair in order.windows(2) {
            let [before, after] = [pair[0], pair[1]].map(|(offset, value)| versions.writer(key, offset, value));
            add(before, after, WW);
        }
    }
    for (index, operation) in history.operations.iter().enumerate() {
        let mut highest: BTreeMap<&Key, &(i64, String)> = BTreeMap::new();
        for action in &operation.actions {
            if let Action::Poll { key, records } = action
                && let Some(last) = records.iter().max()
            {
                let known = highest.entry(key).or_insert(last);
                *known = last.max(*known);
            }
        }
        for (key, (offset, value)) in highest {
            let read = versions.writer(key, *offset, value);
            add(read, Some(index), WR);
            let next = versions.next(key, *offset);
            let missed = next.and_then(|(offset, value)| versions.writer(key, offset, value));
            // A poll may end amid a transaction: it has missed something if that is another's.
            add(Some(index), missed.filter(|missed| read != Some(*missed)), RW);
        }
    }
    edges
}

fn next(edges: &Edges, node: usize, allowed: u8) -> impl Iterator<Item = (usize, u8)> {
    let all = edges.get(&node).into_iter().flatten();
    all.map(move |(to, kinds)| (*to, kinds & allowed))
        .filter(|(_, kinds)| *kinds != 0)
}

/// Strongly connected components of more than one node.
fn components(edges: &Edges, allowed: u8) -> Vec<BTreeSet<usize>> {
    let mut search = Tarjan::default();
    for node in edges.keys() {
        search.visit(edges, allowed, *node);
    }
    search.found
}

#[derive(Default)]
struct Tarjan {
    numbers: BTreeMap<usize, usize>,
    low: BTreeMap<usize, usize>,
    stack: Vec<usize>,
    on_stack: BTreeSet<usize>,
    found: Vec<BTreeSet<usize>>,
}

impl Tarjan {
    /// Without recursion: histories are long, and so are their chains.
    fn visit(&mut self, edges: &Edges, allowed: u8, root: usize) {
        if self.numbers.contains_key(&root) {
            return;
        }
        let mut work = vec![self.enter(edges, allowed, root)];
        while let Some((node, rest)) = work.last_mut() {
            let node = *node;
            match rest.pop() {
                Some(to) if !self.numbers.contains_key(&to) => work.push(self.enter(edges, allowed, to)),
                Some(to) => {
                    if self.on_stack.contains(&to) {
                        self.lower(node, self.numbers[&to]);
                    }
                }
                None => {
                    work.pop();
                    self.leave(node);
                    if let Some((parent, _)) = work.last() {
                        self.lower(*parent, self.low[&node]);
                    }
                }
            }
        }
    }

    fn enter(&mut self, edges: &Edges, allowed: u8, node: usize) -> (usize, Vec<usize>) {
        let number = self.numbers.len();
        self.numbers.insert(node, number);
        self.low.insert(node, number);
        self.stack.push(node);
        self.on_stack.insert(node);
        (node, next(edges, node, allowed).map(|(to, _)| to).collect())
    }

    fn lower(&mut self, node: usize, number: usize) {
        let low = self.low.entry(node).or_insert(number);
        *low = number.min(*low);
    }

    fn leave(&mut self, node: usize) {
        if self.low[&node] != self.numbers[&node] {
            return;
        }
        let mut component = BTreeSet::new();
        while let Some(member) = self.stack.pop() {
            self.on_stack.remove(&member);
            component.insert(member);
            if member == node {
                break;
            }
        }
        if component.len() > 1 {
            self.found.push(component);
        }
    }
}

/// The shortest cycle of a component by edges of `any` kind, with exactly one that is only of the kind `once`, if named.
fn shortest(edges: &Edges, component: &BTreeSet<usize>, any: u8, once: Option<u8>) -> Option<Vec<usize>> {
    let mut best: Option<Vec<usize>> = None;
    for from in component {
        for (to, kinds) in next(edges, *from, u8::MAX) {
            let begins = once.map_or(kinds & any != 0, |once| kinds == once);
            if !begins || !component.contains(&to) {
                continue;
            }
            if let Some(path) = path(edges, component, to, *from, any)
                && best.as_ref().is_none_or(|best| path.len() < best.len())
            {
                best = Some(path);
            }
        }
    }
    best
}

/// The shortest path within a component, ends included.
fn path(edges: &Edges, component: &BTreeSet<usize>, from: usize, to: usize, allowed: u8) -> Option<Vec<usize>> {
    let mut before = BTreeMap::from([(from, from)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        if node == to {
            let mut path = vec![node];
            while path[path.len() - 1] != from {
                path.push(before[&path[path.len() - 1]]);
            }
            path.reverse();
            return Some(path);
        }
        for (next, _) in next(edges, node, allowed) {
            if component.contains(&next) && !before.contains_key(&next) {
                before.insert(next, node);
                queue.push_back(next);
            }
        }
    }
    None
}

fn in_words(history: &History, edges: &Edges, cycle: &[usize]) -> String {
    let mut words = String::new();
    for (place, node) in cycle.iter().enumerate() {
        let to = cycle[(place + 1) % cycle.len()];
        let kinds = edges
            .get(node)
            .and_then(|next| next.get(&to))
            .copied()
            .unwrap_or_default();
        let kind = match kinds {
            _ if kinds & WR != 0 => "wr",
            _ if kinds & WW != 0 => "ww",
            _ => "rw",
        };
        words.push_str(&format!("{} #{node} -{kind}-> ", history.operations[*node].process));
    }
    words + "the first"
}
