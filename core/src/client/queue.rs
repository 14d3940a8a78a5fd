//! What waits for the application: bounded, and never silently dropped.
//!
//! A room's queue is [`RoomQueue`]. A queue of events that can't be fetched again turns what it
//! drops into a gap.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::JoinError;
use super::events::ClientEvent;
use crate::connection::{Bounds, RoomQueue, Taken};
use crate::engine::{Gap, GapReason};

#[derive(Debug)]
struct RoomState {
    queue: RoomQueue,
    ended: Option<JoinError>,
    waker: Option<Waker>,
}

/// The queue of one room, shared by the connection's task, which fills it, and the application,
/// which takes from it.
#[derive(Debug, Clone)]
pub(super) struct SharedRoomQueue {
    state: Arc<Mutex<RoomState>>,
}

impl SharedRoomQueue {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = RoomState { queue: RoomQueue::new(bounds), ended: None, waker: None };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Changes the queue, and wakes who waits for it.
    pub(super) fn fill<T>(&self, change: impl FnOnce(&mut RoomQueue) -> T) -> T {
        let mut state = lock(&self.state);
        let changed = change(&mut state.queue);
        wake(&mut state.waker);
        changed
    }

    pub(super) fn end(&self, error: JoinError) {
        let mut state = lock(&self.state);
        state.ended.get_or_insert(error);
        wake(&mut state.waker);
    }

    pub(super) fn error(&self) -> Option<JoinError> {
        lock(&self.state).ended.clone()
    }

    pub(super) fn handed(&self) -> (Arc<str>, u64) {
        lock(&self.state).queue.handed()
    }

    /// What comes next; [`Taken::Nothing`] once the room has ended.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut state = lock(&self.state);
        match state.queue.take() {
            Taken::Nothing if state.ended.is_none() => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
            taken => Poll::Ready(taken),
        }
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
        wake(&mut state.waker);
    }

    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        wake(&mut state.waker);
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

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use super::*;
    use crate::connection::Refusal;

    #[test]
    fn what_a_server_says_of_itself_counts_and_what_is_dropped_is_said() {
        let queue = EventQueue::new(Bounds { events: 100, bytes: 1_000 });
        let said = |letter: &str| {
            let refusal = Refusal::new("x", letter.repeat(300));
            ClientEvent::ServerError(refusal)
        };
        for letter in ["a", "b", "c", "d"] {
            queue.push(said(letter));
            assert!(lock(&queue.state).bytes <= 1_000);
        }
        let mut cx = Context::from_waker(Waker::noop());
        let mut next = || match queue.poll(&mut cx) {
            Poll::Ready(Some(event)) => event,
            other => panic!("{other:?}"),
        };
        assert!(
            matches!(next(), ClientEvent::Gap(Gap { reason: GapReason::Overflow, .. })),
            "three were dropped"
        );
        let ClientEvent::ServerError(last) = next() else { panic!("not what came last") };
        assert!(last.message.starts_with('d'));
        assert_eq!(lock(&queue.state).bytes, 0);
    }
}
