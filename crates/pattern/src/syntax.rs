//! From RE2's syntax to that of crate `regex`.
//!
//! They agree on most. What differs: how texts are quoted and numbered (`\Q..\E`, octal), what a brace or a bracket means
//! where nothing follows it (`a{`, `[[]`), what is special in classes (`&&` is not), that a repetition is not repeated
//! (`a**`) and not above a thousand, and that letters, digits and word limits are ASCII's. Groups need no names here, for
//! nothing is captured.
//!
//! Two oddities of RE2 for Java are not followed: a repetition after `(?i)` is refused instead of repeating what is before
//! the flags, and a brace that means itself may be repeated.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

use super::PatternFault;

/// The largest count of a repetition.
const REPEAT_MAX: u32 = 1_000;

/// The classes that may stand in brackets and colons.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// Writes an expression in the syntax of crate `regex`.
pub(super) fn rewrite(text: &str) -> Result<String, PatternFault> {
    let mut rewriter = Rewriter {
        rest: text.chars().peekable(),
        length: text.chars().count(),
        out: String::with_capacity(text.len() + 16),
        depth: 0,
        names: BTreeSet::new(),
        last: Last::Nothing,
    };
    while let Some(letter) = rewriter.rest.next() {
        rewriter.take(letter)?;
    }
    if rewriter.depth > 0 {
        return Err(rewriter.fault("a closing ) is missing"));
    }
    Ok(rewriter.out)
}

struct Rewriter<'a> {
    rest: Peekable<Chars<'a>>,
    length: usize,
    out: String,
    /// How many groups are open.
    depth: usize,
    names: BTreeSet<String>,
    last: Last,
}

/// What a repetition would repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Something,
    Repetition,
}

impl Rewriter<'_> {
    fn take(&mut self, letter: char) -> Result<(), PatternFault> {
        match letter {
            '\\' => self.escape()?,
            '(' => self.open()?,
            ')' if self.depth == 0 => return Err(self.fault("a ) has no ( before it")),
            ')' => {
                self.depth -= 1;
                self.out.push(')');
                self.last = Last::Something;
            }
            '|' => {
                self.out.push('|');
                self.last = Last::Nothing;
            }
            '*' | '+' | '?' => {
                self.repeat()?;
                self.out.push(letter);
                self.lazily();
            }
            '{' => self.brace()?,
            '[' => self.class()?,
            '.' | '^' | '$' => {
                self.out.push(letter);
                self.last = Last::Something;
            }
            _ => self.literal(letter),
        }
        Ok(())
    }

    fn literal(&mut self, letter: char) {
        put_char(&mut self.out, letter);
        self.last = Last::Something;
    }

    /// Whether there is something to repeat, that is not a repetition itself.
    fn repeat(&mut self) -> Result<(), PatternFault> {
        match std::mem::replace(&mut self.last, Last::Repetition) {
            Last::Something => Ok(()),
            Last::Nothing => Err(self.fault("there is nothing to repeat")),
            Last::Repetition => Err(self.fault("a repetition cannot be repeated")),
        }
    }

    /// A repetition may be followed by a `?`, which is no repetition.
    fn lazily(&mut self) {
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
    }

    /// A repetition by numbers, or else just a brace.
    fn brace(&mut self) -> Result<(), PatternFault> {
        let Some((text, least, most)) = counts(self.rest.clone()) else {
            self.literal('{');
            return Ok(());
        };
        if least > REPEAT_MAX || most.is_some_and(|most| most > REPEAT_MAX || most < least) {
            return Err(self.fault("the count of a repetition is out of range"));
        }
        self.repeat()?;
        self.out.push('{');
        self.rest.by_ref().take(text.len()).for_each(drop);
        self.out.push_str(&text);
        self.lazily();
        Ok(())
    }

    fn open(&mut self) -> Result<(), PatternFault> {
        self.last = Last::Nothing;
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push_str("(?:");
            self.depth += 1;
            return Ok(());
        }
        let mut ahead = self.rest.clone();
        let is_named = match ahead.next() {
            Some('P') => ahead.next() == Some('<'),
            Some('<') => true,
            _ => false,
        };
        if is_named {
            self.rest = ahead;
            return self.name();
        }
        self.flags()
    }

    fn name(&mut self) -> Result<(), PatternFault> {
        let mut name = String::new();
        while let Some(letter) = self
            .rest
            .next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        {
            name.push(letter);
        }
        if name.is_empty() || self.rest.next() != Some('>') {
            return Err(self.fault("the name of a group is no name"));
        }
        if !self.names.insert(name) {
            return Err(self.fault("two groups have one name"));
        }
        self.out.push_str("(?:");
        self.depth += 1;
        Ok(())
    }

    /// `(?i)` from here on, `(?i:...)` within.
    fn flags(&mut self) -> Result<(), PatternFault> {
        let mut flags = String::new();
        loop {
            match self.rest.next() {
                Some(flag @ ('i' | 'm' | 's' | 'U')) => flags.push(flag),
                Some('-') if !flags.contains('-') => flags.push('-'),
                Some(end @ (':' | ')')) if !flags.ends_with('-') => {
                    return {
                        self.end_of_flags(&flags, end);
                        Ok(())
                    };
                }
                _ => return Err(self.fault("what follows (? is not known")),
            }
        }
    }

    fn end_of_flags(&mut self, flags: &str, end: char) {
        match end {
            ':' => {
                let _ = write!(self.out, "(?{flags}:");
                self.depth += 1;
            }
            _ if flags.is_empty() => {}
            _ => {
                let _ = write!(self.out, "(?{flags})");
            }
        }
    }

    fn escape(&mut self) -> Result<(), PatternFault> {
        let mut ahead = self.rest.clone();
        match ahead.next() {
            Some('Q') => {
                self.rest = ahead;
                self.quoted();
                return Ok(());
            }
            Some(letter @ ('A' | 'z')) => {
                self.rest = ahead;
                let _ = write!(self.out, "\\{letter}");
            }
            Some(letter @ ('b' | 'B')) => {
                self.rest = ahead;
                let _ = write!(self.out, "(?-u:\\{letter})");
            }
            Some(letter) if perl(letter).is_some() => {
                self.rest = ahead;
                self.out.push_str(perl(letter).unwrap_or_default());
            }
            Some('p' | 'P') => self.property()?,
            _ => {
                let letter = self.escaped_char()?;
                put_char(&mut self.out, letter);
            }
        }
        self.last = Last::Something;
        Ok(())
    }

    /// Everything up to `\E` means itself.
    fn quoted(&mut self) {
        while let Some(letter) = self.rest.next() {
            if letter == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(letter);
        }
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`, and with a capital letter the opposite.
    fn property(&mut self) -> Result<(), PatternFault> {
        let mut is_negated = self.rest.next() == Some('P');
        let mut name = String::new();
        match self.rest.next() {
            Some('{') => {
                is_negated ^= self.rest.next_if_eq(&'^').is_some();
                while let Some(letter) = self
                    .rest
                    .next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                {
                    name.push(letter);
                }
                if self.rest.next() != Some('}') {
                    return Err(self.fault("the name of a class of letters is no name"));
                }
            }
            Some(letter) if letter.is_ascii_alphabetic() => name.push(letter),
            _ => return Err(self.fault("the name of a class of letters is missing")),
        }
        let kind = if is_negated { 'P' } else { 'p' };
        // Categories have one letter or two, scripts more. The engine knows further classes, which RE2 does not.
        let property = match name.len() {
            0..=2 => "gc=",
            _ if name == "Any" => "",
            _ => "sc=",
        };
        let _ = write!(self.out, "\\{kind}{{{property}{name}}}");
        Ok(())
    }

    /// The one letter that an escape stands for.
    fn escaped_char(&mut self) -> Result<char, PatternFault> {
        let Some(letter) = self.rest.next() else {
            return Err(self.fault("the expression ends with a backslash"));
        };
        let found = match letter {
            'a' => Some('\x07'),
            'f' => Some('\x0c'),
            't' => Some('\t'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            'v' => Some('\x0b'),
            'x' => self.hexadecimal(),
            '0'..='7' => self.octal(letter),
            _ => Some(letter).filter(|letter| !letter.is_ascii_alphanumeric()),
        };
        found.ok_or_else(|| self.fault("what follows a backslash is not known"))
    }

    /// `\x41` or `\x{41}`.
    fn hexadecimal(&mut self) -> Option<char> {
        let mut digits = String::new();
        if self.rest.next_if_eq(&'{').is_some() {
            while let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit) {
                digits.push(digit);
            }
            self.rest.next_if_eq(&'}')?;
        } else {
            digits.extend(self.rest.by_ref().take(2));
            digits = Some(digits).filter(|digits| digits.len() == 2)?;
        }
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    }

    /// `\101`, or `\0` alone; another digit alone would point back to a group, which takes more than linear time.
    fn octal(&mut self, first: char) -> Option<char> {
        let mut digits = String::from(first);
        while digits.len() < 3
            && let Some(digit) = self.rest.next_if(|digit| ('0'..='7').contains(digit))
        {
            digits.push(digit);
        }
        if digits.len() == 1 && first != '0' {
            return None;
        }
        char::from_u32(u32::from_str_radix(&digits, 8).ok()?)
    }

    fn class(&mut self) -> Result<(), PatternFault> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            match self.rest.peek() {
                None => return Err(self.fault("a closing ] is missing")),
                Some(']') if !is_first => break,
                Some(_) => self.class_item()?,
            }
            is_first = false;
        }
        self.rest.next();
        self.out.push(']');
        self.last = Last::Something;
        Ok(())
    }

    /// A class within a class, a letter, or a range of letters.
    fn class_item(&mut self) -> Result<(), PatternFault> {
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('['), Some(':')) => {
                let text: String = ahead.collect();
                if let Some((name, _)) = text.split_once(":]") {
                    return self.posix(name);
                }
            }
            (Some('\\'), Some('p' | 'P')) => {
                self.rest.next();
                return self.property();
            }
            (Some('\\'), Some(letter)) if perl(letter).is_some() => {
                self.rest = ahead;
                self.out.push_str(perl(letter).unwrap_or_default());
                return Ok(());
            }
            _ => {}
        }
        let first = self.class_char()?;
        let mut ahead = self.rest.clone();
        let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|letter| letter != ']');
        put_char(&mut self.out, first);
        if is_range {
            self.rest.next();
            let last = self.class_char()?;
            if last < first {
                return Err(self.fault("a range of letters ends before it begins"));
            }
            self.out.push('-');
            put_char(&mut self.out, last);
        }
        Ok(())
    }

    fn class_char(&mut self) -> Result<char, PatternFault> {
        match self.rest.next() {
            Some('\\') => self.escaped_char(),
            Some(letter) => Ok(letter),
            None => Err(self.fault("a closing ] is missing")),
        }
    }

    /// `[:alpha:]` or `[:^alpha:]`.
    fn posix(&mut self, name: &str) -> Result<(), PatternFault> {
        if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(self.fault("there is no class of that name"));
        }
        let _ = write!(self.out, "[:{name}:]");
        // The name between "[:" and ":]".
        self.rest.by_ref().take(name.len() + 4).for_each(drop);
        Ok(())
    }

    /// A fault at the letter that was taken last.
    fn fault(&self, problem: &'static str) -> PatternFault {
        let at = self.length - self.rest.clone().count();
        PatternFault::Syntax { problem, at }
    }
}

/// The numbers of a repetition, with their text including the closing brace; `None` if that is none.
fn counts(rest: Peekable<Chars<'_>>) -> Option<(String, u32, Option<u32>)> {
    let mut text = String::new();
    for letter in rest {
        text.push(letter);
        match letter {
            '}' => break,
            '0'..='9' | ',' => {}
            _ => return None,
        }
    }
    let inner = text.strip_suffix('}')?;
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        // What does not fit is out of range in any case.
        is_number.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let (least, most) = match inner.split_once(',') {
        None => (number(inner)?, None),
        Some((least, "")) => (number(least)?, None),
        Some((least, most)) => (number(least)?, Some(number(most)?)),
    };
    Some((text, least, most))
}

/// Perl's classes, which are ASCII's. They may stand alone and in brackets.
fn perl(letter: char) -> Option<&'static str> {
    match letter {
        'd' => Some("[0-9]"),
        'D' => Some("[^0-9]"),
        's' => Some(r"[\t\n\x0C\r ]"),
        'S' => Some(r"[^\t\n\x0C\r ]"),
        'w' => Some("[0-9A-Za-z_]"),
        'W' => Some("[^0-9A-Za-z_]"),
        _ => None,
    }
}

/// A letter that means itself, in brackets or not.
fn put_char(out: &mut String, letter: char) {
    if letter.is_ascii_alphanumeric() {
        out.push(letter);
    } else {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(letter));
    }
}
