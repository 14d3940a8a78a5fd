//! The `data` of every control frame of `staywire.v1`. docs/protocol.md says what each is for.
//!
//! Unknown fields are ignored on reading, so that either side may add some.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `hello`: the first frame of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The client instance: the same on all its links, unguessable.
    #[serde(borrow)]
    pub instance: Cow<'a, str>,
    /// What publishes of this client are numbered under.
    #[serde(borrow)]
    pub producer: Cow<'a, str>,
    /// The name and version of the client, for logs.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    /// The rooms to go on with.
    #[serde(borrow, default)]
    pub rooms: Vec<Join<'a>>,
}

/// `join`, and an entry of `hello`: subscribes to a room.
///
/// With `epoch` and `offset` it resumes; with `history` it begins with that many past events;
/// with neither it begins at the tip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Join<'a> {
    /// The client's number for it, from 1, never used twice on one link.
    pub subscription: u32,
    /// The room, without its tenant.
    #[serde(borrow)]
    pub room: Cow<'a, str>,
    /// The epoch that `offset` belongs to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Cow<'a, str>>,
    /// The last event that the application has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How many past events are wanted at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<u32>,
}

/// `leave`: ends a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Which.
    pub subscription: u32,
}

/// `publish`: appends an event to a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Publish<'a> {
    /// The producer's number for it: growing, never used for two events.
    pub sequence: u64,
    /// The event, an object with `type` and `data`.
    #[serde(borrow)]
    pub event: &'a RawValue,
}

/// `welcome`: the server's greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome<'a> {
    /// Who the server takes the client for.
    #[serde(borrow)]
    pub subject: Cow<'a, str>,
    /// The client's tenant.
    #[serde(borrow)]
    pub tenant: Cow<'a, str>,
    /// Names the store that remembers publishes; another name means that it forgot.
    #[serde(borrow)]
    pub store: Cow<'a, str>,
    /// How long a publish is remembered, in milliseconds.
    pub dedup_window_ms: u64,
    /// How many publishes of one producer are remembered.
    #[serde(default = "default_entries")]
    pub dedup_entries: u32,
    /// The largest frame that the server takes, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_frame_bytes: Option<u64>,
    /// When a silent peer is dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// How long the token that opened this link will live, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_expires_in_ms: Option<u64>,
    /// The name and version of the server, for logs.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Cow<'a, str>>,
}

/// What a server that doesn't say must remember at least.
fn default_entries() -> u32 {
    1_024
}

/// Part of `welcome`: a peer that was silent for `interval_ms` is pinged, and dead after
/// `timeout_ms` more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// In milliseconds.
    pub interval_ms: u64,
    /// In milliseconds.
    pub timeout_ms: u64,
}

/// `joined`, `resumed` and `epoch`: binds a subscription to a room's log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bound<'a> {
    /// Which.
    pub subscription: u32,
    /// The room, without its tenant.
    #[serde(borrow)]
    pub room: Cow<'a, str>,
    /// The log's epoch.
    #[serde(borrow)]
    pub epoch: Cow<'a, str>,
    /// Deliveries go on after this offset.
    pub offset: u64,
    /// The log's last offset at this time.
    pub tip: u64,
    /// What the room keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// The room's state as of `offset`, where the room has such a thing.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<&'a RawValue>,
}

/// What a room keeps of its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Most events.
    pub max_events: u64,
    /// Greatest age in milliseconds.
    pub max_age_ms: u64,
}

/// `gap`: events that will never be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap<'a> {
    /// Which subscription.
    pub subscription: u32,
    /// The room, without its tenant.
    #[serde(borrow)]
    pub room: Cow<'a, str>,
    /// First missing offset.
    pub from: u64,
    /// Last missing offset.
    pub to: u64,
    /// Why: `expired`, or another word that the client hands on.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

/// `refused`: a subscription that is not, or no longer, allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused<'a> {
    /// Which.
    pub subscription: u32,
    /// The room, without its tenant.
    #[serde(borrow)]
    pub room: Cow<'a, str>,
    /// Why, for programs.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// Why, for people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// When to ask again, in milliseconds; without it, not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// `error`: the refusal of a call or publish (with an `id`), or of the connection (without).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData<'a> {
    /// Why, for programs.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// Why, for people.
    #[serde(borrow)]
    pub message: Cow<'a, str>,
    /// When to try again, in milliseconds; without it, not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// `goaway`: the server wants this link gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goaway<'a> {
    /// Why, for logs: `drain`, `rebalance`.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// When to make another link, in milliseconds; different for each client.
    pub reconnect_after_ms: u64,
}

/// The data of the `reply` to a publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The log's epoch.
    pub epoch: String,
    /// The event's offset in it.
    pub offset: u64,
}
