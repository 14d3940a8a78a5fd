//! One connection's conversation: frames in, frames out, limits kept, silence judged.
//!
//! A session is as free of I/O as can be: it is told messages and the time, and answers through
//! its [`Outbound`] queue. The gateway runs it over a socket, the simulation over a model of one.

mod away;
mod commands;
mod liveness;
mod plain;
mod stock;
mod typed;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use staywire::wire::control::{ErrorData, Goaway};
use staywire::wire::encode_frame;

use crate::bus::BusError;
use crate::config::{DedupConfig, HeartbeatConfig, LimitsConfig};
use crate::gateway::Identity;
use crate::gateway::limits::CommandLimiter;
use crate::gateway::refusal::Refusal;
use crate::hub::{Hub, Membership, Outbound};
pub use away::AwayPlaces;
pub(crate) use commands::{check_kind, check_room, reply_to};
use liveness::Liveness;
pub use stock::StockEvent;
pub(crate) use typed::read_data;

/// Who sends a command.
#[derive(Debug, Clone)]
pub struct Caller {
    /// As proven at the upgrade.
    pub identity: Identity,
    /// The client instance, the same on all its links; empty before the hello.
    pub instance: String,
    /// The session id of the documents, on connections that have one.
    pub session_id: Option<String>,
}

/// What a session needs of the services: rights, and answers to calls.
pub trait Services: Send + Sync {
    /// Whether the caller may be in a room. Where that can't be known now, the refusal says when to ask
    /// again.
    fn may_join<'a>(
        &'a self,
        caller: &'a Caller,
        room: &'a str,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<(), Refusal>>;

    /// Whether the caller may publish this event in a room.
    fn may_publish(
        &self,
        caller: &Caller,
        room: &str,
        kind: &str,
        data: Option<&RawValue>,
    ) -> Result<(), Refusal>;

    /// Answers a call. It must answer soon: long work is started here and goes on elsewhere.
    fn call<'a>(
        &'a self,
        caller: &'a Caller,
        method: &'a str,
        data: Option<&'a RawValue>,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Box<RawValue>, Refusal>>;

    /// The caller has come to a room; what is returned is dropped when they leave it.
    fn appear(&self, caller: &Caller, room: &str) -> Option<Permit>;

    /// Whether a client instance may come in; the permit is kept as long as the connection.
    fn enter(&self, caller: &Caller) -> Result<Permit, Refusal>;
}

/// A place that is taken until it is dropped.
pub type Permit = Box<dyn Send + Sync>;

/// What sessions of one server have in common.
pub struct Shared {
    /// The rooms.
    pub hub: Arc<Hub>,
    /// Rights and calls.
    pub services: Arc<dyn Services>,
    /// How much a connection may use.
    pub limits: LimitsConfig,
    /// The pace of pings.
    pub heartbeat: HeartbeatConfig,
    /// How publishes are remembered.
    pub dedup: DedupConfig,
    /// Where stock clients stood when their connections broke.
    pub away: AwayPlaces,
}

/// What a connection speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// `staywire.v1`.
    V1,
    /// The documents' frames, with these rooms joined from the start.
    Plain {
        /// Names without their tenant.
        rooms: Vec<String>,
    },
    /// Events of a stock Socket.IO client, with these rooms joined from the start.
    Stock {
        /// Names without their tenant.
        rooms: Vec<String>,
    },
}

/// A room that a connection is in.
struct Stay {
    membership: Membership,
    /// Kept until it is left.
    _appearance: Option<Permit>,
}

/// One connection's conversation.
pub struct Session {
    shared: Arc<Shared>,
    caller: Caller,
    out: Arc<Outbound>,
    dialect: Dialect,
    producer: String,
    /// Kept as long as the session: the instance's place. `None` before the hello.
    permit: Option<Permit>,
    memberships: BTreeMap<u32, Stay>,
    /// A plain connection's rooms are numbered by the server.
    numbered: u32,
    limiter: CommandLimiter,
    /// Of what costs next to nothing and is never answered with a refusal.
    signs: CommandLimiter,
    liveness: Liveness,
}

impl Session {
    /// A session that waits for its hello, or is ready at once if it is plain.
    pub fn new(
        shared: Arc<Shared>,
        caller: Caller,
        dialect: Dialect,
        out: Arc<Outbound>,
        now_ms: u64,
    ) -> Self {
        let limiter = CommandLimiter::new(&shared.limits, now_ms);
        let signs = CommandLimiter::for_signs(&shared.limits, now_ms);
        let liveness = Liveness::new(&shared, &caller.identity, now_ms);
        Self {
            shared,
            caller,
            out,
            dialect,
            producer: String::new(),
            permit: None,
            memberships: BTreeMap::new(),
            numbered: 0,
            limiter,
            signs,
            liveness,
        }
    }

    /// Starts the conversation; a plain connection gets its rooms here.
    pub async fn start(&mut self, now_ms: u64) -> Result<(), Refusal> {
        match self.dialect.clone() {
            Dialect::V1 => Ok(()),
            Dialect::Plain { rooms } | Dialect::Stock { rooms } => {
                self.start_plain(&rooms, now_ms).await
            }
        }
    }

    /// A text message arrived. An error ends the connection: see [`Session::refuse`].
    pub async fn handle_text(&mut self, text: &str, now_ms: u64) -> Result<(), Refusal> {
        self.liveness.heard(now_ms);
        match self.dialect {
            Dialect::V1 => self.command(text.as_bytes(), None, now_ms).await,
            _ => self.plain_command(text.as_bytes(), now_ms).await,
        }
    }

    /// A binary message arrived.
    pub async fn handle_binary(&mut self, frame: &Bytes, now_ms: u64) -> Result<(), Refusal> {
        self.liveness.heard(now_ms);
        if self.dialect != Dialect::V1 {
            return Err(Refusal::BadRequest("plain connections take text frames only".into()));
        }
        let records = staywire::wire::binary::decode(frame)
            .map_err(|error| Refusal::BadRequest(error.to_string()))?;
        for record in records {
            self.command(&record.header, Some(record.payload), now_ms).await?;
        }
        Ok(())
    }

    /// An event of a stock Socket.IO client arrived.
    pub async fn handle_event(&mut self, event: StockEvent, now_ms: u64) -> Result<(), Refusal> {
        self.liveness.heard(now_ms);
        if !matches!(self.dialect, Dialect::Stock { .. }) {
            return Err(Refusal::BadRequest("this connection takes frames, and no events".into()));
        }
        self.stock_event(event, now_ms).await;
        Ok(())
    }

    /// A ping or pong of the WebSocket layer arrived. An error ends the connection.
    pub fn handle_heard(&mut self, now_ms: u64) -> Result<(), Refusal> {
        self.liveness.heard(now_ms);
        self.signs.check(now_ms)
    }

    /// When [`Session::handle_timeout`] wants to be called, in ms on the clock that is passed in.
    pub fn deadline(&self) -> u64 {
        self.liveness.deadline(self.memberships.is_empty())
    }

    /// Time passed: pings a silent peer, and ends what may not go on.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), Refusal> {
        let idle = self.memberships.is_empty();
        if self.liveness.check(now_ms, idle)? == liveness::Todo::Ping {
            match self.dialect {
                Dialect::V1 => self.out.frame(encode_frame::<()>("ping", None, None)),
                Dialect::Plain { .. } => {
                    // Such a peer may know nothing of our heartbeat: its WebSocket layer answers.
                    self.plain_heartbeat(now_ms);
                    self.out.ping();
                }
                Dialect::Stock { .. } => {
                    self.plain_heartbeat(now_ms);
                    // Whether it lives is for the heartbeat of its own transport to say.
                    self.liveness.heard(now_ms);
                }
            }
        }
        Ok(())
    }

    /// Reads what is missing from the logs of rooms that fell behind.
    pub async fn catch_up(&mut self, now_ms: u64) -> Result<(), Refusal> {
        // A piece of each in turn, so that a busy room can't keep the others waiting.
        let mut behind: Vec<&Membership> =
            self.memberships.values().map(|stay| &stay.membership).collect();
        while !behind.is_empty() {
            let mut more = Vec::new();
            for membership in behind {
                let hub = &self.shared.hub;
                let caught = hub.catch_up(membership, &self.out, now_ms).await;
                if caught.map_err(|error| unavailable(&error))? {
                    more.push(membership);
                }
            }
            behind = more;
        }
        Ok(())
    }

    /// Asks the client to make another link in `reconnect_after_ms`.
    pub fn goaway(&self, reason: &'static str, reconnect_after_ms: u64) {
        if self.dialect == Dialect::V1 {
            let goaway = Goaway { reason: reason.into(), reconnect_after_ms };
            self.out.frame(encode_frame("goaway", None, Some(&goaway)));
        }
    }

    /// The connection broke: notes where it stood, for when the client comes back. `unsent` are the
    /// first events, by subscription, that left the queue and got no further.
    pub fn went_away(&self, unsent: &BTreeMap<u32, u64>, now_ms: u64) {
        for (subscription, stay) in &self.memberships {
            let handed_on = self.shared.hub.handed_on(&stay.membership, &self.out);
            if let Some((epoch, offset)) = handed_on {
                let first = unsent.get(subscription).copied().unwrap_or(u64::MAX);
                let place = (epoch, offset.min(first - 1));
                let room = stay.membership.room().room();
                self.shared.away.keep(&self.caller, room, place, now_ms);
            }
        }
    }

    /// Says why the connection ends, and ends it.
    pub fn refuse(&self, refusal: &Refusal) {
        self.out.frame(error_frame(None, refusal));
        self.out.close(refusal.close_code(), refusal.code());
    }

    /// Keeps a room that was joined.
    fn stay(&mut self, subscription: u32, membership: Membership) {
        let room = membership.room().room();
        let appearance = self.shared.services.appear(&self.caller, room);
        self.memberships.insert(subscription, Stay { membership, _appearance: appearance });
    }

    /// Who this is.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for stay in self.memberships.values() {
            self.shared.hub.leave(&stay.membership);
        }
    }
}

fn error_frame(id: Option<u32>, refusal: &Refusal) -> String {
    let body = refusal.body();
    let error = ErrorData {
        code: body.code,
        message: body.message.as_str().into(),
        retry_after_ms: body.retry_after_ms,
    };
    encode_frame("error", id, Some(&error))
}

/// What a store that can't be reached means to whoever asked for something in it.
pub(crate) fn unavailable(error: &BusError) -> Refusal {
    match error {
        BusError::Unreachable(_) => {
            tracing::error!(%error, "the bus failed");
            Refusal::Unavailable { what: "the store of rooms", retry_after_ms: 1_000 }
        }
        BusError::TooManyProducers => {
            tracing::warn!(%error, "a client can't publish");
            Refusal::RateLimited { what: "clients that publish", retry_after_ms: 60_000 }
        }
    }
}
