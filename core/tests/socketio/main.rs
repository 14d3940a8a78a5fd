//! Socket.IO without a socket: the codec, and a session's conversation.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected has failed")]

mod codec;
mod session;
