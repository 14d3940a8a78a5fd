//! Engine.IO v4 and Socket.IO v5: texts and bytes to packets and back.
//!
//! Arguments stay the JSON that they came as, and attachments the bytes: both are slices of what the
//! socket brought. Nothing here knows a connection's state, what a packet asks for, or the time.

mod arguments;
mod assemble;
pub mod engine;
mod error;
mod event;
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
