//! The configuration as a list of numbers, so that it crosses the border once and whole.
//!
//! It never rejects one: what is missing or out of range is the engine's default.

use staywire::engine::{Config, CredentialsMode, Millis, OnOverflow, ProtocolChoice};

use crate::inputs::{millis, whole};

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
    let mut config = Config::default();
    let at = |index: usize| settings.get(index).copied().unwrap_or(f64::NAN);
    let span = |index: usize, field: &mut Millis| {
        if let Some(span) = millis(at(index)) {
            *field = span;
        }
    };
    let count = |index: usize, field: &mut usize| {
        if let Some(count) = whole(at(index)) {
            *field = count as usize;
        }
    };
    config.protocol = match at(0) as u32 {
        1 => ProtocolChoice::Plain,
        2 => ProtocolChoice::StaywireV1,
        _ => ProtocolChoice::Auto,
    };
    config.credentials = match at(1) as u32 {
        1 => CredentialsMode::Fixed,
        2 => CredentialsMode::Provider,
        _ => CredentialsMode::None,
    };
    span(2, &mut config.backoff.base);
    span(3, &mut config.backoff.cap);
    config.backoff.give_up_after = whole(at(4)).map(|attempts| attempts as u32);
    span(5, &mut config.heartbeat.interval);
    span(6, &mut config.heartbeat.timeout);
    config.plain_heartbeat = at(7) > 0.0;
    span(8, &mut config.connect_deadline);
    span(9, &mut config.token_deadline);
    span(10, &mut config.refresh_margin);
    span(11, &mut config.retire_after);
    span(12, &mut config.probe_deadline);
    span(13, &mut config.stable_after);
    count(14, &mut config.max_calls);
    count(15, &mut config.max_rooms);
    count(16, &mut config.outbox.max_entries);
    count(17, &mut config.outbox.max_bytes);
    if at(18) > 0.0 {
        config.outbox.on_overflow = OnOverflow::DropOldest;
    }
    config
}
