//! Which partition of its internal topic a coordinator's key lives in.

use ottla_model::PartitionIndex;

/// The partition, of `count`, that holds the group or the transactional id `key`. Every client and tool of Kafka agrees on
/// this rule.
///
/// # Panics
///
/// If `count` is not positive: an internal topic without partitions has no coordinators.
pub fn partition_for(key: &str, count: i32) -> PartitionIndex {
    assert!(count > 0, "an internal topic has at least one partition");
    PartitionIndex(absolute(java_string_hash(key)) % count)
}

/// Java's `String.hashCode`: over UTF-16 units, so a character outside the basic plane counts twice.
fn java_string_hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

/// Kafka's `Utils.abs`: the one number without a positive twin becomes 0.
fn absolute(hash: i32) -> i32 {
    hash.checked_abs().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javas() {
        assert_eq!(java_string_hash(""), 0);
        assert_eq!(java_string_hash("hello"), 99_162_322);
        assert_eq!(java_string_hash("console-consumer-12345"), 158_455_506);
    }

    #[test]
    fn the_hash_runs_over_utf16_units() {
        // U+1F600 is the pair D83D DE00: 0xD83D * 31 + 0xDE00.
        assert_eq!(java_string_hash("\u{1f600}"), 0xd83d * 31 + 0xde00);
        assert_eq!(java_string_hash("\u{e9}"), 233);
    }

    #[test]
    fn the_smallest_number_becomes_zero() {
        // A known text whose Java hash is Integer.MIN_VALUE.
        assert_eq!(java_string_hash("polygenelubricants"), i32::MIN);
        assert_eq!(partition_for("polygenelubricants", 50), PartitionIndex(0));
    }

    #[test]
    fn the_empty_key_has_a_partition() {
        assert_eq!(partition_for("", 50), PartitionIndex(0));
    }
}
