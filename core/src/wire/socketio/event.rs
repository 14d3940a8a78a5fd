//! An event of Socket.IO, as an [`Event`](crate::Event) like any other: named, with data, decoded when asked for.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::packet::name_of;
use super::values::{One, Values};
use crate::wire::{Events, WireError};

/// What an event has beside its name and data.
#[derive(Debug, Clone)]
pub(crate) struct EventParts {
    values: Values,
    /// The data, where it is several arguments.
    joined: Option<String>,
    attachments: Vec<Bytes>,
    ask: Option<Ask>,
}

/// The wish for an answer to an event.
#[derive(Debug, Clone)]
pub struct Ask {
    link: u32,
    id: u64,
    answered: Arc<AtomicBool>,
}

impl Ask {
    /// A wish that came on this link under this number.
    pub(crate) fn new(link: u32, id: u64) -> Self {
        Self { link, id, answered: Arc::default() }
    }

    pub(crate) fn link(&self) -> u32 {
        self.link
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Takes the one chance to answer; false if it was taken before.
    pub(crate) fn take(&self) -> bool {
        !self.answered.swap(true, Ordering::Relaxed)
    }
}

/// Two are the same if they ask for the same answer.
impl PartialEq for Ask {
    fn eq(&self, other: &Self) -> bool {
        (self.link, self.id) == (other.link, other.id)
    }
}

impl Eq for Ask {}

impl PartialEq for EventParts {
    fn eq(&self, other: &Self) -> bool {
        (&self.values, &self.attachments, &self.ask)
            == (&other.values, &other.attachments, &other.ask)
    }
}

impl Eq for EventParts {}

impl EventParts {
    /// The event's name; the decoder has looked that it is one.
    pub(crate) fn kind(&self) -> Cow<'_, str> {
        self.values.get(0).and_then(name_of).unwrap_or_default()
    }

    /// The only argument; an array of all where there are several; `null` where there is none.
    pub(crate) fn data(&self) -> &str {
        match (&self.joined, self.values.len()) {
            (Some(joined), _) => joined,
            (None, 2) => self.values.get(1).unwrap_or("null"),
            (None, _) => "null",
        }
    }

    pub(crate) fn attachments(&self) -> &[Bytes] {
        &self.attachments
    }

    pub(crate) fn ask(&self) -> Option<&Ask> {
        self.ask.as_ref()
    }

    /// Bytes beside the array.
    pub(crate) fn size(&self) -> usize {
        self.attachments.iter().map(Bytes::len).sum::<usize>()
            + self.joined.as_ref().map_or(0, String::len)
    }
}

/// Makes an event of what a packet brought. `placed`: its last argument is the server's own name for
/// its place, and no argument of the application's.
pub(crate) fn read_event(
    mut values: Values,
    attachments: Vec<Bytes>,
    ask: Option<Ask>,
    placed: bool,
) -> Result<Events, WireError> {
    if placed {
        values.pop();
    }
    let joined = match values.as_one(1) {
        One::Array(text) => Some(text),
        One::Nothing | One::Only(_) => None,
    };
    let raw = values.raw().clone();
    Events::of_socketio(raw, EventParts { values, joined, attachments, ask })
}
