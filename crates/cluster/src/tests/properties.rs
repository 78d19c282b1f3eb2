//! The syntax of a properties file.

use crate::config::parse_properties;

#[track_caller]
fn check(text: &str, expected: &[(&str, &str, usize)]) {
    let found = parse_properties(text).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.value.as_str(), one.line))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn name_and_value_are_parted_by_equals_colon_or_blank() {
    check(
        "a=1\nb:2\nc 3\nd \t=  4\ne",
        &[("a", "1", 1), ("b", "2", 2), ("c", "3", 3), ("d", "4", 4), ("e", "", 5)],
    );
    check(
        "a==b\nlisteners=PLAINTEXT://:9092",
        &[("a", "=b", 1), ("listeners", "PLAINTEXT://:9092", 2)],
    );
}

#[test]
fn comments_and_empty_lines_are_nothing() {
    check(
        "# a=1\n  ! b=2\n\n   \nc=3 # not a comment\r\n",
        &[("c", "3 # not a comment", 5)],
    );
    check("# continued \\\na=1", &[("a", "1", 2)]);
}

#[test]
fn a_backslash_continues_a_line() {
    check("a=1,\\\n   2,\\\n   3\nb=4", &[("a", "1,2,3", 1), ("b", "4", 4)]);
    check("a=1\\\\\nb=2", &[("a", "1\\", 1), ("b", "2", 2)]);
    check("a=1\\", &[("a", "1", 1)]);
}

#[test]
fn escapes_are_javas() {
    check(r"a\ b\=c=\t\n\u0041\u00e9\ud83d\ude00\q", &[("a b=c", "\t\nAé😀q", 1)]);
    check(r"a=\ud83d!", &[("a", "\u{fffd}!", 1)]);
    assert_eq!(parse_properties("a=1\nb=\\u00g0").unwrap_err().line, 2);
    assert_eq!(parse_properties("b=\\u12").unwrap_err().line, 1);
}
