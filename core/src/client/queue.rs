//! What waits for the application: bounded, and never silently dropped.
//!
//! A room's queue that overflows takes no more until the application has emptied it, and the rest
//! is fetched again from the last event in it: each round brings the application forward, however
//! little fits. A queue of events that can't be fetched again turns what it drops into a gap.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use serde_json::value::RawValue;

use crate::engine::{Gap, GapReason};
use crate::wire::Event;

use super::error::JoinError;
use super::events::ClientEvent;

/// How much may wait in one queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// What waits in a room's queue.
#[derive(Debug)]
pub(super) enum Item {
    /// Events that came together: never none, and either all logged or none of them.
    Events {
        epoch: Arc<str>,
        events: Vec<Event>,
    },
    /// A gap, and where the room stands behind it.
    Gap {
        gap: Gap,
        epoch: Arc<str>,
        offset: u64,
    },
    Snapshot(Box<RawValue>),
}

#[derive(Debug, Default)]
struct RoomState {
    items: VecDeque<Item>,
    /// How many events are in `items`, and their bytes.
    events: usize,
    bytes: usize,
    /// The last event that was handed over. The events of one item are handed over together: the
    /// application gets them before anything that is fetched again.
    handed: (Arc<str>, u64),
    /// The last event that was queued.
    last: (Arc<str>, u64),
    pause: Pause,
    ended: Option<JoinError>,
    waker: Option<Waker>,
}

/// What follows when something didn't fit. Nothing is let in meanwhile: it was decided upon before
/// the room went back, and would come twice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pause {
    #[default]
    Off,
    /// The application has not taken everything.
    Full,
    /// It has, and the connection's task has not heard of it.
    CaughtUp,
}

/// The queue of one room.
#[derive(Debug, Clone)]
pub(super) struct RoomQueue {
    state: Arc<Mutex<RoomState>>,
    bounds: Bounds,
}

/// What the application gets from its queue.
pub(super) enum Taken {
    Item(Item),
    /// Everything is taken, and the room waits to go on.
    CaughtUp,
    Ended,
}

impl RoomQueue {
    /// Events from which on a run is long enough.
    const RUN: usize = 64;

    pub(super) fn new(bounds: Bounds) -> Self {
        Self { state: Arc::default(), bounds }
    }

    /// The room's place in its log, before any event was handed over.
    pub(super) fn begin(&self, epoch: Arc<str>, offset: u64) {
        let mut state = lock(&self.state);
        state.last = (epoch.clone(), offset);
        state.handed = (epoch, offset);
    }

    /// Queues events. `Some` if they don't fit: they must be fetched again after this one, the
    /// last that was queued.
    pub(super) fn push(&self, epoch: &Arc<str>, events: Vec<Event>) -> Option<(Arc<str>, u64)> {
        let mut state = lock(&self.state);
        if state.pause != Pause::Off || events.is_empty() {
            return None;
        }
        let bytes = size(&events);
        let fits = state.events + events.len() <= self.bounds.events
            && state.bytes + bytes <= self.bounds.bytes;
        // One batch is always let in, however large, or it could never be delivered; a gap or a
        // state before it comes with it each time.
        if !fits && state.bytes > 0 {
            state.pause = Pause::Full;
            wake(&mut state);
            return Some(state.last.clone());
        }
        state.events += events.len();
        state.bytes += bytes;
        if let Some(offset) = events.last().and_then(Event::offset) {
            state.last = (epoch.clone(), offset);
        }
        match state.items.back_mut() {
            // Frames of one event each become a run as well, taken with one look.
            Some(Item::Events { epoch: known, events: waiting })
                if Arc::ptr_eq(known, epoch) && waiting.len() < Self::RUN =>
            {
                waiting.extend(events);
            }
            _ => state.items.push_back(Item::Events { epoch: epoch.clone(), events }),
        }
        wake(&mut state);
        None
    }

    /// The room goes on: what comes from now on is let in.
    pub(super) fn go_on(&self) {
        lock(&self.state).pause = Pause::Off;
    }

    /// Queues a gap; behind it the room stands at `offset` of `epoch`.
    pub(super) fn push_gap(&self, gap: Gap, epoch: Arc<str>, offset: u64) {
        let mut state = lock(&self.state);
        if state.pause != Pause::Off {
            // It lies behind what must be fetched again, and will be said again with it.
            return;
        }
        state.last = (epoch.clone(), offset);
        // Neighbours become one, so that gaps that nobody reads take no room.
        match state.items.back_mut() {
            Some(Item::Gap { gap: last, offset: behind, .. })
                if last.to > 0 && gap.from == last.to + 1 =>
            {
                (last.to, *behind) = (gap.to, offset);
            }
            Some(last @ Item::Gap { .. }) if gap.to == 0 => {
                *last = Item::Gap { gap, epoch, offset };
            }
            _ => state.items.push_back(Item::Gap { gap, epoch, offset }),
        }
        wake(&mut state);
    }

    pub(super) fn push_snapshot(&self, data: Box<RawValue>) {
        let mut state = lock(&self.state);
        if let Some(Item::Snapshot(_)) = state.items.back() {
            state.items.pop_back();
        }
        state.items.push_back(Item::Snapshot(data));
        wake(&mut state);
    }

    pub(super) fn end(&self, error: JoinError) {
        let mut state = lock(&self.state);
        state.ended.get_or_insert(error);
        wake(&mut state);
    }

    pub(super) fn error(&self) -> Option<JoinError> {
        lock(&self.state).ended.clone()
    }

    pub(super) fn handed(&self) -> (Arc<str>, u64) {
        lock(&self.state).handed.clone()
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut state = lock(&self.state);
        if let Some(item) = state.items.pop_front() {
            match &item {
                Item::Events { epoch, events } => {
                    state.events -= events.len();
                    state.bytes -= size(events);
                    if let Some(offset) = events.last().and_then(Event::offset) {
                        state.handed = (epoch.clone(), offset);
                    }
                }
                Item::Gap { epoch, offset, .. } => state.handed = (epoch.clone(), *offset),
                Item::Snapshot(_) => {}
            }
            return Poll::Ready(Taken::Item(item));
        }
        if state.ended.is_some() {
            return Poll::Ready(Taken::Ended);
        }
        if state.pause == Pause::Full {
            state.pause = Pause::CaughtUp;
            return Poll::Ready(Taken::CaughtUp);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn size(events: &[Event]) -> usize {
    events.iter().map(Event::size).sum()
}

fn wake(state: &mut RoomState) {
    if let Some(waker) = state.waker.take() {
        waker.wake();
    }
}

#[derive(Debug, Default)]
struct EventState {
    items: VecDeque<ClientEvent>,
    bytes: usize,
    closed: bool,
    waker: Option<Waker>,
}

/// The queue of one subscriber to what belongs to no room.
#[derive(Debug, Clone)]
pub(super) struct EventQueue {
    state: Arc<Mutex<EventState>>,
    bounds: Bounds,
}

impl EventQueue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { state: Arc::default(), bounds }
    }

    /// Whether anybody still reads it.
    pub(super) fn is_read(&self) -> bool {
        Arc::strong_count(&self.state) > 1
    }

    pub(super) fn push(&self, event: ClientEvent) {
        let mut state = lock(&self.state);
        let size = event.size();
        let fits =
            state.items.len() < self.bounds.events && state.bytes + size <= self.bounds.bytes;
        if !fits && !state.items.is_empty() {
            // The server can't be asked for these again: what was dropped is said.
            state.items.clear();
            state.bytes = 0;
            let gap = Gap { room: None, from: 0, to: 0, reason: GapReason::Overflow };
            state.items.push_back(ClientEvent::Gap(gap));
        }
        state.bytes += size;
        state.items.push_back(event);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        let mut state = lock(&self.state);
        if let Some(event) = state.items.pop_front() {
            state.bytes -= event.size();
            return Poll::Ready(Some(event));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
