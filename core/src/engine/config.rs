//! What a caller can set, with its defaults.

use super::backoff::BackoffConfig;
use super::time::Millis;

/// Which protocol to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProtocolChoice {
    /// Offer `staywire.v1`; if the server picks no subprotocol, redial once without and remember.
    #[default]
    Auto,
    /// `{"type", "data"}` messages of any server, with no guarantee of continuity.
    Plain,
    /// `staywire.v1` with all its guarantees.
    StaywireV1,
}

/// Where tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CredentialsMode {
    /// No token is sent.
    #[default]
    None,
    /// One token for the life of the client; when the server refuses it, the client closes.
    Fixed,
    /// A provider is asked, and asked again before each expiry.
    Provider,
}

/// When to call a silent peer dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatConfig {
    /// Silence after which a ping is sent. Default 30 s.
    pub interval: Millis,
    /// Further silence after which the link is dead. Default 10 s.
    pub timeout: Millis,
}

impl HeartbeatConfig {
    /// The server's figures within reason: at least 10 ms, at most an hour each.
    pub(crate) fn bounded(self) -> Self {
        let bound = |span: Millis| Millis(span.0.clamp(10, 3_600_000));
        Self { interval: bound(self.interval), timeout: bound(self.timeout) }
    }
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { interval: Millis::from_secs(30), timeout: Millis::from_secs(10) }
    }
}

/// What to do with a publish that doesn't fit in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOverflow {
    /// Refuse the new one.
    #[default]
    Reject,
    /// Drop the oldest that was never sent, and say so; refuse the new one when there is none.
    DropOldest,
}

/// Bounds of the outbox.
#[derive(Debug, Clone, Copy)]
pub struct OutboxConfig {
    /// Most messages kept, sent and unanswered ones included. Default 1,000.
    pub max_entries: usize,
    /// Most payload bytes kept. Default 1 MiB.
    pub max_bytes: usize,
    /// What to do beyond.
    pub on_overflow: OnOverflow,
}

impl Default for OutboxConfig {
    fn default() -> Self {
        Self { max_entries: 1_000, max_bytes: 1 << 20, on_overflow: OnOverflow::Reject }
    }
}

/// The engine's configuration.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Which protocol to speak.
    pub protocol: ProtocolChoice,
    /// Where tokens come from.
    pub credentials: CredentialsMode,
    /// Waits between attempts.
    pub backoff: BackoffConfig,
    /// Liveness; with `staywire.v1` the server's own figures replace these.
    pub heartbeat: HeartbeatConfig,
    /// Whether a `plain` server answers pings at all. Default no: then no link is called dead.
    pub plain_heartbeat: bool,
    /// From dialling to a greeted, resumed link. Default 10 s.
    pub connect_deadline: Millis,
    /// For one answer of the token provider. Default 10 s.
    pub token_deadline: Millis,
    /// How long before expiry a token is renewed; a fifth of its life where that is shorter.
    /// Default 60 s.
    pub refresh_margin: Millis,
    /// How long a replaced link may finish replies. Default 5 s.
    pub retire_after: Millis,
    /// How long a probe after a wake-up may take before a second link races. Default 1 s.
    pub probe_deadline: Millis,
    /// How long a link must live before earlier failures are forgotten. Default 5 s.
    pub stable_after: Millis,
    /// Most calls waiting for an answer. Default 1,024.
    pub max_calls: usize,
    /// Most rooms joined. Default 1,024.
    pub max_rooms: usize,
    /// Bounds of the outbox.
    pub outbox: OutboxConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            protocol: ProtocolChoice::default(),
            credentials: CredentialsMode::default(),
            backoff: BackoffConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            plain_heartbeat: false,
            connect_deadline: Millis::from_secs(10),
            token_deadline: Millis::from_secs(10),
            refresh_margin: Millis::from_secs(60),
            retire_after: Millis::from_secs(5),
            probe_deadline: Millis::from_secs(1),
            stable_after: Millis::from_secs(5),
            max_calls: 1_024,
            max_rooms: 1_024,
            outbox: OutboxConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They are documented, and applications count on them.
    #[test]
    fn the_defaults_are_those_of_the_documentation() {
        let config = Config::default();
        assert_eq!(config.protocol, ProtocolChoice::Auto);
        let backoff = config.backoff;
        assert_eq!((backoff.base, backoff.cap), (Millis(500), Millis::from_secs(20)));
        assert_eq!(backoff.give_up_after, None);
        let heartbeat = config.heartbeat;
        assert_eq!((heartbeat.interval.0, heartbeat.timeout.0), (30_000, 10_000));
        assert!(!config.plain_heartbeat);
        let deadlines = [config.connect_deadline, config.token_deadline, config.refresh_margin];
        assert_eq!(deadlines.map(|deadline| deadline.0), [10_000, 10_000, 60_000]);
        let spans = [config.retire_after, config.probe_deadline, config.stable_after];
        assert_eq!(spans.map(|span| span.0), [5_000, 1_000, 5_000]);
        assert_eq!((config.max_calls, config.max_rooms), (1_024, 1_024));
        let outbox = config.outbox;
        assert_eq!((outbox.max_entries, outbox.max_bytes), (1_000, 1 << 20));
        assert_eq!(outbox.on_overflow, OnOverflow::Reject);
    }
}
