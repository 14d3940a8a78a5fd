//! Engine.IO v4 and Socket.IO v5: texts and bytes to packets and back.
//!
//! Arguments stay the JSON that they came as, and attachments the bytes: both are slices of what the
//! socket brought. Nothing here knows a connection's state, what a packet asks for, or the time.

mod arguments;
mod assemble;
pub mod engine;
mod error;
mod event;
#[cfg(feature = "socketio-msgpack")]
pub mod msgpack;
mod packet;
mod placeholder;
mod values;

pub use arguments::{Arguments, Placeholder};
pub use assemble::{Assembler, Limits};
pub use error::SocketIoError;
pub use event::Ask;
pub(crate) use event::{EventParts, read_event};
pub use packet::{Kind, Outgoing, Packet, encode};
pub use values::Values;

/// How packets are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Parser {
    /// As JSON, with attachments behind it: what every server reads.
    #[default]
    Json,
    /// As MessagePack, for servers that use `socket.io-msgpack-parser`.
    #[cfg(feature = "socketio-msgpack")]
    Msgpack,
}
