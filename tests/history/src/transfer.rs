//! Exactly once from one place to another: the same values, each as often.

use std::collections::BTreeMap;

use crate::anomaly::{Anomaly, Kind};

/// Compares what was put in with what came out. Records of `input` nobody acknowledged are told by `perhaps`: they may have
/// come through or not.
pub fn transfer<'a>(
    input: impl IntoIterator<Item = &'a str>,
    perhaps: impl IntoIterator<Item = &'a str>,
    output: impl IntoIterator<Item = &'a str>,
) -> Vec<Anomaly> {
    let mut counts: BTreeMap<&str, (bool, bool, u32)> = BTreeMap::new();
    for value in input {
        counts.entry(value).or_default().0 = true;
    }
    for value in perhaps {
        counts.entry(value).or_default().1 = true;
    }
    for value in output {
        counts.entry(value).or_default().2 += 1;
    }
    let judge = |(value, (certain, perhaps, out)): (&str, (bool, bool, u32))| match (certain, perhaps, out) {
        (true, _, 0) => Some(Anomaly::new(
            Kind::TransferLost,
            format!("{value} did not come through"),
        )),
        (false, false, _) => Some(Anomaly::new(
            Kind::TransferInvented,
            format!("{value} came from nowhere"),
        )),
        (_, _, 2..) => Some(Anomaly::new(
            Kind::TransferRepeated,
            format!("{value} came through {out} times"),
        )),
        _ => None,
    };
    counts.into_iter().filter_map(judge).collect()
}
