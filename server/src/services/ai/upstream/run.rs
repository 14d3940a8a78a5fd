//! One answer on its way: ask, read, ask again where that helps, and end in order.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use sse_stream::Sse;
use tokio::time::{Instant, sleep, timeout_at};

use super::client::Upstream;
use super::events::Events;
use super::fault::Fault;
use super::fences::findings;
use super::retry;
use crate::services::ai::cancel::CancelSignal;
use crate::services::ai::provider::{Chunk, ChunkStream, ErrorCode, ProviderError};

/// How much of a refusal is read.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;

/// The language of a provider's stream. One is made for each try.
pub(in crate::services::ai) trait Dialect:
    Default + Send + 'static
{
    /// What an event says; `None` for nothing that matters here.
    fn read(&mut self, event: &Sse) -> Result<Option<Piece>, Fault>;

    /// Whether the answer was whole, where the stream ends now without saying so.
    fn is_whole(&self) -> bool;
}

/// What events are about.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::services::ai) enum Piece {
    /// More text, never empty.
    Token(String),
    /// The answer is whole.
    End,
}

/// The answer to a request, which is sent when the stream is first polled.
pub(in crate::services::ai) fn answer<D: Dialect>(
    upstream: Arc<Upstream>,
    request: Bytes,
    cancel: CancelSignal,
) -> ChunkStream {
    let run = Run::<D> {
        upstream,
        request,
        deadline: None,
        reading: None,
        tries: 0,
        text: String::new(),
    };
    stream::unfold(Some((run, cancel)), step).boxed()
}

type State<D> = Option<(Run<D>, CancelSignal)>;

async fn step<D: Dialect>(state: State<D>) -> Option<(Result<Chunk, ProviderError>, State<D>)> {
    let (mut run, mut cancel) = state?;
    let said = tokio::select! {
        biased;
        () = cancel.cancelled() => Err(ProviderError::cancelled()),
        said = run.next() => said,
    };
    // Whatever ends the stream drops the run, and the connection with it.
    let goes_on = matches!(said, Ok(Chunk::Token(_)));
    Some((said, goes_on.then_some((run, cancel))))
}

struct Run<D> {
    upstream: Arc<Upstream>,
    request: Bytes,
    /// When the time for all of it is up; set when it begins.
    deadline: Option<Instant>,
    /// Set while an answer is being read.
    reading: Option<(Events, D)>,
    tries: u32,
    /// The answer so far.
    text: String,
}

impl<D: Dialect> Run<D> {
    async fn next(&mut self) -> Result<Chunk, ProviderError> {
        let total = Duration::from_millis(self.upstream.timeouts.total_ms);
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + total);
        match timeout_at(deadline, self.chunk()).await {
            Ok(said) => said,
            Err(_) => Err(self.report(Fault::too_late("the answer took too long"))),
        }
    }

    async fn chunk(&mut self) -> Result<Chunk, ProviderError> {
        loop {
            let fault = match self.piece().await {
                Ok(Piece::Token(token)) => return self.pass_on(token),
                Ok(Piece::End) => {
                    let (sql, chart_config) = findings(&self.text);
                    return Ok(Chunk::Complete { sql, chart_config });
                }
                Err(fault) => fault,
            };
            // The connection of the try that failed ends before the next begins.
            self.reading = None;
            let wait = self.wait_before_next(&fault);
            let error = self.report(fault);
            match wait {
                Some(wait) => sleep(wait).await,
                None => return Err(error),
            }
        }
    }

    fn pass_on(&mut self, token: String) -> Result<Chunk, ProviderError> {
        let limit = self.upstream.limits.max_text_bytes;
        if self.text.len() + token.len() > limit {
            return Err(self.report(Fault::too_long(limit)));
        }
        self.text.push_str(&token);
        Ok(Chunk::Token(token))
    }

    async fn piece(&mut self) -> Result<Piece, Fault> {
        let (events, dialect) = match &mut self.reading {
            Some(reading) => reading,
            None => {
                self.tries += 1;
                let events = ask(&self.upstream, self.request.clone()).await?;
                self.reading.insert((events, D::default()))
            }
        };
        loop {
            match events.next().await.map_err(|error| Fault::unread(&error))? {
                Some(event) => {
                    if let Some(piece) = dialect.read(&event)? {
                        return Ok(piece);
                    }
                }
                None if dialect.is_whole() => return Ok(Piece::End),
                None => return Err(Fault::cut_short()),
            }
        }
    }

    /// How long to wait for another try, if there is to be one. After the first token there is none: it
    /// would say everything twice.
    fn wait_before_next(&self, fault: &Fault) -> Option<Duration> {
        let may = fault.is_passing && self.text.is_empty() && self.tries <= self.upstream.retries;
        let random = getrandom::u64().unwrap_or_default();
        retry::wait(self.tries, fault.error.retry_after_ms, random).filter(|_| may)
    }

    /// Tells the log what happened; the client is told less.
    fn report(&self, fault: Fault) -> ProviderError {
        let (provider, code) = (self.upstream.provider, fault.error.code);
        let detail = self.upstream.quote(&fault.detail);
        if code == ErrorCode::Unauthorized {
            tracing::error!(provider, detail, "the AI provider refused the key; check it");
        } else {
            tracing::warn!(
                provider,
                code = code.as_str(),
                tries = self.tries,
                detail,
                "a try to get an answer failed"
            );
        }
        fault.error
    }
}

/// Sends the request; the stream of events, if that is what comes back.
async fn ask(upstream: &Upstream, request: Bytes) -> Result<Events, Fault> {
    let first = Instant::now() + Duration::from_millis(upstream.timeouts.first_byte_ms);
    let idle = Duration::from_millis(upstream.timeouts.idle_ms);
    let response = match timeout_at(first, upstream.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(Fault::not_reached(&error)),
        Err(_) => return Err(Fault::too_late("no answer began in time")),
    };
    let status = response.status();
    if !status.is_success() {
        let headers = response.headers().clone();
        let body = refusal(response, Instant::now() + idle).await;
        return Err(Fault::of_status(status.as_u16(), &headers, &body));
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    if !kind.to_ascii_lowercase().starts_with("text/event-stream") {
        let body = refusal(response, Instant::now() + idle).await;
        let detail = format!("the answer is {kind:?} and not a stream of events: {body}");
        return Err(Fault::not_understood(detail));
    }
    Ok(Events::of(response, first, idle, upstream.limits.max_event_bytes))
}

/// The beginning of a body that is no answer, as far as it comes in time.
async fn refusal(mut response: reqwest::Response, deadline: Instant) -> String {
    let mut body = Vec::new();
    while body.len() < MAX_REFUSAL_BYTES
        && let Ok(Ok(Some(bytes))) = timeout_at(deadline, response.chunk()).await
    {
        body.extend_from_slice(&bytes[..bytes.len().min(MAX_REFUSAL_BYTES - body.len())]);
    }
    String::from_utf8_lossy(&body).into_owned()
}
