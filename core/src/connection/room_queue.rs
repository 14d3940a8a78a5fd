//! What waits for the application in one room: bounded, and never silently dropped.
//!
//! A queue that overflows takes no more until the application has emptied it, and the rest is
//! fetched again from the last thing in it: each round brings the application forward, however
//! little fits.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::engine::Gap;
use crate::wire::Events;

/// How much may wait in one queue.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many events.
    pub events: usize,
    /// How many bytes of events, gaps and states.
    pub bytes: usize,
}

/// What waits in a room's queue.
#[derive(Debug)]
pub enum Item {
    /// Events that came together: never none, and either all logged or none of them.
    Events {
        /// The epoch of their offsets.
        epoch: Arc<str>,
        /// The events, as they came: never an empty row.
        rows: Vec<Events>,
    },
    /// A gap.
    Gap {
        /// Which.
        gap: Gap,
        /// The epoch behind it.
        epoch: Arc<str>,
        /// The offset behind it.
        offset: u64,
    },
    /// The room's state, as of what came before it.
    Snapshot(Box<RawValue>),
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::Events { rows, .. } => rows.iter().map(Events::size).sum(),
            Self::Gap { .. } => size_of::<Self>(),
            Self::Snapshot(data) => data.get().len(),
        }
    }
}

/// What the application gets from its queue.
#[derive(Debug)]
pub enum Taken {
    /// The next thing.
    Item(Item),
    /// Everything is taken, and the room waits to go on: once
    /// [`Connection::room_caught_up`](super::Connection::room_caught_up) is told, call
    /// [`RoomQueue::go_on`].
    CaughtUp,
    /// Nothing waits.
    Nothing,
}

/// What follows when something didn't fit. Nothing is let in meanwhile: it was decided upon before
/// the room went back, and would come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    Off,
    /// The application has not taken everything.
    Full,
    /// It has, and the connection has not heard of it.
    CaughtUp,
}

/// The queue of one room, between the connection's notices and the application.
///
/// Where a push returns a place, the notice didn't fit:
/// [`Connection::room_overflowed`](super::Connection::room_overflowed) must be told at once.
#[derive(Debug)]
pub struct RoomQueue {
    items: VecDeque<Item>,
    bounds: Bounds,
    /// How many events are in `items`.
    events: usize,
    /// How many bytes are in `items`.
    bytes: usize,
    /// What was handed over last. The events of one item are handed over together: the application
    /// gets them before anything that is fetched again.
    handed: (Arc<str>, u64),
    /// What was queued last.
    last: (Arc<str>, u64),
    pause: Pause,
}

impl RoomQueue {
    /// Rows from which on an item is large enough.
    const MOST_ROWS: usize = 64;

    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            items: VecDeque::new(),
            bounds,
            events: 0,
            bytes: 0,
            handed: Default::default(),
            last: Default::default(),
            pause: Pause::Off,
        }
    }

    /// The room's place in its log, before anything was queued: see
    /// [`Notice::Joined`](super::Notice::Joined).
    pub fn begin(&mut self, epoch: Arc<str>, offset: u64) {
        self.last = (epoch.clone(), offset);
        self.handed = (epoch, offset);
    }

    /// Queues events. `Some` if they don't fit: they must be fetched again after this place.
    #[must_use]
    pub fn push(&mut self, epoch: &Arc<str>, events: Events) -> Option<(Arc<str>, u64)> {
        if self.pause != Pause::Off || events.is_empty() {
            return None;
        }
        let bytes = events.size();
        if !self.has_room(events.len(), bytes) {
            return Some(self.overflow());
        }
        self.events += events.len();
        self.bytes += bytes;
        if let Some(offset) = events.last_offset() {
            self.last = (epoch.clone(), offset);
        }
        match self.items.back_mut() {
            // What comes in many small frames is still taken with one look.
            Some(Item::Events { epoch: known, rows })
                if Arc::ptr_eq(known, epoch) && rows.len() < Self::MOST_ROWS =>
            {
                rows.push(events);
            }
            _ => self.items.push_back(Item::Events { epoch: epoch.clone(), rows: vec![events] }),
        }
        None
    }

    /// Queues a gap, behind which the room stands at `offset` of `epoch`. `Some` if it doesn't
    /// fit: the room must be fetched again after this place, and the gap will be said again.
    #[must_use]
    pub fn push_gap(&mut self, gap: Gap, epoch: Arc<str>, offset: u64) -> Option<(Arc<str>, u64)> {
        if self.pause != Pause::Off {
            return None;
        }
        // Neighbours become one.
        match self.items.back_mut() {
            Some(Item::Gap { gap: last, offset: behind, .. })
                if last.to > 0 && gap.from == last.to + 1 =>
            {
                (last.to, *behind) = (gap.to, offset);
                self.last = (epoch, offset);
                return None;
            }
            Some(last @ Item::Gap { .. }) if gap.to == 0 => {
                *last = Item::Gap { gap, epoch: epoch.clone(), offset };
                self.last = (epoch, offset);
                return None;
            }
            _ => {}
        }
        let item = Item::Gap { gap, epoch: epoch.clone(), offset };
        let bytes = item.bytes();
        if !self.has_room(0, bytes) {
            return Some(self.overflow());
        }
        self.bytes += bytes;
        self.last = (epoch, offset);
        self.items.push_back(item);
        None
    }

    /// Queues the room's state. It is let in however large it is, with the join or the gap that it
    /// belongs to: nothing would bring it again.
    pub fn push_snapshot(&mut self, data: Box<RawValue>) {
        if self.pause != Pause::Off {
            return;
        }
        if let Some(Item::Snapshot(before)) = self.items.back() {
            self.bytes -= before.get().len();
            self.items.pop_back();
        }
        self.bytes += data.get().len();
        self.items.push_back(Item::Snapshot(data));
    }

    /// The room goes on: what comes from now on is let in.
    pub fn go_on(&mut self) {
        self.pause = Pause::Off;
    }

    /// The next thing for the application.
    pub fn take(&mut self) -> Taken {
        if let Some(item) = self.items.pop_front() {
            self.bytes -= item.bytes();
            match &item {
                Item::Events { epoch, rows } => {
                    self.events -= rows.iter().map(Events::len).sum::<usize>();
                    if let Some(offset) = rows.last().and_then(Events::last_offset) {
                        self.handed = (epoch.clone(), offset);
                    }
                }
                Item::Gap { epoch, offset, .. } => self.handed = (epoch.clone(), *offset),
                Item::Snapshot(_) => {}
            }
            return Taken::Item(item);
        }
        if self.pause == Pause::Full {
            self.pause = Pause::CaughtUp;
            return Taken::CaughtUp;
        }
        Taken::Nothing
    }

    /// The place behind what was taken last.
    pub fn handed(&self) -> (Arc<str>, u64) {
        self.handed.clone()
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.events
    }

    /// One thing is always let in, however large, or it could never be delivered.
    fn has_room(&self, events: usize, bytes: usize) -> bool {
        self.items.is_empty()
            || (self.events + events <= self.bounds.events
                && self.bytes + bytes <= self.bounds.bytes)
    }

    fn overflow(&mut self) -> (Arc<str>, u64) {
        self.pause = Pause::Full;
        self.last.clone()
    }
}
