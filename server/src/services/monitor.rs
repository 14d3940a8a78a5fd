//! What the server is doing, for whoever watches it: `get_stats` and `log_event` of the documents.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::payload;
use crate::gateway::Refusal;
use crate::gateway::limits::Places;
use crate::hub::Hub;
use crate::session::Caller;

/// As much of an event's data as is written down, in characters.
const LOGGED_CHARS: usize = 1_024;

/// Looks at the server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Monitor {
    hub: Arc<Hub>,
    places: Places,
    started: Instant,
}

#[derive(Serialize)]
struct Stats {
    /// Connections that are open, of every kind.
    total_connections: usize,
    /// Clients that are connected.
    active_sessions: usize,
    /// Rooms with somebody in them.
    active_rooms: usize,
    /// What the process has in memory, in bytes; null where the system doesn't tell.
    memory_usage: Option<usize>,
    /// For how long the server has been up, in seconds.
    uptime: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogEvent<'a> {
    event_type: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Done {}

impl Monitor {
    /// Of a server that starts now.
    pub(super) fn new(hub: Arc<Hub>, places: Places) -> Self {
        Self { hub, places, started: Instant::now() }
    }

    /// Connections that are open, of every kind.
    pub(super) fn connections(&self) -> usize {
        self.places.connections()
    }

    /// Rooms with somebody in them.
    pub(super) fn rooms(&self) -> usize {
        self.hub.occupied()
    }

    /// What the process has in memory, in bytes; `None` where the system doesn't tell.
    pub(super) fn memory(&self) -> Option<usize> {
        memory_stats::memory_stats().map(|memory| memory.physical_mem)
    }

    /// For how long the server has been up.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// `get_stats` -> `{total_connections, active_sessions, active_rooms, memory_usage, uptime}`.
    pub(super) fn stats(&self) -> Result<Box<RawValue>, Refusal> {
        payload::reply(&Stats {
            total_connections: self.connections(),
            active_sessions: self.places.instances(),
            active_rooms: self.rooms(),
            memory_usage: self.memory(),
            uptime: self.uptime().as_secs_f64(),
        })
    }
}

/// `log_event {event_type, data?}` -> `{}`: writes an event into the server's log.
pub(super) fn log_event(
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let LogEvent { event_type, data } = payload::read("log_event", data)?;
    let data: String = data.map_or("null", RawValue::get).chars().take(LOGGED_CHARS).collect();
    metrics::counter!("staywire_logged_events_total").increment(1);
    // Debug forms, so that nobody can begin a line of their own.
    tracing::info!(
        target: "staywire::events",
        event_type = ?payload::shorten(&event_type),
        tenant = ?caller.identity.tenant,
        subject = ?caller.identity.subject,
        session = ?caller.session_id,
        data = ?data,
        "a client's event"
    );
    payload::reply(&Done {})
}
