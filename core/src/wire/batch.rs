//! Batches of events, cut out of their frame when they are taken.

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

use super::error::WireError;
use super::event::{Event, Extra};
#[cfg(feature = "socketio")]
use super::socketio::EventParts;

/// Events of one subscription, in order of their offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The subscription; 0 for frames that are no room's events.
    pub subscription: u32,
    /// The events, or the frames.
    pub events: Events,
}

/// The batches of a frame, in order.
pub type Batches = SmallVec<[Batch; 1]>;

/// Where an event's JSON text stands in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// Of the events of a batch. The lone one that most frames of a quiet room bring takes no
/// allocation.
pub(super) type Spans = SmallVec<[Span; 2]>;

/// Events in a row, still in the frame that brought them: each is cut out when it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events {
    frame: Bytes,
    spans: Spans,
    /// The first one's offset; 0 if they have none.
    first: u64,
    /// What makes a lone event another than its JSON. Boxed, since it is rare.
    extra: Option<Box<Extra>>,
}

impl Events {
    pub(super) fn new(frame: Bytes, spans: Spans, first: u64) -> Self {
        Self { frame, spans, first, extra: None }
    }

    /// One event that is the whole of `json`.
    pub(crate) fn lone(json: Bytes, first: u64, payload: Option<Bytes>) -> Result<Self, WireError> {
        let span = Span { start: 0, end: length(&json)? };
        let extra = payload.map(Extra::Binary).map(Box::new);
        Ok(Self { frame: json, spans: Spans::from_slice(&[span]), first, extra })
    }

    /// One event of no room that is Socket.IO's.
    #[cfg(feature = "socketio")]
    pub(crate) fn of_socketio(json: Bytes, parts: EventParts) -> Result<Self, WireError> {
        let mut events = Self::lone(json, 0, None)?;
        events.extra = Some(Box::new(Extra::SocketIo(parts)));
        Ok(events)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The first one's offset; 0 if they have none.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last one's offset; `None` if they have none.
    pub fn last_offset(&self) -> Option<u64> {
        (self.first > 0 && !self.is_empty())
            .then(|| self.first.saturating_add(self.len() as u64 - 1))
    }

    /// Bytes of all events, for bounds on queues.
    pub fn size(&self) -> usize {
        let text: usize = self.spans.iter().map(|span| (span.end - span.start) as usize).sum();
        text + self.extra.as_ref().map_or(0, |extra| extra.size())
    }

    /// Forgets the first `count` events.
    pub fn skip_first(&mut self, count: usize) {
        let count = count.min(self.len());
        self.spans.drain(..count);
        if self.first > 0 {
            self.first = self.first.saturating_add(count as u64);
        }
    }
}

impl IntoIterator for Events {
    type Item = Event;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        let Self { frame, spans, first, extra } = self;
        IntoIter { frame, spans: spans.into_iter(), next: first, extra }
    }
}

/// Takes the events out of [`Events`], one by one.
#[derive(Debug)]
pub struct IntoIter {
    frame: Bytes,
    spans: smallvec::IntoIter<[Span; 2]>,
    next: u64,
    extra: Option<Box<Extra>>,
}

impl Iterator for IntoIter {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        let span = self.spans.next()?;
        let (start, end) = (span.start as usize, span.end as usize);
        // The last one takes the frame with it: one reference less to count.
        let json = if self.spans.len() == 0 {
            let mut frame = std::mem::take(&mut self.frame);
            frame.truncate(end);
            frame.advance(start);
            frame
        } else {
            self.frame.slice(start..end)
        };
        let offset = self.next;
        if offset > 0 {
            self.next = offset.saturating_add(1);
        }
        Some(Event::new(json, self.extra.take(), offset))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

/// The length of a text that events can be cut out of.
pub(super) fn length(text: &[u8]) -> Result<u32, WireError> {
    u32::try_from(text.len())
        .map_err(|_| WireError::NotAFrame { reason: "it is longer than 4 GiB".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(first: u64) -> Events {
        let spans =
            [Span { start: 1, end: 3 }, Span { start: 4, end: 6 }, Span { start: 7, end: 9 }];
        Events::new(Bytes::from_static(b"[{},[],{}]"), Spans::from_slice(&spans), first)
    }

    #[test]
    fn events_are_cut_out_in_order_with_their_offsets() {
        let taken: Vec<_> = events(7).into_iter().collect();
        let texts: Vec<&[u8]> = taken.iter().map(Event::raw).collect();
        assert_eq!(texts, [b"{}", b"[]", b"{}"]);
        let offsets: Vec<_> = taken.iter().map(Event::offset).collect();
        assert_eq!(offsets, [Some(7), Some(8), Some(9)]);
        assert_eq!((events(7).last_offset(), events(7).size()), (Some(9), 6));
    }

    #[test]
    fn the_first_ones_can_be_forgotten_and_unlogged_ones_have_no_offset() {
        let mut rest = events(7);
        rest.skip_first(2);
        assert_eq!((rest.first(), rest.len(), rest.last_offset()), (9, 1, Some(9)));
        rest.skip_first(5);
        assert!(rest.is_empty());
        assert!(events(0).into_iter().all(|event| event.offset().is_none()));
        assert_eq!(events(0).last_offset(), None);
    }
}
