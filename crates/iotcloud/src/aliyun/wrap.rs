//! What the platform's words ask of a program's message, whichever part of the dialogue wraps it.

/// Why a program's message cannot be sent as what its topic says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// The payload must be JSON.
    #[error("the payload is not JSON: {0}")]
    NotJson(String),
    /// It must be an object or, for some methods, a list.
    #[error("the payload must be a JSON object or list")]
    NotStructured,
    /// A field is missing or of the wrong kind.
    #[error("{0}")]
    Field(&'static str),
    /// The topic is none of the platform's.
    #[error("`{0}` is not a method of the thing model: letters, digits, `_`, `-`, `:` and `.` between slashes")]
    Method(String),
}
