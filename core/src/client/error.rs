//! What can go wrong, one small type for each operation.

use crate::connection::Refusal;
use crate::driver::UrlError;
use crate::engine::Cause;

/// Why a client can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The URL can't be dialled.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A header can't be sent.
    #[error("the header {name:?} can't be sent: {reason}")]
    Header {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A token can't be sent.
    #[error("the token holds characters that no header may; pass it as it was issued")]
    Token,
    /// The trust store of the platform, or a certificate, can't be used.
    #[error("TLS can't be set up: {0}")]
    Tls(String),
    /// An option of Socket.IO can't be.
    #[cfg(feature = "socketio")]
    #[error("the Socket.IO {option} is wrong: {reason}")]
    SocketIo {
        /// Which option.
        option: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no tokio runtime to run on.
    #[error("no tokio runtime is running here; call build() inside one")]
    NoRuntime,
    /// The system gives no random numbers, which instance ids are made of.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(String),
}

/// Why a connection will never come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is closed for good: {reason:?} (code {})", reason.code())]
pub struct ConnectError {
    /// Why.
    pub reason: Cause,
}

/// Why a room can't be joined, or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The server refuses it.
    #[error("the server refuses the room: {0}")]
    Refused(Refusal),
    /// As many rooms are joined as one client may join.
    #[error("too many rooms are joined; drop some first")]
    TooManyRooms,
    /// The protocol has no rooms.
    #[error("this server speaks the plain protocol, which has no rooms; use events()")]
    Unsupported,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
}

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server refuses it.
    #[error("the server refuses the call: {0}")]
    Refused(Refusal),
    /// The connection was lost after it was sent: it may have taken effect. A call that may be
    /// repeated should say so in [`CallOptions`](super::CallOptions).
    #[error("the connection was lost before the answer; the call may have taken effect")]
    Interrupted,
    /// No answer in time.
    #[error("no answer in time; the call may have taken effect")]
    TimedOut,
    /// As many calls are open as one client may have.
    #[error("too many calls wait for an answer; wait for some first")]
    TooManyCalls,
    /// The protocol has no calls.
    #[error("this server speaks the plain protocol, which has no calls; use send()")]
    Unsupported,
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// The data can't be written as JSON.
    #[error("the data can't be written as JSON: {0}")]
    Encode(String),
    /// The answer doesn't fit the type that was asked for.
    #[error("the answer does not fit the type asked for: {0}")]
    Decode(String),
}

/// Why a publish wasn't confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The server refuses it: it took no effect.
    #[error("the server refuses the publish: {0}")]
    Refused(Refusal),
    /// The outbox is full: it was not kept.
    #[error(
        "the outbox is full ({}); wait for earlier publishes, or allow more in the builder",
        if *bytes { "bytes" } else { "messages" }
    )]
    OutboxFull {
        /// Whether the bound on bytes was hit, not the one on messages.
        bytes: bool,
    },
    /// It was sent and may have taken effect, and the server can't tell a repeat any more.
    #[error("it may have taken effect, and can't be sent again safely; check before repeating it")]
    Uncertain,
    /// It was dropped unsent to make room for a newer one, as configured.
    #[error("it was dropped unsent to make room for a newer one")]
    Dropped,
    /// The protocol has no rooms.
    #[error("this server speaks the plain protocol, which has no rooms; use send()")]
    Unsupported,
    /// The client is closed; it was never sent.
    #[error("the client is closed")]
    Closed,
    /// The data can't be written as JSON.
    #[error("the data can't be written as JSON: {0}")]
    Encode(String),
    /// The server's confirmation can't be read; the event was appended.
    #[error("the event was appended, but the confirmation can't be read: {0}")]
    Decode(String),
}

impl PublishError {
    /// The code of a refusal that means: too late to tell.
    const UNCERTAIN: &'static str = "uncertain";

    pub(super) fn refused(refusal: Refusal) -> Self {
        if refusal.code == Self::UNCERTAIN { Self::Uncertain } else { Self::Refused(refusal) }
    }
}

/// Why an event wasn't sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The outbox is full: it was not kept.
    #[error(
        "the outbox is full ({}); wait for earlier sends, or allow more in the builder",
        if *bytes { "bytes" } else { "messages" }
    )]
    OutboxFull {
        /// Whether the bound on bytes was hit, not the one on messages.
        bytes: bool,
    },
    /// It was dropped unsent to make room for a newer one, as configured.
    #[error("it was dropped unsent to make room for a newer one")]
    Dropped,
    /// It was sent to a Socket.IO server, and the connection was lost before it was known to have
    /// arrived: it may have taken effect.
    #[error(
        "the connection was lost before it was known to have arrived; it may have taken effect"
    )]
    Uncertain,
    /// It can't be sent to this server.
    #[error("it can't be sent: {0}")]
    Refused(Refusal),
    /// The client is closed.
    #[error("the client is closed")]
    Closed,
    /// The data can't be written as JSON.
    #[error("the data can't be written as JSON: {0}")]
    Encode(String),
}

/// Why an event of the server can't be answered.
#[cfg(feature = "socketio")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The server asked for none.
    #[error("the server wants no answer to this event")]
    NotAsked,
    /// It was answered before.
    #[error("the event was answered before")]
    Answered,
    /// The connection that it came over is gone, and so is the server's wish for an answer.
    #[error("the connection that asked is gone, and nobody waits for the answer any more")]
    Gone,
}

/// Why an answer, a generation or a task can't be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The server didn't take it, or can't be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Its room can't be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
}

macro_rules! coded {
    ($($error:ident: $($function:ident -> $variant:ident),*;)*) => {$(
        impl $error {
            $(pub(super) fn $function(error: serde_json::Error) -> Self {
                Self::$variant(error.to_string())
            })*
        }
    )*};
}

coded! {
    CallError: encode -> Encode, decode -> Decode;
    PublishError: encode -> Encode, decode -> Decode;
    SendError: encode -> Encode;
}
