//! A client's errors as sentences that say what to try.

use std::io::ErrorKind;

use ottla_client::ClientError;
use ottla_model::ErrorCode;

use crate::exit::Failure;

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::failed(explain(&error))
    }
}

/// The sentence for an error.
pub(crate) fn explain(error: &ClientError) -> String {
    match error {
        ClientError::Bootstrap { tried, last } => unreachable_broker(tried, last),
        ClientError::Undelivered(reason) => explain(reason),
        ClientError::Refused {
            code, subject, message, ..
        } => refused(*code, subject, message.as_deref()),
        other => other.to_string(),
    }
}

fn unreachable_broker(tried: &str, last: &ClientError) -> String {
    match last {
        ClientError::Connect { source, .. } if source.kind() == ErrorKind::ConnectionRefused => format!(
            "nothing listens at {tried} (connection refused). Start a broker with `ottla serve`, or say where one is \
             with --bootstrap HOST:PORT or OTTLA_BOOTSTRAP"
        ),
        ClientError::Connect { source, .. } => format!(
            "cannot reach {tried}: {source}. Is the address right? Another is given with --bootstrap HOST:PORT or \
             OTTLA_BOOTSTRAP"
        ),
        other => format!("{tried} does not answer as a broker does: {other}"),
    }
}

/// The broker's own words if it has any, and always Kafka's name for the error, to search for.
fn refused(code: ErrorCode, subject: &str, message: Option<&str>) -> String {
    let words = message.unwrap_or(match code {
        ErrorCode::TopicAlreadyExists => "it exists already",
        ErrorCode::NonEmptyGroup => "it has members",
        ErrorCode::GroupIdNotFound => "it does not exist",
        ErrorCode::UnknownTopicOrPartition => "it does not exist",
        _ => "the broker refused",
    });
    match subject {
        "" => format!("{words} ({})", code.name()),
        subject => format!("{subject}: {words} ({})", code.name()),
    }
}
