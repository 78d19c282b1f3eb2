//! The small language shapes are written in.

/// One field of a message, in the order of the wire; tagged ones stand last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// The name crate `kafka-protocol` gives it.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_nullable: bool,
    /// The first version that has it.
    pub(crate) first: i16,
    /// The last version that has it.
    pub(crate) last: i16,
    /// Its tag, if it travels among the tagged fields of flexible versions.
    pub(crate) tag: Option<u32>,
}

/// How a field is laid out. Lengths and counts are compact in flexible versions, else fixed integers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// So many bytes, always.
    Fixed(usize),
    /// UTF-8 with a length (16 bits where not compact).
    Text,
    /// Bytes or records with a length (32 bits where not compact).
    Bytes,
    /// A count (32 bits where not compact), then so many fields of so many bytes.
    FixedList(usize),
    /// A count, then so many strings.
    TextList,
    /// A count, then so many structures.
    Each(&'static [Field]),
    /// One structure. A nullable one has a byte in front: 1, or -1 for null.
    One(&'static [Field]),
}

pub(super) const BOOL: Kind = Kind::Fixed(1);
pub(super) const I8: Kind = Kind::Fixed(1);
pub(super) const I16: Kind = Kind::Fixed(2);
pub(super) const I32: Kind = Kind::Fixed(4);
pub(super) const I64: Kind = Kind::Fixed(8);
pub(super) const UUID: Kind = Kind::Fixed(16);
pub(super) const TEXT: Kind = Kind::Text;
pub(super) const BYTES: Kind = Kind::Bytes;

pub(super) const fn list(element: Kind) -> Kind {
    match element {
        Kind::Fixed(bytes) => Kind::FixedList(bytes),
        Kind::Text => Kind::TextList,
        _ => panic!("lists hold numbers or strings; structures have `each`"),
    }
}

pub(super) const fn each(fields: &'static [Field]) -> Kind {
    Kind::Each(fields)
}

pub(super) const fn one(fields: &'static [Field]) -> Kind {
    Kind::One(fields)
}

pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        is_nullable: false,
        first: 0,
        last: i16::MAX,
        tag: None,
    }
}

impl Field {
    /// It may be null.
    pub(super) const fn or_null(mut self) -> Field {
        self.is_nullable = true;
        self
    }

    /// It exists from `version` on.
    pub(super) const fn from(mut self, version: i16) -> Field {
        self.first = version;
        self
    }

    /// It exists up to `version`.
    pub(super) const fn until(mut self, version: i16) -> Field {
        self.last = version;
        self
    }

    /// It is optional and travels under `tag`.
    pub(super) const fn tag(mut self, tag: u32) -> Field {
        self.tag = Some(tag);
        self
    }

    /// Whether messages of `version` have it.
    pub(crate) const fn is_in(&self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}
