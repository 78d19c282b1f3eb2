//! A tree: an answer with all its fields by name, whatever message it is.
//!
//! It is read from the text of `{:?}`, which names every field of a generated message, so no message needs code of its
//! own here. Its own text is close to that and can be read back the same way.

use std::fmt;

use anyhow::{Result, bail};

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A number, a truth, an id, a name of an error or a stand-in.
    Leaf(String),
    /// A string.
    Text(String),
    /// A byte string.
    Bytes(Vec<u8>),
    /// An array.
    List(Vec<Tree>),
    /// A struct (or map): its fields in the order of the message.
    Struct(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads the text of `{:?}`, or of a tree.
    pub fn parse(text: &str) -> Result<Tree> {
        let mut reader = Reader { rest: text };
        let tree = reader.value()?;
        if !reader.rest.trim().is_empty() {
            bail!("text behind the value: {}", reader.rest);
        }
        Ok(tree)
    }

    /// A leaf.
    pub fn leaf(text: impl fmt::Display) -> Tree {
        Tree::Leaf(text.to_string())
    }

    /// The field `name` of a struct.
    pub fn field(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Struct(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Leaf(text) => f.write_str(text),
            Tree::Text(text) => write!(f, "{text:?}"),
            Tree::Bytes(bytes) => write!(f, "{:?}", bytes::Bytes::copy_from_slice(bytes)),
            Tree::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Tree::Struct(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{name}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Tree> {
        self.skip_space();
        if self.take("b\"") {
            return self.quoted().map(Tree::Bytes);
        }
        if self.take("\"") {
            let bytes = self.quoted()?;
            return Ok(Tree::Text(String::from_utf8(bytes)?));
        }
        if self.take("[") {
            return self.list(']').map(Tree::List);
        }
        if self.take("{") {
            return self.fields().map(Tree::Struct);
        }
        let word = self.word();
        self.skip_space();
        if self.take("{") {
            return self.fields().map(Tree::Struct);
        }
        if self.take("(") {
            let mut items = self.list(')')?;
            if items.len() != 1 {
                bail!("{word} holds {} values", items.len());
            }
            return Ok(items.remove(0));
        }
        if word.is_empty() {
            bail!("no value at {:?}", self.rest.chars().take(20).collect::<String>());
        }
        Ok(Tree::Leaf(if word == "None" { "null".into() } else { word }))
    }

    fn list(&mut self, close: char) -> Result<Vec<Tree>> {
        let mut items = Vec::new();
        while !self.end(close) {
            items.push(self.value()?);
        }
        Ok(items)
    }

    fn fields(&mut self) -> Result<Vec<(String, Tree)>> {
        let mut fields = Vec::new();
        while !self.end('}') {
            let name = self.word();
            self.skip_space();
            if name.is_empty() || !self.take(":") {
                bail!("no field at {:?}", self.rest.chars().take(20).collect::<String>());
            }
            fields.push((name, self.value()?));
        }
        Ok(fields)
    }

    /// Takes a comma if there is one; whether `close` came.
    fn end(&mut self, close: char) -> bool {
        self.skip_space();
        if self.take(",") {
            self.skip_space();
        }
        self.take(close.encode_utf8(&mut [0; 4])) || self.rest.is_empty()
    }

    /// Everything up to a mark of punctuation; what stands between `<` and `>` belongs to it.
    fn word(&mut self) -> String {
        let mut inside = false;
        let end = self.rest.find(|c: char| {
            inside = (inside || c == '<') && c != '>';
            !inside && (c.is_whitespace() || ",:(){}[]".contains(c))
        });
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    /// The rest of a string behind its opening quote, without Rust's escapes.
    fn quoted(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(bytes);
                }
                '\\' => match chars.next().map(|(_, escape)| escape) {
                    Some('n') => bytes.push(b'\n'),
                    Some('r') => bytes.push(b'\r'),
                    Some('t') => bytes.push(b'\t'),
                    Some('0') => bytes.push(0),
                    Some('x') => {
                        let digits: String = chars.by_ref().take(2).map(|(_, digit)| digit).collect();
                        bytes.push(u8::from_str_radix(&digits, 16)?);
                    }
                    Some('u') => {
                        let digits = chars
                            .by_ref()
                            .map(|(_, digit)| digit)
                            .skip(1)
                            .take_while(|digit| *digit != '}');
                        let code = u32::from_str_radix(&digits.collect::<String>(), 16)?;
                        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                        bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    }
                    Some(other) => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
                    None => break,
                },
                c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        bail!("a string without an end")
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, expected: &str) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debug_prints_is_read_and_written_back() {
        #[derive(Debug)]
        #[allow(dead_code, reason = "only its text is read")]
        struct Answer {
            name: Option<&'static str>,
            none: Option<i32>,
            list: Vec<(i32,)>,
            records: bytes::Bytes,
        }
        let answer = Answer {
            name: Some("a\"\n\u{1}é"),
            none: None,
            list: vec![(1,), (-2,)],
            records: bytes::Bytes::from_static(b"\x00x\xff\""),
        };
        let tree = Tree::parse(&format!("{answer:?}")).unwrap();
        let text = r#"{name: "a\"\n\u{1}é", none: null, list: [(1,), (-2,)], records: b"\0x\xff\""}"#;
        let expected = text.replace("(1,)", "1").replace("(-2,)", "-2");
        assert_eq!(tree.to_string(), expected);
        assert_eq!(Tree::parse(&expected).unwrap(), tree);
    }

    #[test]
    fn stand_ins_are_one_word() {
        let text = "{a: <text>, b: [<member 1>, nil]}";
        assert_eq!(Tree::parse(text).unwrap().to_string(), text);
    }
}
