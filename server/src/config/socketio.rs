//! How Socket.IO is served.

use serde::Deserialize;

use super::{ConfigError, LimitsConfig};

/// How Socket.IO is served. Origins, limits, tenants and tokens are those of every connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SocketIoConfig {
    /// Whether it is served at all. Default `true`.
    pub enabled: bool,
    /// How clients may connect. Default both, `["polling", "websocket"]`.
    pub transports: Vec<Transport>,
    /// Between two pings of the server, in ms. Default 25,000.
    pub ping_interval_ms: u64,
    /// How long the server waits for the answer to one, in ms. Default 20,000.
    pub ping_timeout_ms: u64,
    /// How long a connection may be in no namespace, in ms. Default 45,000.
    pub connect_timeout_ms: u64,
    /// How long the change from polling to WebSocket may take, in ms. Default 10,000.
    pub upgrade_timeout_ms: u64,
    /// For how long it is known where a client stood whose connection broke, in ms: it goes on there
    /// when it comes back under its session id. 0 turns it off. Default 120,000.
    pub away_ms: u64,
    /// The largest WebSocket message or body of a POST, in bytes; a body may hold several packets,
    /// and binary ones as base64. Default 2,097,152.
    pub max_payload_bytes: usize,
}

/// A transport of Engine.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// HTTP long polling.
    Polling,
    /// WebSocket.
    Websocket,
}

impl Default for SocketIoConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            transports: vec![Transport::Polling, Transport::Websocket],
            ping_interval_ms: 25_000,
            ping_timeout_ms: 20_000,
            connect_timeout_ms: 45_000,
            upgrade_timeout_ms: 10_000,
            away_ms: 120_000,
            max_payload_bytes: 2 << 20,
        }
    }
}

impl SocketIoConfig {
    pub(super) fn validate(&self, limits: &LimitsConfig) -> Result<(), ConfigError> {
        if self.transports.is_empty() {
            return Err(ConfigError::invalid(
                "socketio.transports",
                "without a transport nobody can connect",
                "name \"polling\", \"websocket\" or both, or set `socketio.enabled = false`",
            ));
        }
        for (key, value) in [
            ("socketio.ping_interval_ms", self.ping_interval_ms),
            ("socketio.ping_timeout_ms", self.ping_timeout_ms),
            ("socketio.connect_timeout_ms", self.connect_timeout_ms),
            ("socketio.upgrade_timeout_ms", self.upgrade_timeout_ms),
        ] {
            super::limits::at_least_one(key, value)?;
        }
        if self.max_payload_bytes < limits.max_frame_bytes {
            return Err(ConfigError::invalid(
                "socketio.max_payload_bytes",
                "it is smaller than `limits.max_frame_bytes`, so the largest frame could not come",
                "raise it to `max_frame_bytes` and what goes around a frame, or more",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn error_of(text: &str) -> String {
        let config = Config::from_toml(&format!("demo = true\n[socketio]\n{text}"), "test.toml");
        config.and_then(|config| config.validate()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(error_of("transports = []").contains("socketio.transports"));
        assert!(error_of("transports = ['flash']").contains("line 3"));
        assert!(error_of("ping_interval_ms = 0").contains("socketio.ping_interval_ms"));
        assert!(error_of("max_payload_bytes = 100").contains("max_frame_bytes"));
    }
}
