//! Server-sent events out of a body that arrives in pieces, cut anywhere.
//!
//! It never holds more than one event, which has a limit, and what was read with it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use sse_stream::{Sse, SseByteStream};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

/// How much is looked at before the limit is. A read may bring many events, and must not count as one.
const STEP_BYTES: usize = 4_096;

/// Why no more events come.
#[derive(Debug, Error)]
pub(super) enum ReadError {
    /// Nothing came for too long.
    #[error("nothing came in time")]
    Silent,
    /// An event is longer than the limit.
    #[error("an event is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Lost(reqwest::Error),
    /// These bytes are no events.
    #[error("no events: {0}")]
    NotEvents(sse_stream::Error),
}

type Reads = BoxStream<'static, Result<Bytes, ReadError>>;

/// The events of one answer.
pub(super) struct Events {
    events: Pin<Box<SseByteStream<Reads>>>,
    /// Bytes handed to the parser since it last made an event of them.
    unfinished: Arc<AtomicUsize>,
}

impl Events {
    /// The events of a response, whose first byte has to be there by `first`, and each further read
    /// within `idle`.
    pub(super) fn of(
        response: reqwest::Response,
        first: Instant,
        idle: Duration,
        max_event_bytes: usize,
    ) -> Self {
        let reads = stream::unfold(Some((response, first)), move |state| async move {
            let (mut response, deadline) = state?;
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(bytes))) => Some((Ok(bytes), Some((response, Instant::now() + idle)))),
                Ok(Ok(None)) => None,
                Ok(Err(error)) => Some((Err(ReadError::Lost(error.without_url())), None)),
                Err(_) => Some((Err(ReadError::Silent), None)),
            }
        });
        Self::new(reads, max_event_bytes)
    }

    fn new(
        reads: impl Stream<Item = Result<Bytes, ReadError>> + Send + 'static,
        max_event_bytes: usize,
    ) -> Self {
        let unfinished = Arc::new(AtomicUsize::new(0));
        let count = unfinished.clone();
        let state = (reads.boxed(), Bytes::new());
        let steps = stream::unfold(state, move |(mut reads, mut rest)| {
            let count = count.clone();
            async move {
                while rest.is_empty() {
                    match reads.next().await? {
                        Ok(bytes) => rest = bytes,
                        Err(error) => return Some((Err(error), (reads, rest))),
                    }
                }
                let step = rest.split_to(rest.len().min(STEP_BYTES));
                let held = count.fetch_add(step.len(), Ordering::Relaxed);
                if held >= max_event_bytes {
                    return Some((Err(ReadError::TooLong(max_event_bytes)), (reads, rest)));
                }
                Some((Ok(step), (reads, rest)))
            }
        });
        Self { events: Box::pin(SseByteStream::new(steps.boxed())), unfinished }
    }

    /// The next event, or `None` where the body ended in good order. Nothing comes after an error.
    pub(super) async fn next(&mut self) -> Result<Option<Sse>, ReadError> {
        let event = self.events.next().await;
        self.unfinished.store(0, Ordering::Relaxed);
        match event {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(sse_stream::Error::Body(error))) => match error.downcast::<ReadError>() {
                Ok(error) => Err(*error),
                Err(error) => Err(ReadError::NotEvents(sse_stream::Error::Body(error))),
            },
            Some(Err(error)) => Err(ReadError::NotEvents(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = ": a comment\r\n\r\nevent: one\r\ndata: Grüße, 世界 🦀\r\n\r\n\
                        data:first\ndata: second\n\n: ping\n\nid: 7\ndata: [DONE]\n\n";

    async fn read(pieces: Vec<Bytes>, limit: usize) -> Result<Vec<(String, String)>, ReadError> {
        let mut events = Events::new(stream::iter(pieces.into_iter().map(Ok)), limit);
        let mut all = Vec::new();
        while let Some(event) = events.next().await? {
            all.push((event.event.unwrap_or_default(), event.data.unwrap_or_default()));
        }
        Ok(all)
    }

    fn expected() -> Vec<(String, String)> {
        [("one", "Grüße, 世界 🦀"), ("", "first\nsecond"), ("", "[DONE]")]
            .map(|(event, data)| (event.to_owned(), data.to_owned()))
            .into()
    }

    #[tokio::test]
    async fn a_body_means_the_same_wherever_it_is_cut() {
        let body = Bytes::from_static(BODY.as_bytes());
        for at in 0..=body.len() {
            let pieces = vec![body.slice(..at), body.slice(at..)];
            assert_eq!(read(pieces, 1_000).await.unwrap(), expected(), "cut at {at}");
        }
        let bytes = (0..body.len()).map(|at| body.slice(at..=at)).collect();
        assert_eq!(read(bytes, 1_000).await.unwrap(), expected());
    }

    #[tokio::test]
    async fn an_event_without_its_empty_line_is_none() {
        let pieces = vec![Bytes::from_static(b"data: a\n\ndata: b\n")];
        assert_eq!(read(pieces, 1_000).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_given_up_at_the_limit() {
        let reads = stream::repeat_with(|| Ok(Bytes::from_static(&[b'x'; 1_000])));
        let mut events = Events::new(reads, 10_000);
        assert!(matches!(events.next().await, Err(ReadError::TooLong(10_000))));
        assert!(matches!(events.next().await, Ok(None)));
    }

    #[tokio::test]
    async fn lines_that_never_make_an_event_are_given_up_too() {
        let reads = stream::repeat_with(|| Ok(Bytes::from_static(b"data: more\n")));
        let mut events = Events::new(reads, 10_000);
        assert!(matches!(events.next().await, Err(ReadError::TooLong(10_000))));
    }

    #[tokio::test]
    async fn many_events_in_one_read_are_each_measured_alone() {
        let body = Bytes::from("data: 0123456789\n\n".repeat(5_000));
        assert_eq!(read(vec![body], 5_000).await.unwrap().len(), 5_000);
    }

    #[tokio::test]
    async fn text_that_is_not_utf8_is_no_event() {
        let read = read(vec![Bytes::from_static(b"data: \xff\xfe\n\n")], 1_000).await;
        assert!(matches!(read, Err(ReadError::NotEvents(_))));
    }
}
