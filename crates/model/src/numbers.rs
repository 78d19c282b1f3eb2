//! Numbers that must not be mistaken for one another.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $repr);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The position of a record in its partition; the first is 0. An *end* offset is the offset the next record will get.
    Offset(i64)
}
number! {
    /// How often a partition changed its leader; stamped into every batch. -1 means unknown.
    LeaderEpoch(i32)
}
number! {
    /// The number of a partition within its topic, from 0.
    PartitionIndex(i32)
}
number! {
    /// The generation of a classic group: one more at every completed rebalance. The first is 1; -1 means none.
    Generation(i32)
}
number! {
    /// The id of an idempotent or transactional producer. -1 means the producer is neither.
    ProducerId(i64)
}
number! {
    /// How often a producer id was taken over; an older epoch is fenced (KIP-98). -1 means none.
    ProducerEpoch(i16)
}
number! {
    /// Milliseconds: a point in time since the Unix epoch, or a span between two such points.
    Millis(i64)
}

impl Offset {
    /// The first offset of every partition.
    pub const ZERO: Offset = Offset(0);

    /// The offset `count` records further on.
    pub const fn plus(self, count: i64) -> Offset {
        Offset(self.0 + count)
    }

    /// The offset of the next record.
    pub const fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

impl Generation {
    /// What a client says that belongs to no generation.
    pub const NONE: Generation = Generation(-1);
}

impl LeaderEpoch {
    /// No epoch is known.
    pub const UNKNOWN: LeaderEpoch = LeaderEpoch(-1);
}

impl ProducerId {
    /// The producer is neither idempotent nor transactional.
    pub const NONE: ProducerId = ProducerId(-1);
}

impl Millis {
    /// The point `span` later.
    pub const fn plus(self, span: Millis) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }

    /// The span since `earlier`; negative if `earlier` is later.
    pub const fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}
