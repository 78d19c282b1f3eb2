//! Whether a log is worth cleaning, and which part of it.

use std::ops::Range;

use ottla_model::{Millis, Offset};

use crate::SegmentInfo;

/// When a log is cleaned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanRules {
    /// `min.cleanable.dirty.ratio`: the dirty share, by bytes, above which a round pays.
    pub dirty_ratio_min: f64,
    /// `min.compaction.lag.ms`: younger records are left alone.
    pub lag_min: Millis,
    /// `max.compaction.lag.ms` (KIP-354): older dirty records are cleaned whatever the ratio.
    pub lag_max: Millis,
}

/// What a round would clean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Where the dirty part begins: where the last round ended, or the log start.
    pub dirty_start: Offset,
    /// Where what may be cleaned ends, at the beginning of a segment.
    pub dirty_end: Offset,
    /// The dirty share of what may be cleaned, by bytes: of several logs the one with the highest is cleaned first.
    pub dirty_ratio: f64,
    /// Whether a dirty record is older than it may become.
    pub overdue: bool,
}

impl Plan {
    /// Looks at the segments of a log, of which the last is still written. `cleaned` is where the last round ended.
    /// `None` if there is nothing to clean, or it does not pay yet.
    pub fn of(
        segments: &[SegmentInfo],
        cleaned: Option<Offset>,
        last_stable: Offset,
        rules: &PlanRules,
        now: Millis,
    ) -> Option<Plan> {
        let (active, closed) = segments.split_last()?;
        let log_start = closed.first()?.base_offset;
        // A mark outside the log is one from before it was cut: everything counts as dirty.
        let dirty_start = cleaned
            .filter(|cleaned| (log_start..=active.base_offset).contains(cleaned))
            .unwrap_or(log_start);
        let may_go =
            |segment: &&SegmentInfo| segment.next_offset <= last_stable && !is_young(segment, dirty_start, rules, now);
        let cleanable: Vec<&SegmentInfo> = closed.iter().take_while(may_go).collect();
        let dirty_end = cleanable.last()?.next_offset;
        let (clean, dirty): (Vec<&SegmentInfo>, Vec<&SegmentInfo>) = cleanable
            .into_iter()
            .partition(|segment| segment.next_offset <= dirty_start);
        let (clean, dirty_bytes) = (bytes(&clean), bytes(&dirty));
        let plan = Plan {
            dirty_start,
            dirty_end,
            dirty_ratio: dirty_bytes as f64 / (clean + dirty_bytes).max(1) as f64,
            overdue: dirty.first().is_some_and(|segment| is_overdue(segment, rules, now)),
        };
        let pays = plan.overdue || plan.dirty_ratio > rules.dirty_ratio_min;
        (pays && dirty_bytes > 0).then_some(plan)
    }
}

fn is_young(segment: &SegmentInfo, dirty_start: Offset, rules: &PlanRules, now: Millis) -> bool {
    let newest = segment.max_timestamp.map(|(newest, _)| newest);
    rules.lag_min > Millis(0)
        && segment.next_offset > dirty_start
        && newest.is_some_and(|newest| newest > now.since(rules.lag_min))
}

fn is_overdue(segment: &SegmentInfo, rules: &PlanRules, now: Millis) -> bool {
    segment
        .first_timestamp
        .is_some_and(|first| first >= Millis(0) && now.since(first) > rules.lag_max)
}

fn bytes(segments: &[&SegmentInfo]) -> u64 {
    segments.iter().map(|segment| segment.size).sum()
}

/// Which neighbouring segments are written into one, so that cleaned logs do not end in crumbs: as many as fit into
/// `bytes_max` and within 2147483647 offsets.
pub fn group(segments: &[SegmentInfo], bytes_max: u64) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut size = 0;
    for (index, segment) in segments.iter().enumerate() {
        size += segment.size;
        match groups.last_mut() {
            Some(open)
                if size <= bytes_max
                    && segment.next_offset.0 - 1 - segments[open.start].base_offset.0 <= i64::from(i32::MAX) =>
            {
                open.end = index + 1;
            }
            _ => {
                size = segment.size;
                groups.push(index..index + 1);
            }
        }
    }
    groups
}
