//! Rooms whose events are folded into a state as they come.

use crate::engine::Gap;
use crate::events::DecodeError;
use crate::folds::Fold;
use crate::wire::{Event, Payload};

use super::room::{Room, RoomEvent};

/// What happened to a [`LiveRoom`].
#[derive(Debug, Clone)]
pub enum LiveEvent {
    /// This event made the state another.
    Changed(Event),
    /// The state was taken from the server as a whole: after a join in the middle, or a gap.
    Restored,
    /// Events are missing for good. Where the server has a state of the room,
    /// [`LiveEvent::Restored`] follows and mends ours.
    Gap(Gap),
    /// An event that the state doesn't depend on.
    Other(Event),
    /// What came can't be read; the state is as it was.
    Unreadable(DecodeError),
}

/// A room together with the state that its events come to. Dropping it leaves the room.
#[derive(Debug)]
pub struct LiveRoom<F> {
    room: Room,
    state: F,
}

impl<F: Fold> LiveRoom<F> {
    /// Folds a room that was just joined.
    pub fn new(room: Room) -> Self {
        Self { room, state: F::default() }
    }

    /// The state as of the last event that was taken with [`LiveRoom::next`].
    pub fn state(&self) -> &F {
        &self.state
    }

    /// The room.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What happens next; `None` once the room has ended, for the reason in [`Room::error`].
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        Some(match self.room.next().await? {
            RoomEvent::Event(event) => self.take(event),
            RoomEvent::Gap(gap) => LiveEvent::Gap(gap),
            RoomEvent::Snapshot(snapshot) => match self.state.restore(snapshot.get()) {
                Ok(()) => LiveEvent::Restored,
                Err(error) => LiveEvent::Unreadable(error),
            },
        })
    }

    /// Takes what comes until the state is as wished. `None` if the room ended before. Dropping
    /// the future loses nothing.
    pub async fn until(&mut self, mut wished: impl FnMut(&F) -> bool) -> Option<&F> {
        while !wished(&self.state) {
            self.next().await?;
        }
        Some(&self.state)
    }

    fn take(&mut self, event: Event) -> LiveEvent {
        let Ok((kind, Payload::Json(data))) = event.parts() else {
            return LiveEvent::Other(event);
        };
        match self.state.apply(&kind, data) {
            Ok(changed) => {
                // It borrows from the event.
                drop(kind);
                if changed { LiveEvent::Changed(event) } else { LiveEvent::Other(event) }
            }
            Err(error) => LiveEvent::Unreadable(error),
        }
    }
}
