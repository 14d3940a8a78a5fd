//! How a peer can break Engine.IO or Socket.IO.

/// What a peer sent that is no Engine.IO or Socket.IO. It names the fault and never repeats a payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SocketIoError {
    /// A packet without even a type.
    #[error("a packet of {layer} is empty")]
    Empty {
        /// Engine.IO or Socket.IO.
        layer: &'static str,
    },
    /// A type that the protocol doesn't have.
    #[error("a packet of {layer} has the unknown type {found:?}")]
    UnknownType {
        /// Engine.IO or Socket.IO.
        layer: &'static str,
        /// Its first character.
        found: char,
    },
    /// The first packet of a connection isn't what it must be.
    #[error(
        "the server's Engine.IO handshake can't be read: {reason}; is this an Engine.IO v4 server?"
    )]
    Handshake {
        /// What is wrong.
        reason: String,
    },
    /// A part of a packet's head is malformed.
    #[error("the {part} of a Socket.IO packet is malformed at byte {at}")]
    Head {
        /// Which part.
        part: &'static str,
        /// Where it begins.
        at: usize,
    },
    /// The data of a packet isn't JSON.
    #[error("the data of a Socket.IO packet is not JSON: {reason} at column {column}")]
    NotJson {
        /// What the parser met.
        reason: String,
        /// From 1, within the data.
        column: usize,
    },
    /// The data of a packet is JSON of another form than its type asks for.
    #[error("a Socket.IO packet of type {kind} must carry {wanted}")]
    Data {
        /// The packet's type.
        kind: &'static str,
        /// What it must be.
        wanted: &'static str,
    },
    /// An event has a name that stands for something else.
    #[error("an event is called {name:?}, which Socket.IO keeps for itself")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// More attachments, or more bytes of them, than are taken.
    #[error("a packet has more than {most} {what}; allow more in the builder if that is meant")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The bound.
        most: usize,
    },
    /// An attachment that no packet announced.
    #[error("bytes arrived that no packet announced")]
    Unannounced,
    /// A packet in the midst of another one's attachments.
    #[error("a packet arrived while {missing} attachments of another were still to come")]
    Interrupted {
        /// How many.
        missing: usize,
    },
    /// A place for an attachment that isn't there.
    #[error("a packet refers to an attachment that it does not have")]
    Placeholder,
    /// A binary packet of a polling payload is not base64.
    #[error("a binary packet in a polling payload is not base64")]
    NotBase64,
    /// A packet is not MessagePack, or not one of the parser's.
    #[error("a packet is not what the MessagePack parser writes: {reason}")]
    NotMsgpack {
        /// What is wrong.
        reason: String,
    },
    /// A packet that can't come here.
    #[error("a {found} packet can't come {when}")]
    OutOfPlace {
        /// Which.
        found: &'static str,
        /// At what stage.
        when: &'static str,
    },
}

impl SocketIoError {
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        Self::NotJson { reason: super::super::error::reason_of(error), column: error.column() }
    }
}
