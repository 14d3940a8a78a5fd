//! Where rooms' logs live, and how an event reaches every instance: the seam between the hub and
//! a store.
//!
//! A bus knows logs, offsets, repeats, and whose a log is. It knows no connections, no rights and no
//! frames: what follows from a log's being somebody's is decided above.

mod dedup;
mod evict;
pub mod memory;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// The full name of a room, `{tenant}/{room}`: no two tenants can share one by accident.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey(Arc<str>);

impl RoomKey {
    /// The room `room` of `tenant`.
    pub fn new(tenant: &str, room: &str) -> Self {
        Self(Arc::from(format!("{tenant}/{room}")))
    }

    /// The tenant.
    pub fn tenant(&self) -> &str {
        self.0.split_once('/').map_or("", |(tenant, _)| tenant)
    }

    /// The name that clients use.
    pub fn room(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, room)| room)
    }
}

impl fmt::Display for RoomKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An event as it is kept and sent: written once, shared by all who get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// The JSON object `{"type", "data"}`.
    pub json: Arc<str>,
    /// The payload of a binary event.
    pub binary: Option<Bytes>,
    /// When it was appended, in ms since the Unix epoch.
    pub at_ms: u64,
}

impl StoredEvent {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.json.len() + self.binary.as_ref().map_or(0, Bytes::len)
    }
}

/// What a producer calls one of its publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Who publishes, `{tenant}/{subject}`.
    pub subject: String,
    /// Which of its clients.
    pub producer: String,
    /// The client's number for it.
    pub sequence: u64,
}

/// The first answer to a publish; a repeat gets the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstReply {
    /// It was appended.
    Appended {
        /// The log's epoch.
        epoch: Arc<str>,
        /// Its offset.
        offset: u64,
    },
    /// It was refused.
    Refused {
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
        /// When to try again, in ms.
        retry_after_ms: Option<u64>,
    },
}

/// What is known of a stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is new.
    New,
    /// It was answered.
    Answered(FirstReply),
    /// It is older than what is remembered: whether it took effect can't be told.
    Forgotten,
}

/// A piece of a log.
#[derive(Debug, Clone)]
pub struct Slice {
    /// The log's epoch.
    pub epoch: Arc<str>,
    /// The last offset of the log; 0 if there never was one.
    pub tip: u64,
    /// The oldest offset kept; `tip + 1` if none is.
    pub oldest: u64,
    /// The offset of the first event below.
    pub first: u64,
    /// Events in order, without holes.
    pub events: Vec<Arc<StoredEvent>>,
}

/// Why a bus can't do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The store can't be reached.
    #[error("the store of rooms can't be reached: {0}")]
    Unreachable(String),
    /// It remembers the publishes of as many clients as it can.
    #[error("the store remembers the publishes of as many clients as it can; try again later")]
    TooManyProducers,
}

/// Who is told of what happens in rooms. Called in the order of offsets, and never to wait.
pub trait Listener: Send + Sync {
    /// An event was appended.
    fn appended(&self, room: &RoomKey, epoch: &Arc<str>, offset: u64, event: &Arc<StoredEvent>);
    /// An event was sent that isn't logged.
    fn signalled(&self, room: &RoomKey, event: &Arc<StoredEvent>);
}

/// The logs of all rooms.
pub trait Bus: Send + Sync {
    /// Names the store that remembers publishes. Another name means that it forgot.
    fn store(&self) -> Arc<str>;

    /// Adds a listener for all rooms.
    fn listen(&self, listener: Arc<dyn Listener>);

    /// Appends an event, unless its stamp is known: one atomic step.
    fn append<'a>(
        &'a self,
        room: &'a RoomKey,
        event: StoredEvent,
        stamp: Option<&'a Stamp>,
    ) -> BoxFuture<'a, Result<Known, BusError>>;

    /// What is known of a stamp.
    fn recall<'a>(&'a self, stamp: &'a Stamp) -> BoxFuture<'a, Result<Known, BusError>>;

    /// Remembers that a publish was refused, so that a repeat is refused alike, and returns what
    /// is remembered: the first answer, if there was one already.
    fn refuse<'a>(
        &'a self,
        stamp: &'a Stamp,
        reply: FirstReply,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Known, BusError>>;

    /// Reads at most `limit` events after offset `after`, from the oldest kept if that is later.
    fn read<'a>(
        &'a self,
        room: &'a RoomKey,
        after: u64,
        limit: usize,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Slice, BusError>>;

    /// Makes a room `owner`'s unless it is somebody's already, in one atomic step; says whether it is
    /// that owner's now. It stays so for as long as the log is kept, and goes with it: nobody can come to
    /// own what another was told.
    fn claim<'a>(
        &'a self,
        room: &'a RoomKey,
        owner: &'a str,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<bool, BusError>>;

    /// Sends an event to whoever is in the room now.
    fn signal<'a>(
        &'a self,
        room: &'a RoomKey,
        event: StoredEvent,
    ) -> BoxFuture<'a, Result<(), BusError>>;
}
