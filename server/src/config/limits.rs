//! How much one connection, subject, address and room may use, and the pace of the server.
//!
//! Numbers only: what happens at a limit is decided where the limit is kept.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::ConfigError;

/// What one connection, one subject and one address may use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Connections that may be open at a time, of all clients together. Default 10,000.
    pub max_connections: usize,
    /// Client instances (tabs, devices) of one subject that may be connected at a time. Default 64.
    pub instances_per_subject: usize,
    /// Connection attempts and ticket requests per second that one address may make for ever.
    /// Default 50.
    pub attempts_per_second: NonZeroU32,
    /// Attempts that one address may make at once after a rest. Default 500.
    pub attempts_burst: NonZeroU32,
    /// Connections per second that all users of one tenant may make for ever. Default 1,000.
    pub tenant_attempts_per_second: NonZeroU32,
    /// Connections that one tenant may make at once after a rest. Default 20,000.
    pub tenant_attempts_burst: NonZeroU32,
    /// The largest frame that a client may send, in bytes. Default 1,048,576.
    pub max_frame_bytes: usize,
    /// Rooms that one connection may be in. Default 256.
    pub rooms_per_connection: usize,
    /// Commands per second that one connection may send for ever. Default 200.
    pub commands_per_second: NonZeroU32,
    /// Commands that one connection may send at once after a rest. Default 2,000.
    pub commands_burst: NonZeroU32,
    /// How long a connection that is in no room and sends nothing but heartbeats is kept, in ms.
    /// 0 keeps it for ever. Default 3,600,000 (an hour).
    pub idle_timeout_ms: u64,
    /// How long a connection may take from the upgrade to its hello, in ms. Default 10,000.
    pub hello_timeout_ms: u64,
    /// Bytes of events that may wait for one connection; what doesn't fit is read from the log later.
    /// Default 1,048,576.
    pub outbound_queue_bytes: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            instances_per_subject: 64,
            attempts_per_second: per_second(50),
            attempts_burst: per_second(500),
            tenant_attempts_per_second: per_second(1_000),
            tenant_attempts_burst: per_second(20_000),
            max_frame_bytes: 1 << 20,
            rooms_per_connection: 256,
            commands_per_second: per_second(200),
            commands_burst: per_second(2_000),
            idle_timeout_ms: 3_600_000,
            hello_timeout_ms: 10_000,
            outbound_queue_bytes: 1 << 20,
        }
    }
}

impl LimitsConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("limits.max_connections", self.max_connections as u64)?;
        at_least_one("limits.instances_per_subject", self.instances_per_subject as u64)?;
        at_least_one("limits.max_frame_bytes", self.max_frame_bytes as u64)?;
        at_least_one("limits.rooms_per_connection", self.rooms_per_connection as u64)?;
        at_least_one("limits.hello_timeout_ms", self.hello_timeout_ms)?;
        if self.outbound_queue_bytes < self.max_frame_bytes {
            return Err(ConfigError::invalid(
                "limits.outbound_queue_bytes",
                "it is smaller than `limits.max_frame_bytes`, so the largest event could never be delivered",
                "raise it to `max_frame_bytes` or more",
            ));
        }
        Ok(())
    }
}

/// When the server pings, and how long it waits for the answer. A dead peer is noticed after the sum.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeartbeatConfig {
    /// Time between two pings, in ms. Default 30,000.
    pub interval_ms: u64,
    /// How long the answer may take, in ms. Default 10,000.
    pub timeout_ms: u64,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { interval_ms: 30_000, timeout_ms: 10_000 }
    }
}

impl HeartbeatConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("heartbeat.interval_ms", self.interval_ms)?;
        at_least_one("heartbeat.timeout_ms", self.timeout_ms)
    }
}

/// How much of a room's log is kept for those who were away. Whichever bound is met first cuts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryConfig {
    /// Bytes of events that each room keeps. Default 16 MiB.
    pub bytes_per_room: usize,
    /// Events kept per room. Default 1,000.
    pub events_per_room: usize,
    /// Age of the oldest event kept, in ms. Default 86,400,000 (a day).
    pub max_age_ms: u64,
    /// Rooms whose logs are kept; the quietest of the tenant that has the most make way, and are told
    /// as gaps where they are missed. Default 100,000.
    pub max_rooms: usize,
    /// Bytes of events that all rooms keep together, in the same way. Default 1 GiB.
    pub max_bytes: usize,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            bytes_per_room: 16 << 20,
            events_per_room: 1_000,
            max_age_ms: 86_400_000,
            max_rooms: 100_000,
            max_bytes: 1 << 30,
        }
    }
}

impl HistoryConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("history.events_per_room", self.events_per_room as u64)?;
        at_least_one("history.max_rooms", self.max_rooms as u64)?;
        at_least_one("history.max_bytes", self.max_bytes as u64)?;
        at_least_one("history.max_age_ms", self.max_age_ms)
    }
}

/// How long a published message is recognised when it is sent again, so that it takes effect once.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DedupConfig {
    /// Messages remembered per producer. Default 1,024.
    pub entries_per_producer: usize,
    /// How long a message is remembered, in ms. Default 600,000 (ten minutes).
    pub max_age_ms: u64,
    /// Producers remembered, each for twice that time after its last message; one client instance is
    /// one. Further ones can't publish meanwhile. Default 100,000, and 256 of one subject.
    pub max_producers: usize,
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self { entries_per_producer: 1_024, max_age_ms: 600_000, max_producers: 100_000 }
    }
}

impl DedupConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("dedup.entries_per_producer", self.entries_per_producer as u64)?;
        at_least_one("dedup.max_producers", self.max_producers as u64)?;
        at_least_one("dedup.max_age_ms", self.max_age_ms)
    }
}

/// How it is told who is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PresenceConfig {
    /// How long somebody may be away before they are gone, in ms: a link that is replaced is no
    /// farewell. Default 5,000.
    pub linger_ms: u64,
}

impl Default for PresenceConfig {
    fn default() -> Self {
        Self { linger_ms: 5_000 }
    }
}

/// How the server takes leave of its clients before it stops.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DrainConfig {
    /// The window over which clients are told to come back, each at a moment of its own, in ms.
    /// Default 10,000.
    pub window_ms: u64,
    /// How long the server waits after the window before it closes what is left, in ms. Default 5,000.
    pub grace_ms: u64,
}

impl Default for DrainConfig {
    fn default() -> Self {
        Self { window_ms: 10_000, grace_ms: 5_000 }
    }
}

pub(super) const fn per_second(count: u32) -> NonZeroU32 {
    match NonZeroU32::new(count) {
        Some(count) => count,
        None => NonZeroU32::MIN,
    }
}

pub(super) fn at_least_one(key: &'static str, value: u64) -> Result<(), ConfigError> {
    match value {
        0 => {
            Err(ConfigError::invalid(key, "0 would stop the server from working", "set 1 or more"))
        }
        _ => Ok(()),
    }
}
