//! What waits for the application: bounded, and never silently dropped.
//!
//! A room's queue that overflows takes no more until the application has emptied it, and the rest is
//! fetched again from the last event in it: each round brings the application forward, however
//! little fits. A queue of events that can't be fetched again turns what it drops into a gap.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use serde_json::value::RawValue;

use crate::engine::{Gap, GapReason};
use crate::wire::Event;

use super::error::JoinError;
use super::events::ClientEvent;
use super::room::RoomEvent;

/// How much may wait in one queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
enum Item {
    Event { epoch: Arc<str>, event: Event },
    Gap(Gap),
    Snapshot(Box<RawValue>),
}

#[derive(Debug, Default)]
struct RoomState {
    items: VecDeque<Item>,
    bytes: usize,
    /// The last event that the application took.
    handed: (Arc<str>, u64),
    /// The last event that was queued.
    last: (Arc<str>, u64),
    /// Something didn't fit; the room goes on when the application has taken everything.
    paused: bool,
    ended: Option<JoinError>,
    waker: Option<Waker>,
}

/// The queue of one room.
#[derive(Debug, Clone)]
pub(super) struct RoomQueue {
    state: Arc<Mutex<RoomState>>,
    bounds: Bounds,
}

/// What the application gets from its queue.
pub(super) enum Taken {
    Event(RoomEvent),
    /// Everything is taken, and the room waits to go on.
    CaughtUp,
    Ended,
}

impl RoomQueue {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { state: Arc::default(), bounds }
    }

    /// The room's place in its log, before any event was handed over.
    pub(super) fn begin(&self, epoch: Arc<str>, offset: u64) {
        let mut state = lock(&self.state);
        state.last = (epoch.clone(), offset);
        state.handed = (epoch, offset);
    }

    /// Queues events. `Some` if they don't fit: they must be fetched again after this one, the last
    /// that was queued.
    pub(super) fn push(&self, epoch: &Arc<str>, events: Vec<Event>) -> Option<(Arc<str>, u64)> {
        let mut state = lock(&self.state);
        if state.paused {
            return None;
        }
        let bytes: usize = events.iter().map(Event::size).sum();
        let fits = state.items.len() + events.len() <= self.bounds.events
            && state.bytes + bytes <= self.bounds.bytes;
        // One batch is always let in, however large, or it could never be delivered; a gap before it
        // comes with it each time.
        if !fits && state.bytes > 0 {
            state.paused = true;
            wake(&mut state);
            return Some(state.last.clone());
        }
        state.bytes += bytes;
        if let Some(offset) = events.last().and_then(Event::offset) {
            state.last = (epoch.clone(), offset);
        }
        let items = events.into_iter().map(|event| Item::Event { epoch: epoch.clone(), event });
        state.items.extend(items);
        wake(&mut state);
        None
    }

    pub(super) fn push_gap(&self, gap: Gap) {
        let mut state = lock(&self.state);
        if state.paused {
            // It lies behind what must be fetched again, and will be said again with it.
            return;
        }
        if gap.to > 0 {
            state.last.1 = gap.to;
        }
        // Neighbours become one, so that gaps that nobody reads take no room.
        match state.items.back_mut() {
            Some(Item::Gap(last)) if last.to > 0 && gap.from == last.to + 1 => last.to = gap.to,
            Some(Item::Gap(last)) if last.to == 0 && gap.to == 0 => last.reason = gap.reason,
            _ => state.items.push_back(Item::Gap(gap)),
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
            return Poll::Ready(Taken::Event(match item {
                Item::Event { epoch, event } => {
                    state.bytes -= event.size();
                    if let Some(offset) = event.offset() {
                        state.handed = (epoch, offset);
                    }
                    RoomEvent::Event(event)
                }
                Item::Gap(gap) => {
                    if gap.to > 0 {
                        state.handed.1 = gap.to;
                    }
                    RoomEvent::Gap(gap)
                }
                Item::Snapshot(data) => RoomEvent::Snapshot(data),
            }));
        }
        if state.ended.is_some() {
            return Poll::Ready(Taken::Ended);
        }
        if state.paused {
            state.paused = false;
            return Poll::Ready(Taken::CaughtUp);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
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
