//! Names given by people and clients.

use std::fmt;
use std::sync::Arc;

use crate::PartitionIndex;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<Arc<str>>) -> $name {
                $name(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

name! {
    /// The name of a topic. Not every text is a legal one: see [`TopicName::check`].
    TopicName
}
name! {
    /// The name of a consumer group; any text, and for some requests even the empty one.
    GroupId
}
name! {
    /// The name the coordinator gave a member (`clientId-uuid` or `instanceId-uuid`). Empty before it has one.
    MemberId
}

name! {
    /// The name an application gives its transactional producer (`transactional.id`), so that its next instance can fence
    /// this one (KIP-98).
    TransactionalId
}

/// Why a text cannot be a topic's name (Kafka's `Topic.validate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicNameFault {
    /// The text is empty.
    #[error("the empty string is not allowed")]
    Empty,
    /// The text is `.` or `..`.
    #[error("'.' and '..' are not allowed")]
    Dots,
    /// The text is longer than [`TopicName::LENGTH_MAX`].
    #[error("the length is above {} characters", TopicName::LENGTH_MAX)]
    TooLong,
    /// The text has a character outside `[a-zA-Z0-9._-]`.
    #[error("a character other than ASCII alphanumerics, '.', '_' and '-' is used")]
    IllegalCharacter,
}

impl TopicName {
    /// The longest legal name, in characters: with a partition number it must still be a file name.
    pub const LENGTH_MAX: usize = 249;

    /// Whether `text` may name a topic.
    pub fn check(text: &str) -> Result<(), TopicNameFault> {
        match text {
            "" => Err(TopicNameFault::Empty),
            "." | ".." => Err(TopicNameFault::Dots),
            _ if text.len() > TopicName::LENGTH_MAX => Err(TopicNameFault::TooLong),
            _ if !text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) =>
            {
                Err(TopicNameFault::IllegalCharacter)
            }
            _ => Ok(()),
        }
    }
}

/// A partition by its topic's name: how commits and assignments speak of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The number within the topic.
    pub index: PartitionIndex,
}

impl TopicPartition {
    /// The partition `index` of `topic`.
    pub fn new(topic: impl Into<TopicName>, index: i32) -> TopicPartition {
        TopicPartition {
            topic: topic.into(),
            index: PartitionIndex(index),
        }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kafkas_names_are_legal() {
        assert_eq!(TopicName::check("orders.v1_eu-west"), Ok(()));
        assert_eq!(TopicName::check(&"x".repeat(249)), Ok(()));
        assert_eq!(TopicName::check(&"x".repeat(250)), Err(TopicNameFault::TooLong));
        assert_eq!(TopicName::check(""), Err(TopicNameFault::Empty));
        assert_eq!(TopicName::check(".."), Err(TopicNameFault::Dots));
        assert_eq!(TopicName::check("a b"), Err(TopicNameFault::IllegalCharacter));
        assert_eq!(TopicName::check("größe"), Err(TopicNameFault::IllegalCharacter));
    }
}
