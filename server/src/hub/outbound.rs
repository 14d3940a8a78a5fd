//! What waits to leave on one connection: a bounded queue that is emptied a whole frame at a time.
//!
//! It never waits to fill a frame: whatever is there when the socket is ready leaves together, so
//! that a lone event is not late and a burst is one frame.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use staywire::wire::{BatchWriter, binary};

use crate::bus::StoredEvent;

/// A WebSocket message, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
    /// An event that leaves alone, where no batches are written.
    Event {
        /// The room that it is of, by the connection's number.
        subscription: u32,
        /// Its place in the log; 0 if it is in none.
        offset: u64,
        /// The event.
        event: Arc<StoredEvent>,
    },
    /// A ping of the WebSocket layer.
    Ping,
}

#[derive(Debug)]
enum Item {
    Event { subscription: u32, offset: u64, event: Arc<StoredEvent> },
    Frame(String),
    Ping,
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Event { event, .. } => event.size(),
            Self::Frame(text) => text.len(),
            Self::Ping => 0,
        }
    }
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// A subscription fell behind, and its events must be read from the log.
    behind: bool,
    /// The size of the last event that didn't fit.
    refused: usize,
    closing: Option<(u16, &'static str)>,
    /// The event that was taken and has not left yet, where they leave one by one.
    in_hand: Option<(u32, u64)>,
}

/// Called when there is something to send or to read from a log; must not block.
pub type Waker = Box<dyn Fn() + Send + Sync>;

/// The queue of one connection.
pub struct Outbound {
    queue: Mutex<Queue>,
    max_bytes: usize,
    /// Events one by one instead of batches.
    plain: bool,
    wake: Waker,
}

impl Outbound {
    /// A frame is closed when it holds this many bytes; what is left goes into the next.
    const FRAME_BYTES: usize = 64 * 1024;

    /// An empty queue of at most `max_bytes` bytes of events. A `plain` one gives each event by
    /// itself, without its offset.
    pub fn new(max_bytes: usize, plain: bool, wake: Waker) -> Self {
        Self { queue: Mutex::default(), max_bytes, plain, wake }
    }

    /// Queues an event unless the queue is full; then it must be read from the log later.
    pub(super) fn event(&self, subscription: u32, offset: u64, event: &Arc<StoredEvent>) -> bool {
        let mut queue = self.lock();
        // One event is always let in, however large, or it could never leave.
        if !queue.items.is_empty() && queue.bytes + event.size() > self.max_bytes {
            queue.refused = event.size();
            return false;
        }
        self.push(&mut queue, Item::Event { subscription, offset, event: event.clone() });
        true
    }

    /// Queues a frame that is no room's event. Those are bounded by the commands that a client
    /// may send before it reads.
    pub fn frame(&self, json: String) {
        let mut queue = self.lock();
        self.push(&mut queue, Item::Frame(json));
    }

    /// Queues a frame that places a subscription in a log; the documents have no such frames.
    pub(super) fn control(&self, json: String) {
        if !self.plain {
            self.frame(json);
        }
    }

    /// Queues a frame of the documents that stands for one that places a subscription in a log.
    pub(super) fn plain_frame(&self, json: String) {
        if self.plain {
            self.frame(json);
        }
    }

    /// Queues a ping of the WebSocket layer, for peers that know no other.
    pub fn ping(&self) {
        let mut queue = self.lock();
        self.push(&mut queue, Item::Ping);
    }

    /// Ends the connection with this close code and reason, once all that waits has left.
    pub fn close(&self, code: u16, reason: &'static str) {
        self.lock().closing.get_or_insert((code, reason));
        (self.wake)();
    }

    /// How to close, once nothing waits any more.
    pub fn closing(&self) -> Option<(u16, &'static str)> {
        let queue = self.lock();
        queue.closing.filter(|_| queue.items.is_empty())
    }

    /// Notes that a subscription must be caught up from its log.
    pub(super) fn fell_behind(&self) {
        self.lock().behind = true;
        (self.wake)();
    }

    /// Whether [`Outbound::take_behind`] would say yes.
    pub fn can_catch_up(&self) -> bool {
        self.has_room(&self.lock())
    }

    /// Whether a subscription must be caught up, and there is room for it. Clears the note.
    pub fn take_behind(&self) -> bool {
        let mut queue = self.lock();
        let room = self.has_room(&queue);
        if room {
            queue.behind = false;
        }
        room
    }

    /// Whether a subscription is behind and the event that didn't fit would now; with less room
    /// it would be read and refused without end.
    fn has_room(&self, queue: &Queue) -> bool {
        let enough =
            queue.bytes <= self.max_bytes / 2 && queue.bytes + queue.refused <= self.max_bytes;
        queue.behind && (queue.items.is_empty() || enough)
    }

    /// Whoever took a message has sent it.
    pub fn left(&self) {
        self.lock().in_hand = None;
    }

    /// The offset of the first event of a subscription that has not left.
    pub(super) fn first_waiting(&self, wanted: u32) -> Option<u64> {
        let queue = self.lock();
        let waiting = queue.items.iter().filter_map(|item| match item {
            Item::Event { subscription, offset, .. } => Some((*subscription, *offset)),
            _ => None,
        });
        let mut events = queue.in_hand.into_iter().chain(waiting);
        events.find(|(of, offset)| *of == wanted && *offset > 0).map(|(_, offset)| offset)
    }

    /// Whether so much waits that no more commands should be read.
    pub fn is_clogged(&self) -> bool {
        self.lock().bytes > self.max_bytes.saturating_mul(2)
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The next message: all that waits, up to the size of a frame.
    pub fn take(&self) -> Option<Outgoing> {
        let mut queue = self.lock();
        if self.plain {
            let item = Self::pop(&mut queue)?;
            return Some(match item {
                Item::Event { subscription, offset, event } => {
                    queue.in_hand = (offset > 0).then_some((subscription, offset));
                    Outgoing::Event { subscription, offset, event }
                }
                Item::Frame(text) => Outgoing::Text(text),
                Item::Ping => Outgoing::Ping,
            });
        }
        match queue.items.front()? {
            Item::Ping => {
                Self::pop(&mut queue);
                Some(Outgoing::Ping)
            }
            Item::Event { event, .. } if event.binary.is_some() => {
                Some(Outgoing::Binary(Self::take_binary(&mut queue)))
            }
            _ => Some(Outgoing::Text(Self::take_text(&mut queue))),
        }
    }

    fn take_text(queue: &mut Queue) -> String {
        let mut writer = BatchWriter::default();
        while writer.len() < Self::FRAME_BYTES {
            match queue.items.front() {
                Some(Item::Event { event, .. }) if event.binary.is_some() => break,
                Some(Item::Ping) | None => break,
                Some(_) => {}
            }
            match Self::pop(queue) {
                Some(Item::Event { subscription, offset, event }) => {
                    writer.event(subscription, offset, &event.json);
                }
                Some(Item::Frame(text)) => writer.frame(&text),
                Some(Item::Ping) | None => break,
            }
        }
        writer.finish()
    }

    fn take_binary(queue: &mut Queue) -> Bytes {
        let mut frame = BytesMut::new();
        while frame.len() < Self::FRAME_BYTES {
            let Some(Item::Event { subscription, offset, event }) = queue.items.front() else {
                break;
            };
            let Some(payload) = &event.binary else { break };
            binary::write_event(&mut frame, *subscription, *offset, &event.json, payload);
            Self::pop(queue);
        }
        frame.freeze()
    }

    fn push(&self, queue: &mut Queue, item: Item) {
        queue.bytes += item.size();
        queue.items.push_back(item);
        if queue.items.len() == 1 {
            (self.wake)();
        }
    }

    fn pop(queue: &mut Queue) -> Option<Item> {
        let item = queue.items.pop_front()?;
        queue.bytes -= item.size();
        Some(item)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Outbound").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound(max_bytes: usize) -> Outbound {
        Outbound::new(max_bytes, false, Box::new(|| {}))
    }

    fn event(json: &str) -> Arc<StoredEvent> {
        Arc::new(StoredEvent { json: json.into(), binary: None, at_ms: 0 })
    }

    #[test]
    fn what_waits_leaves_in_one_frame_and_a_lone_event_at_once() {
        let out = outbound(1_000);
        out.event(1, 5, &event(r#"{"type":"a"}"#));
        assert_eq!(out.take(), Some(Outgoing::Text(r#"[1,5,[{"type":"a"}]]"#.into())));
        for offset in 6..9 {
            out.event(1, offset, &event(r#"{"type":"a"}"#));
        }
        out.frame(r#"{"type":"pong"}"#.into());
        let text = r#"[1,6,[{"type":"a"},{"type":"a"},{"type":"a"}],0,0,[{"type":"pong"}]]"#;
        assert_eq!(out.take(), Some(Outgoing::Text(text.into())));
        assert_eq!((out.take(), out.bytes()), (None, 0));
    }

    #[test]
    fn it_is_bounded_and_a_large_event_still_leaves() {
        let out = outbound(20);
        assert!(out.event(1, 1, &event(&"x".repeat(50))));
        assert!(!out.event(1, 2, &event("y")));
        out.fell_behind();
        assert!(!out.take_behind(), "there is no room yet");
        out.take();
        assert!(out.take_behind() && !out.take_behind());
    }

    #[test]
    fn a_large_event_is_not_tried_again_before_there_is_room_for_it() {
        let out = outbound(20);
        assert!(out.event(1, 1, &event("xxxx")));
        assert!(!out.event(1, 2, &event(&"y".repeat(18))));
        out.fell_behind();
        assert!(!out.take_behind(), "a fifth is taken, and the event would not fit");
        out.take();
        assert!(out.take_behind());
    }

    #[test]
    fn binary_events_keep_their_place_among_text() {
        let out = outbound(1_000);
        let image = Arc::new(StoredEvent {
            json: r#"{"type":"i"}"#.into(),
            binary: Some(Bytes::from_static(b"\0\xff")),
            at_ms: 0,
        });
        out.event(1, 1, &event(r#"{"type":"a"}"#));
        out.event(1, 2, &image);
        out.event(1, 3, &event(r#"{"type":"b"}"#));
        assert!(matches!(out.take(), Some(Outgoing::Text(_))));
        assert!(matches!(out.take(), Some(Outgoing::Binary(_))));
        assert_eq!(out.take(), Some(Outgoing::Text(r#"[1,3,[{"type":"b"}]]"#.into())));
    }
}
