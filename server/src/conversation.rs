//! Runs the session of one connection: what arrives, what time brings, what becomes of the server.
//!
//! How messages come and go is the transport's affair: a stream of them comes in, and what the
//! session says waits in its [`Outbound`] queue for whoever writes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gateway::Refusal;
use crate::hub::Outbound;
use crate::server::{Parts, Phase};
use crate::session::{Caller, Dialect, Session, StockEvent};
use crate::time::unix_ms;

/// How long a connection that is being closed may take to read why.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// How long to look away from a client that sends more than it reads.
const CLOGGED: Duration = Duration::from_millis(20);

/// What arrives on a connection.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// A text message of a WebSocket, or what stands for one.
    Text(Utf8Bytes),
    /// A binary one.
    Binary(Bytes),
    /// An event of a stock Socket.IO client.
    Event(StockEvent),
    /// A sign of life without words.
    Heard,
}

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

/// What the task that writes needs of a conversation.
#[derive(Clone)]
pub(crate) struct Outlet {
    /// What waits to leave.
    pub(crate) out: Arc<Outbound>,
    /// There is something to write.
    pub(crate) to_write: Arc<Notify>,
    behind: Arc<Notify>,
}

impl Outlet {
    /// Has the session read on in the logs if there is room for it now. To be called after every
    /// message that left.
    pub(crate) fn left(&self) {
        self.out.left();
        if self.out.can_catch_up() {
            self.behind.notify_one();
        }
    }
}

/// One connection's session, at work.
pub(crate) struct Conversation {
    session: Session,
    outlet: Outlet,
    clock: Clock,
    parts: Arc<Parts>,
    leaves: bool,
    /// When a client that can't be told to leave is sent away.
    leave_ms: u64,
}

impl Conversation {
    pub(crate) fn new(parts: Arc<Parts>, caller: Caller, dialect: Dialect) -> Self {
        let to_write = Arc::new(Notify::new());
        let wake = {
            let to_write = to_write.clone();
            Box::new(move || to_write.notify_one())
        };
        let max_bytes = parts.config.limits.outbound_queue_bytes;
        let out = Arc::new(Outbound::new(max_bytes, dialect != Dialect::V1, wake));
        let clock = Clock::new();
        let leaves = matches!(dialect, Dialect::Stock { .. });
        let session =
            Session::new(parts.sessions.clone(), caller, dialect, out.clone(), clock.now_ms());
        let outlet = Outlet { out, to_write, behind: Arc::default() };
        Self { session, outlet, clock, parts, leaves, leave_ms: u64::MAX }
    }

    /// For the task that writes.
    pub(crate) fn outlet(&self) -> Outlet {
        self.outlet.clone()
    }

    /// Starts it, before anything is read.
    pub(crate) async fn start(&mut self) -> Result<(), Refusal> {
        self.session.start(self.clock.now_ms()).await
    }

    /// Reads until the peer is gone (`None`) or has to be refused. The stream ends with the peer,
    /// and gives a refusal for what may not be sent.
    pub(crate) async fn run(
        &mut self,
        mut incoming: impl Stream<Item = Result<Incoming, Refusal>> + Unpin,
    ) -> Option<Refusal> {
        let mut phase = self.parts.phase.subscribe();
        phase.mark_changed();
        loop {
            // A client that never reads is not read either. It is still on the clock, and found dead.
            let clogged = self.outlet.out.is_clogged();
            let deadline = self.clock.instant(self.session.deadline().min(self.leave_ms));
            let handled = tokio::select! {
                message = incoming.next(), if !clogged => match message {
                    Some(Ok(message)) => self.handle(message).await,
                    Some(Err(refusal)) => Err(refusal),
                    None => return None,
                },
                () = self.outlet.behind.notified() => self.catch_up().await,
                () = tokio::time::sleep_until(deadline) => self.handle_timeout(),
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

    /// The connection broke, and its client may come back. `unsent` are the first events, by
    /// subscription, that left the queue and got no further.
    pub(crate) fn went_away(&self, unsent: &BTreeMap<u32, u64>) {
        self.session.went_away(unsent, self.clock.now_ms());
    }

    /// Says why it ends, and ends it.
    pub(crate) fn refuse(&self, refusal: &Refusal) {
        metrics::counter!("staywire_refusals_total", "code" => refusal.code()).increment(1);
        self.session.refuse(refusal);
    }

    async fn handle(&mut self, message: Incoming) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        match message {
            Incoming::Text(text) => self.session.handle_text(&text, now_ms).await,
            Incoming::Binary(bytes) => self.session.handle_binary(&bytes, now_ms).await,
            Incoming::Event(event) => self.session.handle_event(event, now_ms).await,
            Incoming::Heard => self.session.handle_heard(now_ms),
        }
    }

    fn handle_timeout(&mut self) -> Result<(), Refusal> {
        let now_ms = self.clock.now_ms();
        if self.leave_ms <= now_ms {
            return Err(Refusal::Draining { retry_after_ms: 1_000 });
        }
        self.session.handle_timeout(now_ms)
    }

    async fn catch_up(&mut self) -> Result<(), Refusal> {
        if self.outlet.out.take_behind() {
            self.session.catch_up(self.clock.now_ms()).await?;
        }
        Ok(())
    }

    fn enter_phase(&mut self, phase: Phase) -> Result<(), Refusal> {
        match phase {
            Phase::Open => Ok(()),
            Phase::Draining { window_ms } => {
                // A moment of its own for each client, so that they don't all come at once.
                let share = getrandom::u64().unwrap_or(0) % window_ms.max(1);
                if self.leaves {
                    self.leave_ms = self.clock.now_ms().saturating_add(share);
                } else {
                    self.session.goaway("drain", share);
                }
                Ok(())
            }
            Phase::Closing => Err(Refusal::Draining { retry_after_ms: 1_000 }),
        }
    }
}
