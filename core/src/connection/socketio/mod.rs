//! Socket.IO without I/O: the conversation of one connection, and what its packets mean to the engine.
//!
//! A [`Session`] stands between a transport's packets and the [`Connection`](super::Connection). It is
//! told what arrived and what to send, and knows no socket, no clock and no other session.

mod inputs;
mod session;

pub use inputs::{Opened, Reply};
pub use session::{Continuity, Ended, Restore, Sending, Session, SessionConfig, Told};

use bytes::Bytes;

use crate::wire::socketio::Arguments;

/// A packet for a Socket.IO link, before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// What it says.
    pub what: Said,
    /// What it carries.
    pub arguments: Arguments,
    /// Under which number its arrival is to be told, if at all.
    pub receipt: Option<u32>,
}

/// What a [`Parcel`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An event; with an id where an answer is wanted.
    Event {
        /// Its name.
        name: String,
        /// What the answer is to be called.
        id: Option<u32>,
    },
    /// The answer to an event of the server.
    Answer {
        /// What the server called it.
        id: u64,
    },
}

impl Parcel {
    /// Whether the outbox or the table of calls has it, and bounds how many there are.
    pub(crate) fn is_counted(&self) -> bool {
        self.receipt.is_some() || matches!(self.what, Said::Event { id: Some(_), .. })
    }

    /// Bytes that it takes at least.
    pub(crate) fn size(&self) -> usize {
        let name = match &self.what {
            Said::Event { name, .. } => name.len(),
            Said::Answer { .. } => 0,
        };
        self.arguments.size() + name
    }

    /// What a trace shows of it: its text, without the attachments.
    pub(crate) fn text(&self) -> Bytes {
        let text = self.arguments.text();
        match &self.what {
            Said::Event { name, .. } if text.is_empty() => {
                format!("[{}]", serde_json::Value::from(name.as_str())).into()
            }
            Said::Event { name, .. } => {
                format!("[{},{text}]", serde_json::Value::from(name.as_str())).into()
            }
            Said::Answer { .. } => format!("[{text}]").into(),
        }
    }
}
