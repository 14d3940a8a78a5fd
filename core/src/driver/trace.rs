//! What goes over a connection's links, for those who want to look.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::connection::Message;

/// Frames that wait for the one who looks: beyond it they are counted and dropped.
const MOST_WAITING: usize = 4_096;

/// Something that happened on a link. Tokens travel in headers and in
/// Socket.IO's handshake, and so in none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// The link, counted from 1: each attempt to connect has a number of its own.
    pub link: u32,
    /// What happened.
    pub what: Traced,
    /// How many were dropped before this one, since nobody took them in time.
    pub missed: u64,
}

/// What happened on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Traced {
    /// It is being opened.
    Opening,
    /// It is open.
    Opened,
    /// It could not be opened, for this reason.
    Failed(String),
    /// A text frame arrived.
    ReceivedText(Bytes),
    /// A binary frame arrived.
    ReceivedBinary(Bytes),
    /// A text frame was handed to the socket.
    SentText(Bytes),
    /// A binary frame was handed to the socket.
    SentBinary(Bytes),
    /// It is over, with the peer's close code (RFC 6455, 7.4) if it gave one.
    Closed(Option<u16>),
    /// We ended it, or gave up opening it.
    Dropped,
}

/// The driver's end.
#[derive(Debug)]
pub(crate) struct Tracer {
    traces: mpsc::Sender<Trace>,
    missed: u64,
}

impl Tracer {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Trace>) {
        let (traces, receiver) = mpsc::channel(MOST_WAITING);
        (Self { traces, missed: 0 }, receiver)
    }

    pub(super) fn tell(&mut self, link: u32, what: Traced) {
        match self.traces.try_send(Trace { link, what, missed: self.missed }) {
            Ok(()) => self.missed = 0,
            Err(_) => self.missed += 1,
        }
    }

    pub(super) fn sent(&mut self, link: u32, message: &Message) {
        self.tell(
            link,
            match message {
                Message::Text(text) => Traced::SentText(Bytes::copy_from_slice(text.as_bytes())),
                Message::Binary(bytes) => Traced::SentBinary(bytes.clone()),
                #[cfg(feature = "socketio")]
                Message::Parcel(parcel) => Traced::SentText(parcel.text()),
            },
        );
    }
}
