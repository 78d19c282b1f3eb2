//! Who a producer is, and for how long it may be.

use std::fmt;

use ottla_model::{ProducerEpoch, ProducerId};

/// A producer: its id, and how often that id was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The id.
    pub producer: ProducerId,
    /// The epoch; a producer with an older one is fenced.
    pub epoch: ProducerEpoch,
}

impl Identity {
    /// The last epoch that a producer is given. The one above fences it, after that the transactional id gets another
    /// producer id.
    pub const EPOCH_LAST: ProducerEpoch = ProducerEpoch(i16::MAX - 1);

    /// The first of a producer id.
    pub const fn first(producer: ProducerId) -> Identity {
        Identity {
            producer,
            epoch: ProducerEpoch(0),
        }
    }

    /// Whether no producer may be given an epoch after this one.
    pub fn is_exhausted(self) -> bool {
        self.epoch >= Identity::EPOCH_LAST
    }

    /// The one that fences this one. The highest epoch there is stays as it is: no producer is ever given it.
    pub(crate) fn raised(self) -> Identity {
        Identity {
            epoch: ProducerEpoch(self.epoch.0.saturating_add(1)),
            ..self
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "producer {} epoch {}", self.producer, self.epoch)
    }
}
