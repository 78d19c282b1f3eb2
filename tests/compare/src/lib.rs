//! Puts the same requests to two brokers, byte by byte, and compares what they answer.
//!
//! Every API that Ottla speaks, in every version, good and bad, in every state of a group. One broker is usually a real
//! Kafka (`tests/oracle/kafka.sh`) or the recording of one (`recorded/`), the other is Ottla. What differs is a bug or a
//! decision that stands in `docs/differences.md`.
//!
//! A [`cases::Case`] is a [`script::Script`] run against a broker; its [`transcript`] holds every answer as a [`tree`]
//! with stand-ins ([`normalise`]) for ids, clocks and texts; [`differences`] compares two.

pub mod batch;
pub mod cases;
pub mod client;
pub mod differences;
pub mod normalise;
pub mod requests;
pub mod runner;
pub mod script;
pub mod setup;
pub mod states;
pub mod transcript;
pub mod tree;
