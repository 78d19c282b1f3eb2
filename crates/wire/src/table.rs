//! The table: every API that Ottla speaks, in which versions.
//!
//! This is the only place that says so. A version is in `handled` if the Kafka of today (4.3) accepts it and crate
//! `kafka-protocol` can decode it; only what is implemented may stand here, for every row is advertised.

/// A range of versions of one API, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub min: i16,
    /// The newest.
    pub max: i16,
}

impl Versions {
    /// Whether `version` is one of them.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// The newest version in both ranges; `None` if they do not meet.
    pub fn newest_in_common(self, other: Versions) -> Option<i16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }

    /// All of them, oldest first.
    pub fn iter(self) -> impl Iterator<Item = i16> + use<> {
        self.min..=self.max
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// What the table says of one API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The API.
    pub api: Api,
    /// Its number on the wire.
    pub key: i16,
    /// Kafka's name for it, such as `OffsetCommit`.
    pub name: &'static str,
    /// The versions that are answered.
    pub handled: Versions,
    /// The versions named in ApiVersions answers. Differs from `handled` for Produce alone (KAFKA-18659).
    pub advertised: Versions,
    /// The first version with compact lengths and tagged fields (KIP-482); `None` if there is none yet.
    pub flexible_from: Option<i16>,
}

macro_rules! table {
    ($($key:literal $api:ident $min:literal..=$max:literal $(advertised $amin:literal..=$amax:literal)? $(flexible $flexible:literal)?;)*) => {
        /// A kind of request, numbered as on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        #[allow(missing_docs, reason = "the names are Kafka's own and say what they mean")]
        pub enum Api {
            $($api = $key,)*
        }

        impl Api {
            /// The API with this number; `None` if Ottla does not speak it.
            pub const fn from_key(key: i16) -> Option<Api> {
                match key {
                    $($key => Some(Api::$api),)*
                    _ => None,
                }
            }

            /// The row of this API in [`TABLE`].
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Api::$api => const {
                        &Row {
                            api: Api::$api,
                            key: $key,
                            name: stringify!($api),
                            handled: Versions { min: $min, max: $max },
                            advertised: first(&[$(Versions { min: $amin, max: $amax },)? Versions { min: $min, max: $max }]),
                            flexible_from: first(&[$(Some($flexible),)? None]),
                        }
                    },)*
                }
            }
        }

        /// Every API that is spoken, by rising key.
        pub const TABLE: &[&Row] = &[$(Api::$api.row(),)*];
    };
}

table! {
    0 Produce 3..=13 advertised 0..=13 flexible 9;
    1 Fetch 4..=18 flexible 12;
    2 ListOffsets 1..=10 flexible 6;
    3 Metadata 0..=13 flexible 9;
    8 OffsetCommit 2..=9 flexible 8;
    9 OffsetFetch 1..=9 flexible 6;
    10 FindCoordinator 0..=6 flexible 3;
    11 JoinGroup 0..=9 flexible 6;
    12 Heartbeat 0..=4 flexible 4;
    13 LeaveGroup 0..=5 flexible 4;
    14 SyncGroup 0..=5 flexible 4;
    15 DescribeGroups 0..=6 flexible 5;
    16 ListGroups 0..=5 flexible 3;
    18 ApiVersions 0..=4 flexible 3;
    19 CreateTopics 2..=7 flexible 5;
    20 DeleteTopics 1..=6 flexible 4;
    21 DeleteRecords 0..=2 flexible 2;
    22 InitProducerId 0..=5 flexible 2;
    23 OffsetForLeaderEpoch 2..=4 flexible 4;
    24 AddPartitionsToTxn 0..=5 flexible 3;
    25 AddOffsetsToTxn 0..=4 flexible 3;
    26 EndTxn 0..=5 flexible 3;
    27 WriteTxnMarkers 1..=1 flexible 1;
    28 TxnOffsetCommit 0..=5 flexible 3;
    32 DescribeConfigs 1..=4 flexible 4;
    33 AlterConfigs 0..=2 flexible 2;
    35 DescribeLogDirs 1..=4 flexible 2;
    37 CreatePartitions 0..=3 flexible 2;
    42 DeleteGroups 0..=2 flexible 2;
    44 IncrementalAlterConfigs 0..=1 flexible 1;
    47 OffsetDelete 0..=0;
    60 DescribeCluster 0..=2 flexible 0;
    61 DescribeProducers 0..=0 flexible 0;
    65 DescribeTransactions 0..=0 flexible 0;
    66 ListTransactions 0..=2 flexible 0;
    75 DescribeTopicPartitions 0..=0 flexible 0;
}

impl Api {
    /// The number on the wire.
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Kafka's name, such as `OffsetCommit`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The versions that are answered.
    pub const fn handled(self) -> Versions {
        self.row().handled
    }

    /// Whether messages of `version` have compact lengths and tagged fields (KIP-482).
    pub const fn is_flexible(self, version: i16) -> bool {
        match self.row().flexible_from {
            Some(first) => version >= first,
            None => false,
        }
    }

    /// The version of the header in front of a request: 2 (tagged fields) if flexible, else 1.
    pub const fn header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header in front of an answer: 1 (tagged fields) if flexible, else 0. Answers to ApiVersions
    /// always have 0, for the client that reads them does not know yet what the broker speaks (KIP-511).
    pub const fn response_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) && !matches!(self, Api::ApiVersions) {
            1
        } else {
            0
        }
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

const fn first<T: Copy>(choices: &[T]) -> T {
    choices[0]
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::ApiKey;
    use kafka_protocol::protocol::VersionRange;

    use super::*;

    #[test]
    fn keys_rise_and_name_their_rows() {
        assert!(TABLE.is_sorted_by_key(|row| row.key));
        for row in TABLE {
            assert_eq!(Api::from_key(row.key), Some(row.api));
            assert_eq!(*row, row.api.row());
        }
        assert_eq!(Api::from_key(4), None);
        assert_eq!(Api::from_key(-1), None);
    }

    #[test]
    fn every_version_can_be_decoded_and_has_the_header_kafka_gives_it() {
        for row in TABLE {
            let theirs = ApiKey::try_from(row.key).unwrap();
            let VersionRange { min, max } = theirs.valid_versions();
            assert!(min <= row.handled.min && row.handled.max <= max, "{}", row.name);
            for version in row.handled.iter() {
                let (ours, theirs) = (row.api.header_version(version), theirs.request_header_version(version));
                assert_eq!(ours, theirs, "{} v{version}", row.name);
                let theirs = ApiKey::try_from(row.key).unwrap().response_header_version(version);
                assert_eq!(
                    row.api.response_header_version(version),
                    theirs,
                    "{} v{version}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn produce_is_advertised_from_zero_but_refused_below_three() {
        let row = Api::Produce.row();
        assert_eq!(row.advertised, Versions { min: 0, max: 13 });
        assert_eq!(row.handled, Versions { min: 3, max: 13 });
        for row in TABLE.iter().filter(|row| row.api != Api::Produce) {
            assert_eq!(row.advertised, row.handled, "{}", row.name);
        }
    }

    #[test]
    fn ranges_meet_at_the_newest_common_version() {
        let range = |min, max| Versions { min, max };
        assert_eq!(range(0, 5).newest_in_common(range(3, 9)), Some(5));
        assert_eq!(range(0, 2).newest_in_common(range(3, 9)), None);
    }
}
