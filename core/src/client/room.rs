//! A room, as the application sees it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use serde_json::value::RawValue;

use super::dispatch::Command;
use super::error::{CallError, JoinError};
use super::live::LiveRoom;
use super::queue::SharedRoomQueue;
use super::{Client, HistoryPage};
use crate::connection::{Item, Taken};
use crate::engine::{Gap, RoomId};
use crate::folds::People;
use crate::wire::{self, Event, Events};

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
/// An application that reads slower than the room writes misses nothing: what no longer fits its
/// queue is fetched from the server once the queue is empty, or a gap is said where the server no
/// longer has it.
#[derive(Debug)]
pub struct Room {
    name: String,
    id: RoomId,
    client: Client,
    queue: SharedRoomQueue,
    /// What was taken from the queue together, and not yet by the application: a row of events,
    /// and those behind it.
    row: Option<wire::IntoIter>,
    rows: std::vec::IntoIter<Events>,
    /// The place of the last event that the application took; `None` before the first.
    position: Option<(Arc<str>, u64)>,
}

impl Room {
    pub(super) fn new(id: RoomId, name: String, client: Client, queue: SharedRoomQueue) -> Self {
        Self { name, id, client, queue, row: None, rows: Vec::new().into_iter(), position: None }
    }

    /// The name that it was joined by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place of the last event that was taken: epoch and offset, for
    /// [`JoinFrom::Position`](super::JoinFrom::Position) in a later run.
    pub fn position(&self) -> (String, u64) {
        let (epoch, offset) = self.position.clone().unwrap_or_else(|| self.queue.handed());
        (epoch.to_string(), offset)
    }

    /// The next event or gap; `None` once the room has ended, for the reason in [`Room::error`].
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<RoomEvent> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// A page of the room's past: at most `limit` events before the offset `before`, or the latest.
    /// Dropping the future gives the question up.
    pub async fn history(&self, before: Option<u64>, limit: u32) -> Result<HistoryPage, CallError> {
        self.client.history(&self.name, before, limit).await
    }

    /// Follows who is in this room, and who of them is writing; it begins with who is there now.
    /// Dropping the future leaves that room again; this one stays joined.
    pub async fn presence(&self) -> Result<LiveRoom<People>, JoinError> {
        self.client.presence(&self.name).await
    }

    /// Why the room ended; `None` while it has not.
    pub fn error(&self) -> Option<JoinError> {
        self.queue.error()
    }

    /// The next event of what was taken from the queue.
    fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.row.as_mut().and_then(Iterator::next) {
                return Some(event);
            }
            self.row = Some(self.rows.next()?.into_iter());
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<RoomEvent>> {
        loop {
            if let Some(event) = self.next_event() {
                if let (Some(offset), Some(position)) = (event.offset(), &mut self.position) {
                    position.1 = offset;
                }
                return Poll::Ready(Some(RoomEvent::Event(event)));
            }
            match self.queue.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Taken::Item(Item::Events { epoch, rows })) => {
                    if let Some(first) = rows.first().map(Events::first).filter(|first| *first > 0)
                    {
                        self.position = Some((epoch, first - 1));
                    }
                    self.rows = rows.into_iter();
                }
                Poll::Ready(Taken::Item(Item::Gap { gap, epoch, offset })) => {
                    self.position = Some((epoch, offset));
                    return Poll::Ready(Some(RoomEvent::Gap(gap)));
                }
                Poll::Ready(Taken::Item(Item::Snapshot(data))) => {
                    return Poll::Ready(Some(RoomEvent::Snapshot(data)));
                }
                Poll::Ready(Taken::Nothing) => return Poll::Ready(None),
                Poll::Ready(Taken::CaughtUp) => {
                    self.client.command(Command::CaughtUp { room: self.id });
                }
            }
        }
    }
}

impl Stream for Room {
    type Item = RoomEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.client.command(Command::Leave { room: self.id });
    }
}
