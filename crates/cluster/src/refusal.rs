//! A "no" with its reason: an error code of the protocol and a message that names what was wrong.

use ottla_model::ErrorCode;

/// Why one item of a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Kafka's number for it.
    pub code: ErrorCode,
    /// What was wrong, in words for the person behind the client.
    pub message: String,
}

impl Refusal {
    /// A refusal with this code and message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            message: message.into(),
        }
    }

    /// The request itself makes no sense.
    pub fn invalid_request(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::InvalidRequest, message)
    }

    /// A config name or value is wrong.
    pub fn invalid_config(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::InvalidConfig, message)
    }

    pub(crate) fn unknown_topic() -> Refusal {
        Refusal::new(
            ErrorCode::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        )
    }

    pub(crate) fn unknown_topic_id() -> Refusal {
        Refusal::new(ErrorCode::UnknownTopicId, "This server does not host this topic ID.")
    }
}
