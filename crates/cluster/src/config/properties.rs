//! The syntax of Java's properties files.
//!
//! Comments start with `#` or `!`; a backslash at the end of a line continues it; name and value are parted by `=`, `:`
//! or white space; `\t \n \r \f \uXXXX` are escapes, any other escaped character stands for itself.

use std::iter::Peekable;
use std::str::Chars;

/// One property, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The number of the line on which it starts, from 1.
    pub line: usize,
}

/// Why a text is not a properties file: the only thing that can be wrong is an escape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: \\u must be followed by four hexadecimal digits")]
pub struct PropertyFault {
    /// The number of the line, from 1.
    pub line: usize,
}

/// Reads every property of a file, in order; a name may occur several times.
pub fn parse_properties(text: &str) -> Result<Vec<Property>, PropertyFault> {
    let mut properties = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((first, line)) = lines.next() {
        let first = first.trim_start_matches(BLANK);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while continues(&logical) {
            logical.pop();
            let Some((next, _)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(BLANK));
        }
        let (name, value) = split(&logical);
        let unescape = |text| unescape(text).ok_or(PropertyFault { line });
        properties.push(Property {
            name: unescape(name)?,
            value: unescape(value)?,
            line,
        });
    }
    Ok(properties)
}

const BLANK: [char; 3] = [' ', '\t', '\x0c'];

/// Whether a line ends in an odd number of backslashes.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Parts a logical line at the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (index, letter) in line.char_indices() {
        if !escaped && (matches!(letter, '=' | ':') || BLANK.contains(&letter)) {
            let (name, rest) = line.split_at(index);
            let rest = rest.trim_start_matches(BLANK);
            let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (name, value.trim_start_matches(BLANK));
        }
        escaped = letter == '\\' && !escaped;
    }
    (line, "")
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            plain.push(letter);
            continue;
        }
        match letters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\x0c'),
            Some('u') => plain.push(unicode(&mut letters)?),
            Some(other) => plain.push(other),
            None => {}
        }
    }
    Some(plain)
}

/// The character of one `\uXXXX`, or of two that form a surrogate pair.
fn unicode(letters: &mut Peekable<Chars<'_>>) -> Option<char> {
    let high = hex(letters)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    let mut ahead = letters.clone();
    if ahead.next() != Some('\\') || ahead.next() != Some('u') {
        return Some(char::REPLACEMENT_CHARACTER);
    }
    let low = hex(&mut ahead)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Some(char::REPLACEMENT_CHARACTER);
    }
    *letters = ahead;
    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
}

fn hex(letters: &mut Peekable<Chars<'_>>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value << 4 | letters.next()?.to_digit(16)?))
}
