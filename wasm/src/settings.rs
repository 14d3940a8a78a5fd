//! The configuration as a list of numbers, so that it crosses the border once and whole.
//!
//! It never rejects one: what is missing or out of range is the engine's default.

use staywire::engine::{
    BackoffConfig, Config, CredentialsMode, HeartbeatConfig, Millis, OnOverflow, OutboxConfig,
    ProtocolChoice,
};

use crate::inputs::whole;

/// Reads the settings in this order, each left at its default where it is missing, NaN or negative:
///
/// | index | setting |
/// |---|---|
/// | 0 | protocol: 0 auto, 1 plain, 2 `staywire.v1` |
/// | 1 | credentials: 0 none, 1 fixed, 2 provider |
/// | 2, 3 | back-off: base and cap, ms |
/// | 4 | attempts in a row before giving up |
/// | 5, 6 | heartbeat: interval and timeout, ms |
/// | 7 | whether a plain server answers pings: 0 or 1 |
/// | 8, 9 | deadlines of a connect and of a token, ms |
/// | 10 | how long before expiry a token is renewed, ms |
/// | 11 | how long a replaced link may finish replies, ms |
/// | 12 | how long a probe may take, ms |
/// | 13 | how long a link must live before failures are forgotten, ms |
/// | 14, 15 | most calls, most rooms |
/// | 16, 17 | outbox: most entries, most bytes |
/// | 18 | outbox overflow: 0 reject, 1 drop the oldest |
pub(crate) fn read(settings: &[f64]) -> Config {
    let defaults = Config::default();
    let span = |index, default: Millis| Millis(setting(settings, index, default.0));
    let count = |index, default: usize| setting(settings, index, default as u64) as usize;
    Config {
        protocol: match setting(settings, 0, 0) {
            0 => ProtocolChoice::Auto,
            1 => ProtocolChoice::Plain,
            _ => ProtocolChoice::StaywireV1,
        },
        credentials: match setting(settings, 1, 0) {
            0 => CredentialsMode::None,
            1 => CredentialsMode::Fixed,
            _ => CredentialsMode::Provider,
        },
        backoff: BackoffConfig {
            base: span(2, defaults.backoff.base),
            cap: span(3, defaults.backoff.cap),
            give_up_after: settings.get(4).and_then(|most| whole(*most)).map(|most| most as u32),
        },
        heartbeat: HeartbeatConfig {
            interval: span(5, defaults.heartbeat.interval),
            timeout: span(6, defaults.heartbeat.timeout),
        },
        plain_heartbeat: setting(settings, 7, 0) != 0,
        connect_deadline: span(8, defaults.connect_deadline),
        token_deadline: span(9, defaults.token_deadline),
        refresh_margin: span(10, defaults.refresh_margin),
        retire_after: span(11, defaults.retire_after),
        probe_deadline: span(12, defaults.probe_deadline),
        stable_after: span(13, defaults.stable_after),
        max_calls: count(14, defaults.max_calls),
        max_rooms: count(15, defaults.max_rooms),
        outbox: OutboxConfig {
            max_entries: count(16, defaults.outbox.max_entries),
            max_bytes: count(17, defaults.outbox.max_bytes),
            on_overflow: match setting(settings, 18, 0) {
                0 => OnOverflow::Reject,
                _ => OnOverflow::DropOldest,
            },
        },
    }
}

// Inlined, it would be there nineteen times.
#[inline(never)]
fn setting(settings: &[f64], index: usize, default: u64) -> u64 {
    settings.get(index).and_then(|setting| whole(*setting)).unwrap_or(default)
}
