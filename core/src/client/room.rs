//! A room, as the application sees it.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::dispatch::Command;
use super::error::JoinError;
use super::queue::{RoomQueue, Taken};
use crate::engine::{Gap, RoomId};
use crate::wire::Event;

/// What a room brings.
#[derive(Debug, Clone)]
pub enum RoomEvent {
    /// An event, once and in order.
    Event(Event),
    /// Events that will never come.
    Gap(Gap),
    /// The state of the room as of here: after a join in the middle, or after a gap.
    Snapshot(Box<RawValue>),
}

/// A stream of [`RoomEvent`]s. Dropping it leaves the room.
///
/// An application that reads slower than the room writes misses nothing: its queue is dropped and
/// fetched again from the server, or a gap is said where the server no longer has it.
#[derive(Debug)]
pub struct Room {
    name: String,
    id: RoomId,
    commands: mpsc::UnboundedSender<Command>,
    queue: RoomQueue,
}

impl Room {
    pub(super) fn new(
        id: RoomId,
        name: String,
        commands: mpsc::UnboundedSender<Command>,
        queue: RoomQueue,
    ) -> Self {
        Self { name, id, commands, queue }
    }

    /// The name that it was joined by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place of the last event that was taken: epoch and offset, for
    /// [`JoinFrom::Position`](super::JoinFrom::Position) in a later run.
    pub fn position(&self) -> (String, u64) {
        let (epoch, offset) = self.queue.handed();
        (epoch.to_string(), offset)
    }

    /// The next event or gap; `None` once the room has ended, for the reason in [`Room::error`].
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<RoomEvent> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// Why the room ended; `None` while it has not.
    pub fn error(&self) -> Option<JoinError> {
        self.queue.error()
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        loop {
            match self.queue.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Taken::Event(event)) => return Poll::Ready(Some(event)),
                Poll::Ready(Taken::Ended) => return Poll::Ready(None),
                Poll::Ready(Taken::CaughtUp) => {
                    let _ = self.commands.send(Command::CaughtUp { room: self.id });
                }
            }
        }
    }
}

impl Stream for Room {
    type Item = RoomEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Leave { room: self.id });
    }
}
