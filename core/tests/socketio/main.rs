//! Socket.IO without a socket: the codec, and a session's conversation.

mod codec;
mod session;
