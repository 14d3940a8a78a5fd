//! Runs a session over a WebSocket: one task reads, one writes, neither waits for the other.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gateway::Refusal;
use crate::hub::{Outbound, Outgoing};
use crate::server::{Parts, Phase};
use crate::session::{Caller, Dialect, Session};
use crate::time::unix_ms;

/// How long a connection that is being closed may take to read why.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// How long to look away from a client that sends more than it reads.
const CLOGGED: Duration = Duration::from_millis(20);

/// Session time: ms since the Unix epoch, but never running backwards.
#[derive(Clone, Copy)]
struct Clock {
    origin: Instant,
    origin_ms: u64,
}

impl Clock {
    fn new() -> Self {
        Self { origin: Instant::now(), origin_ms: unix_ms() }
    }

    fn now_ms(&self) -> u64 {
        let passed = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.origin_ms.saturating_add(passed)
    }

    fn instant(&self, ms: u64) -> Instant {
        self.origin + Duration::from_millis(ms.saturating_sub(self.origin_ms))
    }
}

/// Runs a connection until it ends.
pub(crate) async fn run(socket: WebSocket, parts: Arc<Parts>, caller: Caller, dialect: Dialect) {
    let plain = dialect != Dialect::V1;
    let to_write = Arc::new(Notify::new());
    let behind = Arc::new(Notify::new());
    let wake = {
        let to_write = to_write.clone();
        Box::new(move || to_write.notify_one())
    };
    let max_bytes = parts.config.limits.outbound_queue_bytes;
    let out = Arc::new(Outbound::new(max_bytes, plain, wake));
    let (sink, stream) = socket.split();
    let mut writer = tokio::spawn(write(sink, out.clone(), to_write, behind.clone()));
    let clock = Clock::new();
    let session =
        Session::new(parts.sessions.clone(), caller, dialect, out.clone(), clock.now_ms());
    let mut reader = Reader { session, stream, out, behind, clock, parts };
    tokio::select! {
        refusal = reader.run() => {
            if let Some(refusal) = refusal {
                metrics::counter!("staywire_refusals_total", "code" => refusal.code()).increment(1);
                reader.session.refuse(&refusal);
                let _ = tokio::time::timeout(GOODBYE, &mut writer).await;
            }
        }
        _ = &mut writer => {}
    }
    writer.abort();
}

struct Reader {
    session: Session,
    stream: SplitStream<WebSocket>,
    out: Arc<Outbound>,
    behind: Arc<Notify>,
    clock: Clock,
    parts: Arc<Parts>,
}

impl Reader {
    /// Reads until the peer is gone (`None`) or has to be refused.
    async fn run(&mut self) -> Option<Refusal> {
        let mut phase = self.parts.phase.subscribe();
        phase.mark_changed();
        if let Err(refusal) = self.session.start(self.clock.now_ms()).await {
            return Some(refusal);
        }
        loop {
            // A client that never reads is not read either. It is still on the clock, and found dead.
            let clogged = self.out.is_clogged();
            let deadline = self.clock.instant(self.session.deadline());
            let handled = tokio::select! {
                message = self.stream.next(), if !clogged => match message {
                    Some(Ok(message)) => self.handle(message).await,
                    // A frame over the limit ends the stream with an error that names it.
                    Some(Err(error)) => return self.broken(&error),
                    None => return None,
                },
                () = self.behind.notified() => self.catch_up().await,
                () = tokio::time::sleep_until(deadline) => {
                    self.session.handle_timeout(self.clock.now_ms())
                }
                () = tokio::time::sleep(CLOGGED), if clogged => Ok(()),
                _ = phase.changed() => {
                    let phase = *phase.borrow_and_update();
                    self.enter_phase(phase)
                }
            };
            if let Err(refusal) = handled {
                return Some(refusal);
            }
        }
    }

    async fn handle(&mut self, message: Message) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        match message {
            Message::Text(text) => self.session.handle_text(&text, now_ms).await,
            Message::Binary(bytes) => self.session.handle_binary(&bytes, now_ms).await,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {
                self.session.handle_heard(now_ms)
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Refusal> {
        if self.out.take_behind() {
            self.session.catch_up(self.clock.now_ms()).await?;
        }
        Ok(())
    }

    fn enter_phase(&self, phase: Phase) -> Result<(), Refusal> {
        match phase {
            Phase::Open => Ok(()),
            Phase::Draining { window_ms } => {
                // A moment of its own for each client, so that they don't all come at once.
                let share = getrandom::u64().unwrap_or(0) % window_ms.max(1);
                self.session.goaway("drain", share);
                Ok(())
            }
            Phase::Closing => Err(Refusal::Draining { retry_after_ms: 1_000 }),
        }
    }

    /// What to say to a peer whose stream can't be read on; nothing if it is just gone.
    fn broken(&self, error: &axum::Error) -> Option<Refusal> {
        // The text, since the error's type belongs to a crate behind axum, of a version of its own.
        let text = error.to_string();
        tracing::debug!(error = %text, "a connection broke");
        if text.contains("too long") {
            let limit_bytes = self.parts.config.limits.max_frame_bytes;
            return Some(Refusal::TooLarge { what: "the frame", limit_bytes });
        }
        let is_gone = text.contains("without closing handshake");
        let breaks_rules = text.contains("protocol error") || text.contains("UTF-8");
        (breaks_rules && !is_gone)
            .then(|| Refusal::BadRequest(format!("this is no WebSocket message: {text}")))
    }
}

/// Sends what is queued, a whole frame at a time, until told to close or the socket breaks.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    out: Arc<Outbound>,
    to_write: Arc<Notify>,
    behind: Arc<Notify>,
) {
    loop {
        while let Some(message) = out.take() {
            let message = match message {
                Outgoing::Text(text) => Message::Text(text.into()),
                Outgoing::Binary(bytes) => Message::Binary(bytes),
                Outgoing::Ping => Message::Ping(bytes::Bytes::new()),
            };
            metrics::counter!("staywire_frames_sent_total").increment(1);
            if sink.send(message).await.is_err() {
                return;
            }
            if out.can_catch_up() {
                behind.notify_one();
            }
        }
        if let Some((code, reason)) = out.closing() {
            let close = CloseFrame { code, reason: reason.into() };
            let _ = sink.send(Message::Close(Some(close))).await;
            return;
        }
        if out.can_catch_up() {
            behind.notify_one();
        }
        to_write.notified().await;
    }
}
