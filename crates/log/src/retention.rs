//! Which segments go, and when the next one begins: decisions only, the media act on them.

use ottla_model::{Millis, Offset};

use crate::SegmentInfo;
use crate::batch::BatchHeader;
use crate::config::Retention;

/// What retention needs to know beside the segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The first offset that may be read.
    pub start: Offset,
    /// Bytes that are not in segments yet.
    pub unsettled_bytes: u64,
}

/// Where the log should start, so that the whole segments below can go; `None` if all stay.
///
/// A segment whose records carry no timestamps has no age: only size and log start can make it go.
///
/// The oldest segments go, one after the other: those below the log start, those whose newest record is older than the
/// time limit, those without which the log still has its limit of bytes. The first that stays ends it. All segments are
/// below the high watermark, so none that is still to be replicated goes.
pub fn new_log_start(segments: &[SegmentInfo], log: Log, retention: Retention, now: Millis) -> Option<Offset> {
    let mut left = segments.iter().map(|segment| segment.size).sum::<u64>() + log.unsettled_bytes;
    let mut start = None;
    for segment in segments {
        let goes =
            segment.next_offset <= log.start || too_old(segment, retention, now) || too_many(segment, left, retention);
        if !goes || segment.next_offset == segment.base_offset {
            break;
        }
        left -= segment.size;
        start = Some(segment.next_offset.max(log.start));
    }
    start
}

fn too_old(segment: &SegmentInfo, retention: Retention, now: Millis) -> bool {
    match (retention, segment.max_timestamp) {
        (Retention::Delete { time: Some(time), .. }, Some((newest, _))) => {
            newest >= Millis(0) && now.since(newest) > time
        }
        _ => false,
    }
}

fn too_many(segment: &SegmentInfo, left: u64, retention: Retention) -> bool {
    match retention {
        Retention::Delete { bytes: Some(limit), .. } => {
            left.checked_sub(segment.size).is_some_and(|rest| rest >= limit)
        }
        _ => false,
    }
}

/// When a segment is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollRules {
    /// `segment.bytes`.
    pub bytes_max: u64,
    /// `segment.ms`.
    pub time_max: Millis,
    /// What `segment.jitter.ms` drew for this segment.
    pub jitter: Millis,
}

/// The segment that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveSegment {
    /// The offset its file is named after.
    pub base_offset: Offset,
    /// Bytes of records.
    pub size: u64,
    /// The largest timestamp of its first batch; `None` while it is empty or if that has none.
    pub first_timestamp: Option<Millis>,
    /// When it was created.
    pub created: Millis,
    /// Whether an index takes no more entries (`segment.index.bytes`).
    pub index_full: bool,
}

/// Whether the next batch begins a new segment: the active one is full, too old, or too far from its base offset.
pub fn should_roll(active: &ActiveSegment, next: &BatchHeader, rules: &RollRules, now: Millis) -> bool {
    let size = next.size().unwrap_or(0) as u64;
    let over = active.size + size > rules.bytes_max;
    let far = next.last_offset().0 - active.base_offset.0 > i64::from(i32::MAX);
    // An empty segment is never replaced by another empty one, except where its base offset is useless.
    far || (active.size > 0
        && (over || active.index_full || age(active, next, now) > rules.time_max.since(rules.jitter)))
}

/// By the records' own time where they have one, so that a segment filled from old data rolls as it once did.
fn age(active: &ActiveSegment, next: &BatchHeader, now: Millis) -> Millis {
    match active.first_timestamp {
        Some(first) if first >= Millis(0) && next.max_timestamp >= Millis(0) => next.max_timestamp.since(first),
        _ => now.since(active.created),
    }
}

#[cfg(test)]
mod tests;
