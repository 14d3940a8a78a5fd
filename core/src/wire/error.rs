//! What can be wrong with a frame.

/// A frame that can't be read. It says what is wrong, where, and never repeats the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes are no WebSocket message (RFC 6455), or one that is larger than allowed.
    #[error("what came is no message that can be taken: {reason}")]
    NotAMessage {
        /// What is wrong.
        reason: String,
    },
    /// The text is not JSON.
    #[error(
        "a text frame is not JSON: {reason} at line {line}, column {column}; \
         send one JSON object or array per frame"
    )]
    NotJson {
        /// What the parser met.
        reason: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The JSON is no frame.
    #[error("a frame is neither an object with a \"type\" nor an array of batches: {reason}")]
    NotAFrame {
        /// What is missing.
        reason: String,
    },
    /// A control frame has fields that can't be.
    #[error("the data of frame \"{frame}\" is wrong: {reason}; see docs/protocol.md")]
    BadControl {
        /// The frame's type.
        frame: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A frame needs a field that it doesn't have.
    #[error("frame \"{frame}\" lacks \"{field}\"; see docs/protocol.md")]
    Missing {
        /// The frame's type.
        frame: String,
        /// The field.
        field: &'static str,
    },
    /// A binary frame ends before its header says.
    #[error("a binary frame of {length} bytes ends inside the record at byte {at}")]
    Truncated {
        /// The frame's length in bytes.
        length: usize,
        /// Where the record begins.
        at: usize,
    },
    /// What came is no Socket.IO.
    #[cfg(feature = "socketio")]
    #[error(transparent)]
    SocketIo(#[from] super::socketio::SocketIoError),
}

impl WireError {
    pub(crate) fn not_json(error: &serde_json::Error) -> Self {
        Self::NotJson { reason: reason_of(error), line: error.line(), column: error.column() }
    }

    pub(crate) fn bad_control(frame: &str, error: &serde_json::Error) -> Self {
        Self::BadControl { frame: shorten(frame), reason: error.to_string() }
    }
}

/// The parser's words without its position, which the error carries as numbers.
pub(crate) fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// A hostile peer names its frames as it likes: an error keeps the beginning.
pub(crate) fn shorten(text: &str) -> String {
    const MOST: usize = 64;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
