//! The guard: is a body well-formed, before anything is allocated for it?
//!
//! Crate `kafka-protocol` reserves memory for as many array elements as a message declares, so four hostile bytes could
//! end the process. The guard walks a body by its shape, allocates nothing, and checks each length and count against
//! the bytes that are left; what passes is decoded with memory in proportion to its size.

use crate::shape::{self, Field, Kind};
use crate::table::Api;
use crate::varint;

/// The most array elements and tagged fields one message may hold, all arrays of it together. (Kafka 4.4 allows as many
/// in each array.)
pub const ELEMENTS_MAX: usize = 1_000_000;

/// The most tagged fields in one section, as in Kafka 4.4.
pub const TAGGED_FIELDS_MAX: usize = 10_000;

/// Checks the body of a request: every field there, every length and count within the bytes that are left, the limits
/// kept. Returns how many bytes the message takes; what is behind it Kafka ignores (seen on 4.3.1), and so must others.
pub fn check(api: Api, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    walk(shape::request(api), api, version, body)
}

/// Checks the body of an answer, as [`check`] does that of a request.
pub fn check_response(api: Api, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    walk(shape::response(api), api, version, body)
}

/// Where and how a body is not what its version says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` at byte {at}: {what}")]
pub struct Malformed {
    /// The field, as crate `kafka-protocol` names it.
    pub field: &'static str,
    /// The position in the body at which the field's trouble begins.
    pub at: usize,
    /// What is wrong with it.
    pub what: Flaw,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The body ends too early.
    #[error("{needed} bytes are needed, {remaining} are left")]
    Cut {
        /// What the field needs.
        needed: usize,
        /// What is there.
        remaining: usize,
    },
    /// A length or count below zero that does not mean null.
    #[error("a length of {0}")]
    Negative(i32),
    /// A variable-length integer without an end, or above 32 bits.
    #[error("an endless variable-length integer")]
    Varint,
    /// Null where the protocol has none.
    #[error("null is not allowed")]
    Null,
    /// A string above 32,767 bytes.
    #[error("a string of {0} bytes is above the limit of 32767")]
    Text(usize),
    /// A byte that says neither "null" nor "here it is".
    #[error("{0} is neither present (1) nor null (-1)")]
    Presence(i8),
    /// More elements than bytes, or than [`ELEMENTS_MAX`].
    #[error("{declared} elements, at most {allowed} are possible here")]
    Elements {
        /// The count as declared.
        declared: usize,
        /// How many could still be.
        allowed: usize,
    },
    /// More tagged fields than bytes, or than [`TAGGED_FIELDS_MAX`].
    #[error("{declared} tagged fields, at most {allowed} are possible here")]
    TaggedFields {
        /// The count as declared.
        declared: usize,
        /// How many could still be.
        allowed: usize,
    },
    /// A tagged field is shorter or longer than its own size says.
    #[error("a tagged field declares {declared} bytes and has {actual}")]
    TaggedSize {
        /// The size as declared.
        declared: usize,
        /// The size of what is there.
        actual: usize,
    },
}

fn walk(fields: &'static [Field], api: Api, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    let mut walker = Walker {
        body,
        at: 0,
        version,
        is_flexible: api.is_flexible(version),
        elements_left: ELEMENTS_MAX,
        field: "body",
    };
    match walker.structure(fields) {
        Err(what) => Err(walker.malformed(what)),
        Ok(()) => Ok(walker.at),
    }
}

struct Walker<'a> {
    body: &'a [u8],
    at: usize,
    version: i16,
    is_flexible: bool,
    elements_left: usize,
    /// The field under way, for the error.
    field: &'static str,
}

impl Walker<'_> {
    fn structure(&mut self, fields: &'static [Field]) -> Result<(), Flaw> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.value(field)?;
            }
        }
        if self.is_flexible {
            self.tagged_fields(fields)?;
        }
        Ok(())
    }

    fn value(&mut self, field: &'static Field) -> Result<(), Flaw> {
        self.field = field.name;
        match field.kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => self.text(field.is_nullable),
            Kind::Bytes => match self.length_32(field.is_nullable)? {
                Some(length) => self.skip(length),
                None => Ok(()),
            },
            Kind::FixedList(bytes) => {
                let count = self.count(field.is_nullable)?;
                self.skip(count * bytes)
            }
            Kind::TextList => {
                for _ in 0..self.count(field.is_nullable)? {
                    self.text(false)?;
                }
                Ok(())
            }
            Kind::Each(fields) => {
                for _ in 0..self.count(field.is_nullable)? {
                    self.structure(fields)?;
                }
                Ok(())
            }
            Kind::One(fields) if field.is_nullable => match self.byte()? as i8 {
                1 => self.structure(fields),
                -1 => Ok(()),
                other => Err(Flaw::Presence(other)),
            },
            Kind::One(fields) => self.structure(fields),
        }
    }

    fn text(&mut self, is_nullable: bool) -> Result<(), Flaw> {
        let length = if self.is_flexible {
            self.compact_length(is_nullable)?
        } else {
            let declared = i16::from_be_bytes(self.array()?);
            fixed_length(i32::from(declared), is_nullable)?
        };
        match length {
            Some(length) if length > i16::MAX as usize => Err(Flaw::Text(length)),
            Some(length) => self.skip(length),
            None => Ok(()),
        }
    }

    fn count(&mut self, is_nullable: bool) -> Result<usize, Flaw> {
        let declared = self.length_32(is_nullable)?.unwrap_or(0);
        // Every element has a byte at least.
        let allowed = self.remaining().min(self.elements_left);
        if declared > allowed {
            return Err(Flaw::Elements { declared, allowed });
        }
        self.elements_left -= declared;
        Ok(declared)
    }

    fn tagged_fields(&mut self, fields: &'static [Field]) -> Result<(), Flaw> {
        self.field = "tagged fields";
        let declared = self.varint()? as usize;
        let allowed = TAGGED_FIELDS_MAX
            .min(self.remaining() / TAGGED_FIELD_BYTES_MIN)
            .min(self.elements_left);
        if declared > allowed {
            return Err(Flaw::TaggedFields { declared, allowed });
        }
        self.elements_left -= declared;
        for _ in 0..declared {
            self.tagged_field(fields)?;
        }
        Ok(())
    }

    fn tagged_field(&mut self, fields: &'static [Field]) -> Result<(), Flaw> {
        self.field = "tagged fields";
        let tag = self.varint()?;
        let size = self.varint()? as usize;
        let known = |field: &&Field| field.tag == Some(tag) && field.is_in(self.version);
        let Some(field) = fields.iter().find(known) else {
            return self.skip(size);
        };
        let start = self.at;
        self.value(field)?;
        let actual = self.at - start;
        if actual != size {
            self.field = field.name;
            return Err(Flaw::TaggedSize { declared: size, actual });
        }
        Ok(())
    }

    fn length_32(&mut self, is_nullable: bool) -> Result<Option<usize>, Flaw> {
        if self.is_flexible {
            self.compact_length(is_nullable)
        } else {
            fixed_length(i32::from_be_bytes(self.array()?), is_nullable)
        }
    }

    fn compact_length(&mut self, is_nullable: bool) -> Result<Option<usize>, Flaw> {
        match self.varint()?.checked_sub(1) {
            Some(length) => Ok(Some(length as usize)),
            None if is_nullable => Ok(None),
            None => Err(Flaw::Null),
        }
    }

    fn varint(&mut self) -> Result<u32, Flaw> {
        let (value, used) = varint::read(&self.body[self.at..]).ok_or(Flaw::Varint)?;
        self.at += used;
        Ok(value)
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        match self.body[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.cut(N)),
        }
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Flaw> {
        if bytes > self.remaining() {
            return Err(self.cut(bytes));
        }
        self.at += bytes;
        Ok(())
    }

    fn cut(&self, needed: usize) -> Flaw {
        Flaw::Cut {
            needed,
            remaining: self.remaining(),
        }
    }

    fn remaining(&self) -> usize {
        self.body.len() - self.at
    }

    fn malformed(&self, what: Flaw) -> Malformed {
        Malformed {
            field: self.field,
            at: self.at,
            what,
        }
    }
}

fn fixed_length(declared: i32, is_nullable: bool) -> Result<Option<usize>, Flaw> {
    match usize::try_from(declared) {
        Ok(length) => Ok(Some(length)),
        Err(_) if declared == -1 && is_nullable => Ok(None),
        Err(_) if declared == -1 => Err(Flaw::Null),
        Err(_) => Err(Flaw::Negative(declared)),
    }
}

/// A tag and a size.
const TAGGED_FIELD_BYTES_MIN: usize = 2;

#[cfg(test)]
mod tests;
