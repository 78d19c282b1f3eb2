//! What can go wrong between a client and its brokers. Every message says which broker and which API.

use std::io;
use std::time::Duration;

use ottla_model::ErrorCode;
use ottla_wire::{Api, DecodeFault, Versions};

/// The result of nearly everything here.
pub type Result<T> = std::result::Result<T, ClientError>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection can be made.
    #[error("cannot connect to {broker}: {source}")]
    Connect {
        /// The address.
        broker: String,
        /// Why.
        source: io::Error,
    },
    /// None of the bootstrap addresses answers.
    #[error("no broker of {tried} answers: {last}")]
    Bootstrap {
        /// The addresses.
        tried: String,
        /// What the last one failed with.
        last: Box<ClientError>,
    },
    /// The connection went away before the answer came. Whether the request was carried out is unknown.
    #[error("{broker} closed the connection before it answered {api}")]
    Disconnected {
        /// The address.
        broker: String,
        /// What was asked.
        api: Api,
    },
    /// No answer in time. Whether the request was carried out is unknown.
    #[error("{broker} did not answer {api} within {} ms", after.as_millis())]
    TimedOut {
        /// The address.
        broker: String,
        /// What was asked.
        api: Api,
        /// How long was waited.
        after: Duration,
    },
    /// Client and broker have no version of an API in common.
    #[error("{broker} speaks {api} in {}, this client in {}", theirs.map_or("no version".to_owned(), |range| range.to_string()), api.handled())]
    Version {
        /// The address.
        broker: String,
        /// What was to be asked.
        api: Api,
        /// What the broker speaks.
        theirs: Option<Versions>,
    },
    /// A request that cannot be expressed in the version both speak.
    #[error("cannot ask {broker} for {api}, version {version}: {what}")]
    Unencodable {
        /// The address.
        broker: String,
        /// What was to be asked.
        api: Api,
        /// In which version.
        version: i16,
        /// What does not fit.
        what: String,
    },
    /// An answer that is not what its version says.
    #[error("{broker} answered with a {fault}")]
    Malformed {
        /// The address.
        broker: String,
        /// What is wrong with it.
        fault: DecodeFault,
    },
    /// An answer that says no.
    #[error("{broker} answered {api}{} with {}{}", about(subject), code.name(), colon(message))]
    Refused {
        /// The address.
        broker: String,
        /// What was asked.
        api: Api,
        /// What it was about, such as a topic; may be empty.
        subject: String,
        /// Kafka's error.
        code: ErrorCode,
        /// What the broker says about it, if anything.
        message: Option<String>,
    },
    /// An answer that leaves out what was asked for.
    #[error("{broker} answered {api} without {subject}")]
    Missing {
        /// The address.
        broker: String,
        /// What was asked.
        api: Api,
        /// What is not in it.
        subject: String,
    },
    /// The batch that a record was in could not be delivered; all records of it share the reason.
    #[error("{0}")]
    Undelivered(std::sync::Arc<ClientError>),
    /// A record that can never be sent.
    #[error("a record of {bytes} bytes is above the limit of {bytes_max}")]
    RecordTooLarge {
        /// Its size as encoded.
        bytes: usize,
        /// The producer's limit.
        bytes_max: usize,
    },
    /// Records that cannot be read.
    #[error("damaged records in {partition} at offset {offset}: {what}")]
    DamagedRecords {
        /// Where.
        partition: String,
        /// The first offset of the batch.
        offset: i64,
        /// What is wrong.
        what: String,
    },
    /// The position of a partition has no records any more, or not yet, and no reset is configured.
    #[error("{partition}: offset {offset} is out of range and auto.offset.reset is none")]
    OutOfRange {
        /// Where.
        partition: String,
        /// The position; -1 if there is none.
        offset: i64,
    },
    /// The producer or consumer was closed, or its task died.
    #[error("{0} is closed")]
    Closed(&'static str),
    /// A call that makes no sense as it was made.
    #[error("{0}")]
    Misuse(String),
}

impl ClientError {
    /// Kafka's error code, if a broker answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { code, .. } => Some(*code),
            ClientError::Undelivered(reason) => reason.code(),
            _ => None,
        }
    }

    /// Whether the same call may succeed a little later.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::Connect { .. }
            | ClientError::Bootstrap { .. }
            | ClientError::Disconnected { .. }
            | ClientError::TimedOut { .. } => true,
            ClientError::Refused { code, .. } => is_retriable(*code),
            ClientError::Undelivered(reason) => reason.is_retriable(),
            _ => false,
        }
    }
}

/// Whether Kafka's clients try again after this answer.
pub fn is_retriable(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::RequestTimedOut
            | ErrorCode::BrokerNotAvailable
            | ErrorCode::ReplicaNotAvailable
            | ErrorCode::NetworkException
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::NotEnoughReplicas
            | ErrorCode::NotEnoughReplicasAfterAppend
            | ErrorCode::NotController
            | ErrorCode::KafkaStorageError
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::OffsetNotAvailable
            | ErrorCode::UnstableOffsetCommit
            | ErrorCode::ThrottlingQuotaExceeded
            | ErrorCode::FetchSessionIdNotFound
            | ErrorCode::InvalidFetchSessionEpoch
    )
}

/// The code with this number. One that this client does not know counts as UNKNOWN_SERVER_ERROR.
pub(crate) fn code_of(number: i16) -> ErrorCode {
    ErrorCode::from_number(number).unwrap_or(ErrorCode::UnknownServerError)
}

fn about(subject: &str) -> String {
    if subject.is_empty() {
        String::new()
    } else {
        format!(" for {subject}")
    }
}

fn colon(message: &Option<String>) -> String {
    message.as_deref().map_or(String::new(), |text| format!(": {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_broker_api_and_kafkas_error() {
        let error = ClientError::Refused {
            broker: "127.0.0.1:9092".into(),
            api: Api::CreateTopics,
            subject: "topic orders".into(),
            code: ErrorCode::TopicAlreadyExists,
            message: Some("it is there".into()),
        };
        let text = "127.0.0.1:9092 answered CreateTopics for topic orders with TOPIC_ALREADY_EXISTS: it is there";
        assert_eq!(error.to_string(), text);
        assert!(!error.is_retriable());
    }
}
