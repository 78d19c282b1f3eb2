//! The field types that the coordinators' records are made of, read and written as Kafka does.
//!
//! A coordinator's record is a key (a type, then fields) and a value (a version, then fields). In older versions a text is
//! an int16 length and its bytes; flexible versions have *compact* lengths (a varint, one more than the length, 0 for
//! "none") and end in tagged fields. Which fields a record has is known to its own crate, not here.
//!
//! What is read may come from anywhere: no reading panics, or allocates for a length beyond the bytes present.

mod fault;
mod reader;
mod write;

pub use fault::RecordFault;
pub use reader::Reader;
pub use write::{
    TEXT_MAX, put_bytes, put_compact_count, put_compact_text, put_no_tags, put_optional_text, put_tag, put_text,
    put_varint,
};
