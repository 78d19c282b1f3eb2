//! What a config belongs to.

/// The kinds of resources Kafka keeps configs for, numbered as on the wire and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum ResourceKind {
    /// A topic, by name.
    Topic = 2,
    /// A broker, by its node id; the empty name means every broker of the cluster.
    Broker = 4,
    /// The log levels of a broker.
    BrokerLogger = 8,
    /// A subscription of client metrics.
    ClientMetrics = 16,
    /// A group, by its id.
    Group = 32,
}

impl ResourceKind {
    /// The kind with this number.
    pub const fn from_number(number: i8) -> Option<ResourceKind> {
        match number {
            2 => Some(ResourceKind::Topic),
            4 => Some(ResourceKind::Broker),
            8 => Some(ResourceKind::BrokerLogger),
            16 => Some(ResourceKind::ClientMetrics),
            32 => Some(ResourceKind::Group),
            _ => None,
        }
    }

    /// The number on the wire and in the log.
    pub const fn number(self) -> i8 {
        self as i8
    }
}

/// One resource: its kind and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// What kind it is.
    pub kind: ResourceKind,
    /// Its name within the kind.
    pub name: String,
}

impl Resource {
    /// The resource of this kind and name.
    pub fn new(kind: ResourceKind, name: impl Into<String>) -> Resource {
        Resource {
            kind,
            name: name.into(),
        }
    }

    /// A topic.
    pub fn topic(name: &str) -> Resource {
        Resource::new(ResourceKind::Topic, name)
    }

    /// One broker.
    pub fn broker(node_id: i32) -> Resource {
        Resource::new(ResourceKind::Broker, node_id.to_string())
    }

    /// Every broker: the cluster-wide dynamic default.
    pub fn brokers() -> Resource {
        Resource::new(ResourceKind::Broker, "")
    }
}
