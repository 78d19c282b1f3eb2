//! Kafka's wire protocol as values: which APIs and versions are spoken, frames, headers, and bodies checked before
//! they are decoded.
//!
//! Bytes come in and go out as arguments and results; no socket, clock or task is known here. The messages themselves
//! are those of crate `kafka-protocol`; this crate is what that one lacks.

pub mod api_versions;
pub mod fetch;
mod frame;
pub mod guard;
mod header;
mod request;
mod response;
mod shape;
mod table;
mod varint;

pub use frame::{Foreign, FrameFault, REQUEST_BYTES_MIN, RESPONSE_BYTES_MIN, split};
pub use header::{HeaderFault, RequestHeader, ResponseHeader};
pub use request::{DecodeFault, decode, decode_response};
pub use response::{EncodeFault, Frame, encode};
pub use table::{Api, Row, TABLE, Versions};
