//! What is an expression, and what it matches, is what RE2 for Java says of the same texts.

use proptest::prelude::*;

use super::*;

/// Some names, most of them no topic's: the syntax is easier to tell by them.
const NAMES: [&str; 35] = [
    "a",
    "aa",
    "aaa",
    "ab",
    "abc",
    "b",
    "a-b",
    "a.b",
    "a_b",
    "A",
    "AB",
    "1",
    "a1",
    "x",
    "__consumer_offsets",
    "t1",
    "t10",
    "&",
    "[",
    "]",
    "orders",
    "a+b",
    "{",
    "a{2}",
    "a{",
    "}",
    "^",
    "$",
    "\\",
    "^a",
    "a$",
    "a&b",
    "~",
    "-",
    "z",
];

#[track_caller]
fn matches(expression: &str, names: &[&str]) {
    let pattern = Pattern::parse(expression).unwrap_or_else(|fault| panic!("{expression}: {fault}"));
    let matched: Vec<&str> = NAMES.into_iter().filter(|name| pattern.matches(name)).collect();
    assert_eq!(matched, names, "{expression}");
}

#[track_caller]
fn refuses(expressions: &[&str]) {
    for expression in expressions {
        assert!(Pattern::parse(expression).is_err(), "{expression} is refused");
    }
}

#[test]
fn the_whole_name_is_matched() {
    matches("a", &["a"]);
    matches(
        "a.*",
        &[
            "a", "aa", "aaa", "ab", "abc", "a-b", "a.b", "a_b", "a1", "a+b", "a{2}", "a{", "a$", "a&b",
        ],
    );
    matches("a|b", &["a", "b"]);
    matches("(a|)b", &["ab", "b"]);
    matches("^a$", &["a"]);
    matches(r"\Aa\z", &["a"]);
    matches("a|", &["a"]);
}

#[test]
fn groups_and_flags() {
    for expression in ["(?:a)b", "(?P<n>a)b", "(?<n>a)b", "(?P<1n>a)b", "(?)ab", "(?-i)ab"] {
        matches(expression, &["ab"]);
    }
    matches("(?i)ab", &["ab", "AB"]);
    matches("(?i:a)B", &["AB"]);
    matches("(?i-s)a", &["a", "A"]);
    matches("(?m)^a$", &["a"]);
    matches("(?U)a+", &["a", "aa", "aaa"]);
    refuses(&[
        "(?P<n>a)(?P<n>b)",
        "(?u)a",
        "(?x)a b",
        "(?R)a",
        "(?-)a",
        "(?--i)a",
        "(?i",
        "(?",
        "(",
        ")",
        "a)",
    ]);
    refuses(&[
        "(?P=n)", "(?P>n)", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?>a)", "(?#c)a", "(?P<>a)",
    ]);
}

#[test]
fn repetitions() {
    matches("a{2}", &["aa"]);
    matches("a{02}", &["aa"]);
    matches("a{2,3}?", &["aa", "aaa"]);
    matches("a{2,}", &["aa", "aaa"]);
    matches("(a*)*", &["a", "aa", "aaa"]);
    matches("a*?", &["a", "aa", "aaa"]);
    matches("(a{100}){100}", &[]);
    matches("a{0}b", &["b"]);
    refuses(&[
        "a**", "a*+", "a++", "a?*", "a*?*", "a{2}{3}", "a{2}*", "*", "+", "?", "a|*", "(*)", "{2}",
    ]);
    refuses(&["a{3,2}", "a{1001}", "a{99999999999}", "a{1,1001}"]);
}

#[test]
fn braces_that_are_no_repetition_mean_themselves() {
    matches("{", &["{"]);
    matches("a{", &["a{"]);
    matches("}", &["}"]);
    for expression in ["a{,2}", "a{2", "a{2,", "a{a}", "a{2,a}", "a{}"] {
        matches(expression, &[]);
    }
}

#[test]
fn classes() {
    matches("[a]", &["a"]);
    matches("[]a]", &["a", "]"]);
    matches("[a-]", &["a", "-"]);
    matches("[-a]", &["a", "-"]);
    matches("[a-c]", &["a", "b"]);
    matches("[[]", &["["]);
    matches("[a[b]", &["a", "b", "["]);
    matches("[a&&b]", &["a", "b", "&"]);
    matches("[a~~b]", &["a", "b", "~"]);
    matches("[[a]]", &[]);
    matches("[a-z&&[^b]]", &[]);
    matches("]", &["]"]);
    matches(r"[\]]", &["]"]);
    matches(r"[\^]", &["^"]);
    matches(r"[\d-z]", &["1", "-", "z"]);
    matches("[[:alpha:]]", &["a", "b", "A", "x", "z"]);
    matches(
        "[[:^alpha:]]",
        &["1", "&", "[", "]", "{", "}", "^", "$", "\\", "~", "-"],
    );
    matches(r"[^\w]", &["&", "[", "]", "{", "}", "^", "$", "\\", "~", "-"]);
    refuses(&[
        "[",
        "[a",
        "[]",
        "[^]",
        "[c-a]",
        "[a--b]",
        r"[a-\d]",
        "[[:foo:]]",
        r"[\Q]",
        r"[\b]",
        "[a-",
    ]);
}

#[test]
fn classes_of_letters() {
    matches(r"\d", &["1"]);
    matches(r"\W", &["&", "[", "]", "{", "}", "^", "$", "\\", "~", "-"]);
    matches(r"\S\s", &[]);
    matches(
        r"\pL+",
        &["a", "aa", "aaa", "ab", "abc", "b", "A", "AB", "x", "orders", "z"],
    );
    matches(r"\p{Lu}", &["A"]);
    matches(r"\p{^L}", &["1", "&", "[", "]", "{", "}", "^", "$", "\\", "~", "-"]);
    matches(r"\P{^Lu}", &["A"]);
    matches(r"[\pN_]", &["1"]);
    matches(r"\p{Greek}", &[]);
    refuses(&[r"\p{Foo}", r"\p{Alphabetic}", r"\pX", r"\p", r"\p{", r"\p{L"]);
}

#[test]
fn letters_by_number_and_in_quotes() {
    for expression in [r"\x41", r"\x{41}", r"\x{0041}", r"\101", r"[\x41]", r"[\101]"] {
        matches(expression, &["A"]);
    }
    matches(r"\Qa+b\E", &["a+b"]);
    matches(r"\Qa+b", &["a+b"]);
    matches(r"\Qa.b\E+", &["a.b"]);
    matches(r"\&|\-|\~", &["&", "~", "-"]);
    matches(r"a\b", &["a"]);
    matches(r"\bab\b", &["ab"]);
    for expression in [r"\a\f\t\n\r\v", r"\0", r"\07", r"\B\x00", r"\é", "é", r"\ \_\@\<"] {
        matches(expression, &[]);
    }
    refuses(&[
        r"\1",
        r"\8",
        r"(a)\1",
        r"\x4",
        r"\x{}",
        r"\x{110000}",
        r"\",
        r"a\",
        r"\E",
        r"\Z",
        r"\C",
        r"\K",
        r"\y",
    ]);
    refuses(&[r"\Q\E*"]);
}

#[test]
fn a_fault_says_what_and_where() {
    let fault = |expression: &str| Pattern::parse(expression).unwrap_err().to_string();
    assert_eq!(fault(""), "the expression is empty");
    assert_eq!(
        fault("ab**"),
        "a repetition cannot be repeated at character 4 of the expression"
    );
    assert_eq!(fault("(ab"), "a closing ) is missing at character 3 of the expression");
    assert!(fault(r"\p{Foo}").starts_with("the expression cannot be compiled: "));
}

#[test]
fn an_expression_that_takes_too_much_memory_is_refused() {
    let fault = Pattern::parse(r"((\pL{100}){100}){100}").unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the expression cannot be compiled: it takes more than 1048576 bytes"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_an_expression_or_is_refused(text in r"[a-c0-9\\\[\]{}()*+?|^$.,:&~PQEpx<>i-]{0,24}", other in ".{0,20}") {
        let _ = Pattern::parse(&text);
        let _ = Pattern::parse(&other);
    }

    #[test]
    fn a_quoted_text_matches_itself(text in "[^\\\\]{1,20}") {
        let pattern = Pattern::parse(&format!(r"\Q{text}\E")).unwrap();
        prop_assert!(pattern.matches(&text));
    }
}
