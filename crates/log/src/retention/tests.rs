//! Which segments go, and when the next one begins.

use super::*;
use crate::BatchBuilder;

/// Segments of ten offsets each, with these sizes and newest timestamps.
fn segments(shapes: &[(u64, i64)]) -> Vec<SegmentInfo> {
    let infos = (0..).zip(shapes).map(|(index, (size, newest))| SegmentInfo {
        base_offset: Offset(10 * index),
        next_offset: Offset(10 * index + 10),
        size: *size,
        max_timestamp: (*size > 0).then_some((Millis(*newest), Offset(10 * index))),
        first_timestamp: None,
    });
    infos.collect()
}

fn start(segments: &[SegmentInfo], log_start: i64, retention: Retention) -> Option<i64> {
    let log = Log {
        start: Offset(log_start),
        unsettled_bytes: 5,
    };
    new_log_start(segments, log, retention, Millis(1_000)).map(|start| start.0)
}

fn by_time(time: i64) -> Retention {
    Retention::Delete {
        time: Some(Millis(time)),
        bytes: None,
    }
}

fn by_size(bytes: u64) -> Retention {
    Retention::Delete {
        time: None,
        bytes: Some(bytes),
    }
}

#[test]
fn a_segment_goes_when_its_newest_record_is_too_old() {
    let segments = segments(&[(100, 100), (100, 200), (100, 900)]);
    assert_eq!(start(&segments, 0, by_time(799)), Some(20));
    assert_eq!(start(&segments, 0, by_time(800)), Some(10));
    assert_eq!(start(&segments, 0, by_time(900)), None);
    assert_eq!(start(&segments, 0, by_time(50)), Some(30), "the last one too");
}

#[test]
fn records_without_timestamps_have_no_age() {
    assert_eq!(start(&segments(&[(100, -1), (100, -1)]), 0, by_time(1)), None);
}

#[test]
fn the_first_that_stays_keeps_all_behind_it() {
    let segments = segments(&[(100, 900), (100, 1)]);
    assert_eq!(start(&segments, 0, by_time(500)), None);
}

#[test]
fn the_oldest_go_while_the_rest_still_has_the_limit() {
    let segments = segments(&[(100, 1), (100, 2), (100, 3)]);
    assert_eq!(
        start(&segments, 0, by_size(205)),
        Some(10),
        "what is not settled counts"
    );
    assert_eq!(start(&segments, 0, by_size(206)), None);
    assert_eq!(start(&segments, 0, by_size(105)), Some(20));
    assert_eq!(start(&segments, 0, by_size(1_000)), None);
}

#[test]
fn segments_below_the_log_start_go_whatever_the_policy() {
    let segments = segments(&[(100, 900), (100, 900)]);
    assert_eq!(
        start(&segments, 15, Retention::Keep),
        Some(15),
        "the log start itself stays"
    );
    assert_eq!(start(&segments, 5, Retention::Keep), None);
    assert_eq!(start(&segments, 0, Retention::Keep), None);
}

fn next(timestamp: i64) -> BatchHeader {
    let mut batch = BatchBuilder::new();
    batch.push(Millis(timestamp), None, Some(&[0; 30]));
    let mut header = BatchHeader::read(&batch.build()).unwrap();
    header.base_offset = Offset(100);
    header
}

const ACTIVE: ActiveSegment = ActiveSegment {
    base_offset: Offset(0),
    size: 500,
    first_timestamp: Some(Millis(1_000)),
    created: Millis(5_000),
    index_full: false,
};
const RULES: RollRules = RollRules {
    bytes_max: 1_000,
    time_max: Millis(100),
    jitter: Millis(10),
};

#[test]
fn a_full_segment_rolls() {
    let size = next(1_000).size().unwrap() as u64;
    let rolls = |bytes| {
        should_roll(
            &ActiveSegment { size: bytes, ..ACTIVE },
            &next(1_000),
            &RULES,
            Millis(5_000),
        )
    };
    assert!(!rolls(1_000 - size));
    assert!(rolls(1_001 - size));
    let index_full = ActiveSegment {
        index_full: true,
        ..ACTIVE
    };
    assert!(should_roll(&index_full, &next(1_000), &RULES, Millis(5_000)));
}

#[test]
fn a_segment_rolls_by_the_records_time_or_failing_that_by_its_own() {
    assert!(!should_roll(&ACTIVE, &next(1_090), &RULES, Millis(9_999)));
    assert!(should_roll(&ACTIVE, &next(1_091), &RULES, Millis(5_000)));
    let timeless = ActiveSegment {
        first_timestamp: Some(Millis(-1)),
        ..ACTIVE
    };
    assert!(!should_roll(&timeless, &next(-1), &RULES, Millis(5_090)));
    assert!(should_roll(&timeless, &next(-1), &RULES, Millis(5_091)));
}

#[test]
fn an_empty_segment_takes_anything_within_reach_of_its_base() {
    let empty = ActiveSegment {
        size: 0,
        first_timestamp: None,
        index_full: true,
        ..ACTIVE
    };
    assert!(!should_roll(
        &empty,
        &next(1),
        &RollRules { bytes_max: 1, ..RULES },
        Millis(99_999)
    ));
    let mut far = next(1);
    far.base_offset = Offset(i64::from(i32::MAX));
    assert!(!should_roll(&empty, &far, &RULES, Millis(0)));
    far.base_offset = far.base_offset.next();
    assert!(should_roll(&empty, &far, &RULES, Millis(0)));
}
