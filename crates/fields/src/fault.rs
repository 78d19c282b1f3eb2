//! Why bytes are not a record.

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// A field goes beyond the end.
    #[error("the record ends within its field `{0}`")]
    Short(&'static str),
    /// A length is negative, or claims more than the bytes present can hold.
    #[error("the length of the field `{0}` cannot be true")]
    Length(&'static str),
    /// A text is not UTF-8.
    #[error("the field `{0}` is not UTF-8")]
    Text(&'static str),
    /// A number stands for nothing that is known.
    #[error("the field `{0}` has the value {1}, which stands for nothing")]
    Number(&'static str, i64),
    /// A value of a known type has a version that was unknown when this was written.
    #[error("version {0} of the value is not known")]
    Version(i16),
}
