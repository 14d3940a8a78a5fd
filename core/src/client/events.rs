//! What belongs to no room.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::queue::EventQueue;
use crate::connection::Refusal;
use crate::engine::Gap;
use crate::wire::{Event, WireError};

/// Something that belongs to no room.
#[derive(Debug, Clone)]
pub enum ClientEvent {
    /// An event of a `plain` or Socket.IO server, or a frame of a type that this version doesn't know.
    Event(Event),
    /// Events may have been missed. On `plain` this follows every reconnect, since nobody can
    /// prove the opposite; with Socket.IO every one that the server did not restore.
    Gap(Gap),
    /// The server sent something that can't be read.
    Unreadable(WireError),
    /// The server refused the connection, or something that was sent without asking for an answer,
    /// or it said why it ends the connection.
    ServerError(Refusal),
}

impl ClientEvent {
    /// Bytes that it keeps alive, for bounds on queues.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Event(event) => event.size(),
            Self::Gap(_) => 0,
            Self::Unreadable(error) => error.size(),
            Self::ServerError(Refusal { code, message, data, .. }) => {
                code.len() + message.len() + data.as_ref().map_or(0, |data| data.len())
            }
        }
    }
}

/// A stream of [`ClientEvent`]s. It ends when the client closes.
#[derive(Debug)]
pub struct Events {
    queue: EventQueue,
}

impl Events {
    pub(super) fn new(queue: EventQueue) -> Self {
        Self { queue }
    }

    /// The next one; `None` once the client is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        std::future::poll_fn(|cx| self.queue.poll(cx)).await
    }
}

impl Stream for Events {
    type Item = ClientEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.queue.poll(cx)
    }
}
