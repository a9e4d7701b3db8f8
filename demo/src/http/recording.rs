//! The bytes of a response as they are received, for an archive: its head, and its body with all codings. Filled by
//! `body.rs` and `connection.rs`.

/// The bytes of a response that were received since the last call that took them.
#[derive(Debug, Default)]
pub struct Recording {
    /// The head of the final response.
    pub head: Vec<u8>,
    /// Bytes of the body, with the sizes of its chunks and its trailers.
    pub body: Vec<u8>,
}
