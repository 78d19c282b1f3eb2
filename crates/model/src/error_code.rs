//! The answers the protocol defines for "no": Kafka's error numbers and names.
//!
//! A fault of our own (I/O, corruption) is never an `ErrorCode`; it is mapped to one at the handler, once.

macro_rules! error_codes {
    ($($number:literal $name:literal $variant:ident,)*) => {
        /// A Kafka error code, named and numbered as in Kafka's `Errors`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i16)]
        #[allow(missing_docs, reason = "the names are Kafka's own and say what they mean")]
        pub enum ErrorCode {
            $($variant = $number,)*
        }

        impl ErrorCode {
            /// Every code known here, in numerical order.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// Kafka's own name, such as `UNKNOWN_MEMBER_ID`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// The code with this number; `None` for a number this version of the protocol does not define.
            pub const fn from_number(number: i16) -> Option<ErrorCode> {
                match number {
                    $($number => Some(ErrorCode::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    -1 "UNKNOWN_SERVER_ERROR" UnknownServerError,
    0 "NONE" None,
    1 "OFFSET_OUT_OF_RANGE" OffsetOutOfRange,
    2 "CORRUPT_MESSAGE" CorruptMessage,
    3 "UNKNOWN_TOPIC_OR_PARTITION" UnknownTopicOrPartition,
    4 "INVALID_FETCH_SIZE" InvalidFetchSize,
    5 "LEADER_NOT_AVAILABLE" LeaderNotAvailable,
    6 "NOT_LEADER_OR_FOLLOWER" NotLeaderOrFollower,
    7 "REQUEST_TIMED_OUT" RequestTimedOut,
    8 "BROKER_NOT_AVAILABLE" BrokerNotAvailable,
    9 "REPLICA_NOT_AVAILABLE" ReplicaNotAvailable,
    10 "MESSAGE_TOO_LARGE" MessageTooLarge,
    11 "STALE_CONTROLLER_EPOCH" StaleControllerEpoch,
    12 "OFFSET_METADATA_TOO_LARGE" OffsetMetadataTooLarge,
    13 "NETWORK_EXCEPTION" NetworkException,
    14 "COORDINATOR_LOAD_IN_PROGRESS" CoordinatorLoadInProgress,
    15 "COORDINATOR_NOT_AVAILABLE" CoordinatorNotAvailable,
    16 "NOT_COORDINATOR" NotCoordinator,
    17 "INVALID_TOPIC_EXCEPTION" InvalidTopicException,
    18 "RECORD_LIST_TOO_LARGE" RecordListTooLarge,
    19 "NOT_ENOUGH_REPLICAS" NotEnoughReplicas,
    20 "NOT_ENOUGH_REPLICAS_AFTER_APPEND" NotEnoughReplicasAfterAppend,
    21 "INVALID_REQUIRED_ACKS" InvalidRequiredAcks,
    22 "ILLEGAL_GENERATION" IllegalGeneration,
    23 "INCONSISTENT_GROUP_PROTOCOL" InconsistentGroupProtocol,
    24 "INVALID_GROUP_ID" InvalidGroupId,
    25 "UNKNOWN_MEMBER_ID" UnknownMemberId,
    26 "INVALID_SESSION_TIMEOUT" InvalidSessionTimeout,
    27 "REBALANCE_IN_PROGRESS" RebalanceInProgress,
    28 "INVALID_COMMIT_OFFSET_SIZE" InvalidCommitOffsetSize,
    29 "TOPIC_AUTHORIZATION_FAILED" TopicAuthorizationFailed,
    30 "GROUP_AUTHORIZATION_FAILED" GroupAuthorizationFailed,
    31 "CLUSTER_AUTHORIZATION_FAILED" ClusterAuthorizationFailed,
    32 "INVALID_TIMESTAMP" InvalidTimestamp,
    33 "UNSUPPORTED_SASL_MECHANISM" UnsupportedSaslMechanism,
    34 "ILLEGAL_SASL_STATE" IllegalSaslState,
    35 "UNSUPPORTED_VERSION" UnsupportedVersion,
    36 "TOPIC_ALREADY_EXISTS" TopicAlreadyExists,
    37 "INVALID_PARTITIONS" InvalidPartitions,
    38 "INVALID_REPLICATION_FACTOR" InvalidReplicationFactor,
    39 "INVALID_REPLICA_ASSIGNMENT" InvalidReplicaAssignment,
    40 "INVALID_CONFIG" InvalidConfig,
    41 "NOT_CONTROLLER" NotController,
    42 "INVALID_REQUEST" InvalidRequest,
    43 "UNSUPPORTED_FOR_MESSAGE_FORMAT" UnsupportedForMessageFormat,
    44 "POLICY_VIOLATION" PolicyViolation,
    45 "OUT_OF_ORDER_SEQUENCE_NUMBER" OutOfOrderSequenceNumber,
    46 "DUPLICATE_SEQUENCE_NUMBER" DuplicateSequenceNumber,
    47 "INVALID_PRODUCER_EPOCH" InvalidProducerEpoch,
    48 "INVALID_TXN_STATE" InvalidTxnState,
    49 "INVALID_PRODUCER_ID_MAPPING" InvalidProducerIdMapping,
    50 "INVALID_TRANSACTION_TIMEOUT" InvalidTransactionTimeout,
    51 "CONCURRENT_TRANSACTIONS" ConcurrentTransactions,
    52 "TRANSACTION_COORDINATOR_FENCED" TransactionCoordinatorFenced,
    53 "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" TransactionalIdAuthorizationFailed,
    54 "SECURITY_DISABLED" SecurityDisabled,
    55 "OPERATION_NOT_ATTEMPTED" OperationNotAttempted,
    56 "KAFKA_STORAGE_ERROR" KafkaStorageError,
    57 "LOG_DIR_NOT_FOUND" LogDirNotFound,
    58 "SASL_AUTHENTICATION_FAILED" SaslAuthenticationFailed,
    59 "UNKNOWN_PRODUCER_ID" UnknownProducerId,
    60 "REASSIGNMENT_IN_PROGRESS" ReassignmentInProgress,
    61 "DELEGATION_TOKEN_AUTH_DISABLED" DelegationTokenAuthDisabled,
    62 "DELEGATION_TOKEN_NOT_FOUND" DelegationTokenNotFound,
    63 "DELEGATION_TOKEN_OWNER_MISMATCH" DelegationTokenOwnerMismatch,
    64 "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" DelegationTokenRequestNotAllowed,
    65 "DELEGATION_TOKEN_AUTHORIZATION_FAILED" DelegationTokenAuthorizationFailed,
    66 "DELEGATION_TOKEN_EXPIRED" DelegationTokenExpired,
    67 "INVALID_PRINCIPAL_TYPE" InvalidPrincipalType,
    68 "NON_EMPTY_GROUP" NonEmptyGroup,
    69 "GROUP_ID_NOT_FOUND" GroupIdNotFound,
    70 "FETCH_SESSION_ID_NOT_FOUND" FetchSessionIdNotFound,
    71 "INVALID_FETCH_SESSION_EPOCH" InvalidFetchSessionEpoch,
    72 "LISTENER_NOT_FOUND" ListenerNotFound,
    73 "TOPIC_DELETION_DISABLED" TopicDeletionDisabled,
    74 "FENCED_LEADER_EPOCH" FencedLeaderEpoch,
    75 "UNKNOWN_LEADER_EPOCH" UnknownLeaderEpoch,
    76 "UNSUPPORTED_COMPRESSION_TYPE" UnsupportedCompressionType,
    77 "STALE_BROKER_EPOCH" StaleBrokerEpoch,
    78 "OFFSET_NOT_AVAILABLE" OffsetNotAvailable,
    79 "MEMBER_ID_REQUIRED" MemberIdRequired,
    80 "PREFERRED_LEADER_NOT_AVAILABLE" PreferredLeaderNotAvailable,
    81 "GROUP_MAX_SIZE_REACHED" GroupMaxSizeReached,
    82 "FENCED_INSTANCE_ID" FencedInstanceId,
    83 "ELIGIBLE_LEADERS_NOT_AVAILABLE" EligibleLeadersNotAvailable,
    84 "ELECTION_NOT_NEEDED" ElectionNotNeeded,
    85 "NO_REASSIGNMENT_IN_PROGRESS" NoReassignmentInProgress,
    86 "GROUP_SUBSCRIBED_TO_TOPIC" GroupSubscribedToTopic,
    87 "INVALID_RECORD" InvalidRecord,
    88 "UNSTABLE_OFFSET_COMMIT" UnstableOffsetCommit,
    89 "THROTTLING_QUOTA_EXCEEDED" ThrottlingQuotaExceeded,
    90 "PRODUCER_FENCED" ProducerFenced,
    91 "RESOURCE_NOT_FOUND" ResourceNotFound,
    92 "DUPLICATE_RESOURCE" DuplicateResource,
    93 "UNACCEPTABLE_CREDENTIAL" UnacceptableCredential,
    94 "INCONSISTENT_VOTER_SET" InconsistentVoterSet,
    95 "INVALID_UPDATE_VERSION" InvalidUpdateVersion,
    96 "FEATURE_UPDATE_FAILED" FeatureUpdateFailed,
    97 "PRINCIPAL_DESERIALIZATION_FAILURE" PrincipalDeserializationFailure,
    98 "SNAPSHOT_NOT_FOUND" SnapshotNotFound,
    99 "POSITION_OUT_OF_RANGE" PositionOutOfRange,
    100 "UNKNOWN_TOPIC_ID" UnknownTopicId,
    101 "DUPLICATE_BROKER_REGISTRATION" DuplicateBrokerRegistration,
    102 "BROKER_ID_NOT_REGISTERED" BrokerIdNotRegistered,
    103 "INCONSISTENT_TOPIC_ID" InconsistentTopicId,
    104 "INCONSISTENT_CLUSTER_ID" InconsistentClusterId,
    105 "TRANSACTIONAL_ID_NOT_FOUND" TransactionalIdNotFound,
    106 "FETCH_SESSION_TOPIC_ID_ERROR" FetchSessionTopicIdError,
    107 "INELIGIBLE_REPLICA" IneligibleReplica,
    108 "NEW_LEADER_ELECTED" NewLeaderElected,
    109 "OFFSET_MOVED_TO_TIERED_STORAGE" OffsetMovedToTieredStorage,
    110 "FENCED_MEMBER_EPOCH" FencedMemberEpoch,
    111 "UNRELEASED_INSTANCE_ID" UnreleasedInstanceId,
    112 "UNSUPPORTED_ASSIGNOR" UnsupportedAssignor,
    113 "STALE_MEMBER_EPOCH" StaleMemberEpoch,
    114 "MISMATCHED_ENDPOINT_TYPE" MismatchedEndpointType,
    115 "UNSUPPORTED_ENDPOINT_TYPE" UnsupportedEndpointType,
    116 "UNKNOWN_CONTROLLER_ID" UnknownControllerId,
    117 "UNKNOWN_SUBSCRIPTION_ID" UnknownSubscriptionId,
    118 "TELEMETRY_TOO_LARGE" TelemetryTooLarge,
    119 "INVALID_REGISTRATION" InvalidRegistration,
    120 "TRANSACTION_ABORTABLE" TransactionAbortable,
    121 "INVALID_RECORD_STATE" InvalidRecordState,
    122 "SHARE_SESSION_NOT_FOUND" ShareSessionNotFound,
    123 "INVALID_SHARE_SESSION_EPOCH" InvalidShareSessionEpoch,
    124 "FENCED_STATE_EPOCH" FencedStateEpoch,
    125 "INVALID_VOTER_KEY" InvalidVoterKey,
    126 "DUPLICATE_VOTER" DuplicateVoter,
    127 "VOTER_NOT_FOUND" VoterNotFound,
    128 "INVALID_REGULAR_EXPRESSION" InvalidRegularExpression,
    129 "REBOOTSTRAP_REQUIRED" RebootstrapRequired,
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn number(self) -> i16 {
        self as i16
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_inverse() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_number(code.number()), Some(*code));
        }
        assert_eq!(ErrorCode::from_number(32_000), None);
    }
}
