//! What a server says about the connection and itself (OpenV0).
//!
//! These are events that an app may see. They never drive the client: its liveness comes from the
//! link's own heartbeat, not from `heartbeat`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::number;

/// `connected`: the server has taken the connection into its session (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connected {
    /// The id of the session that the connection now belongs to.
    pub session_id: String,
    /// When it was taken in: ISO 8601, UTC. OpenV0's event has it, but its server example leaves
    /// it out, so it may be absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `heartbeat`: the server is alive (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Heartbeat {
    /// The server's time: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `stats`: the server's state, in answer to `get_stats` (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stats {
    /// How many connections are open.
    pub total_connections: u64,
    /// How many sessions are alive.
    pub active_sessions: u64,
    /// How much memory the server uses, in bytes.
    pub memory_usage: u64,
    /// How long the server has been up, in seconds.
    #[serde(serialize_with = "number::serialize")]
    pub uptime: f64,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
