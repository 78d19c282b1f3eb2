//! Places in a partition, as people say them: the first record, the end, an offset, a time.

use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A place in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first record that is there.
    Earliest,
    /// Behind the last record.
    Latest,
    /// This offset.
    Offset(i64),
    /// The first record that is not older.
    Time(Timestamp),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        Place::parse(text, Timestamp::now())
    }
}

impl Place {
    fn parse(text: &str, now: Timestamp) -> Result<Place, String> {
        let text = text.trim();
        match text {
            "earliest" => return Ok(Place::Earliest),
            "latest" => return Ok(Place::Latest),
            _ => {}
        }
        if let Ok(offset) = text.parse::<i64>() {
            return match offset {
                0.. => Ok(Place::Offset(offset)),
                _ => Err(format!("an offset is not negative; {EXAMPLES}")),
            };
        }
        if text.ends_with("ago") {
            return ago(text, now).ok_or_else(|| format!("not a time span; {EXAMPLES}"));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Place::Time(time));
        }
        if text.parse::<jiff::civil::DateTime>().is_ok() {
            return Err("a time needs its zone: end it with Z for UTC, or with an offset such as +02:00".to_owned());
        }
        if text.parse::<Span>().is_ok() {
            return Err(format!("a time span needs a direction: \"{text} ago\""));
        }
        Err(format!("neither a place nor a time; {EXAMPLES}"))
    }
}

/// A day is 24 hours here, whatever clocks do.
fn ago(text: &str, now: Timestamp) -> Option<Place> {
    let span: Span = text.parse().ok()?;
    let then = now.to_zoned(TimeZone::UTC).checked_add(span).ok()?;
    Some(Place::Time(then.timestamp()))
}

const EXAMPLES: &str = "examples: earliest, latest, 42, \"2h ago\", \"1d ago\", 2026-09-01T10:00:00+02:00";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Place, String> {
        Place::parse(text, "2026-09-01T10:00:00Z".parse().unwrap())
    }

    fn time(text: &str) -> Result<Place, String> {
        Ok(Place::Time(text.parse().unwrap()))
    }

    #[test]
    fn places_are_read() {
        assert_eq!(parse("earliest"), Ok(Place::Earliest));
        assert_eq!(parse("latest"), Ok(Place::Latest));
        assert_eq!(parse("42"), Ok(Place::Offset(42)));
        assert_eq!(parse("2h ago"), time("2026-09-01T08:00:00Z"));
        assert_eq!(parse("30m ago"), time("2026-09-01T09:30:00Z"));
        assert_eq!(parse("1d ago"), time("2026-08-31T10:00:00Z"));
        assert_eq!(parse("1 day 2 hours ago"), time("2026-08-31T08:00:00Z"));
        assert_eq!(parse("2026-09-01T10:00:00+02:00"), time("2026-09-01T08:00:00Z"));
        assert_eq!(parse("2026-09-01T10:00Z"), time("2026-09-01T10:00:00Z"));
    }

    #[test]
    fn what_is_wrong_is_said_with_examples() {
        assert!(parse("-1").unwrap_err().contains("not negative"));
        assert!(parse("a while ago").unwrap_err().contains("\"2h ago\""));
        assert!(parse("2026-09-01T10:00").unwrap_err().contains("+02:00"));
        assert!(parse("2h").unwrap_err().contains("\"2h ago\""));
        assert!(parse("yesterday").unwrap_err().contains("examples: earliest"));
    }
}
