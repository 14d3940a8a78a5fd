//! What can be wrong with a frame.

/// A frame that can't be read. It says what is wrong and where, and repeats no more of the frame than
/// a few words.
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
        Self::BadControl { frame: shorten(frame), reason: in_short(error) }
    }

    pub(crate) fn not_a_frame(error: &serde_json::Error) -> Self {
        Self::NotAFrame { reason: in_short(error) }
    }

    /// Bytes of its texts, for bounds on queues.
    pub fn size(&self) -> usize {
        match self {
            Self::NotAMessage { reason }
            | Self::NotJson { reason, .. }
            | Self::NotAFrame { reason } => reason.len(),
            Self::BadControl { frame, reason } => frame.len() + reason.len(),
            Self::Missing { frame, .. } => frame.len(),
            Self::Truncated { .. } => 0,
            // It holds no more than a few words of the parser's.
            #[cfg(feature = "socketio")]
            Self::SocketIo(_) => 0,
        }
    }
}

/// The parser's words without its position, which the error carries as numbers.
pub(crate) fn reason_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => shorten_to(&text[..end], MOST_WORDS),
        None => shorten_to(&text, MOST_WORDS),
    }
}

/// The parser's words and its position. It quotes texts of any length.
fn in_short(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => format!("{}{}", shorten_to(&text[..end], MOST_WORDS), &text[end..]),
        None => shorten_to(&text, MOST_WORDS),
    }
}

/// Characters of a parser's words that an error keeps.
const MOST_WORDS: usize = 160;

/// A hostile peer names its frames as it likes: an error keeps the beginning.
pub(crate) fn shorten(text: &str) -> String {
    shorten_to(text, 64)
}

fn shorten_to(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_little_of_what_came() {
        let text = format!("\n\"{}\"", "long ".repeat(1_000));
        let error = serde_json::from_str::<u32>(&text).unwrap_err();
        let WireError::NotAFrame { reason } = WireError::not_a_frame(&error) else { panic!() };
        assert!(reason.chars().count() < 200 && reason.contains("line 2"), "{reason}");
    }
}
