//! Who a client is, as it says itself.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// `group.instance.id` (KIP-345): a name that outlives the process, so that its restart moves no work.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(Arc<str>);

impl InstanceId {
    /// Takes the text as it is; Kafka checks nothing about it.
    pub fn new(text: impl Into<Arc<str>>) -> InstanceId {
        InstanceId(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for InstanceId {
    fn from(text: &str) -> InstanceId {
        InstanceId(text.into())
    }
}

impl Borrow<str> for InstanceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The process behind a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client.id` of the request; empty if it had none.
    pub id: Arc<str>,
    /// Where it came from, as Java writes an address: `/127.0.0.1`.
    pub host: Arc<str>,
}

impl Client {
    /// A client by its id and its host.
    pub fn new(id: impl Into<Arc<str>>, host: impl Into<Arc<str>>) -> Client {
        Client {
            id: id.into(),
            host: host.into(),
        }
    }
}
