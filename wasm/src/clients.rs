//! Where the engines live: a table, so that a number names each over the border.
//!
//! A number that names nothing traps; it never reaches memory.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use staywire::engine::{
    BackoffConfig, Config, CredentialsMode, Engine, HeartbeatConfig, Millis, OnOverflow,
    OutboxConfig, ProtocolChoice,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::inputs::whole;
use crate::outputs::Said;

pub(crate) struct Face {
    pub(crate) engine: Engine<u32>,
    pub(crate) said: Said,
}

struct Table(UnsafeCell<Vec<Option<Box<Face>>>>);

// SAFETY: a module without the threads proposal has one thread.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new(Vec::new()));

fn table() -> &'static mut Vec<Option<Box<Face>>> {
    // SAFETY: only exports come here, each once, and none calls out before it returns.
    unsafe { &mut *TABLE.0.get() }
}

/// A new engine, and the number that names it. Randomness comes from `seed`. A setting that is left
/// out (or negative) has the engine's default; spans are in milliseconds.
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "a list of them would have to be copied")]
pub fn create(
    seed: f64,
    // 0 auto, 1 plain, 2 `staywire.v1`.
    protocol: f64,
    // 0 none, 1 fixed, 2 provider.
    credentials: f64,
    backoff_base: f64,
    backoff_cap: f64,
    give_up_after: f64,
    heartbeat_interval: f64,
    heartbeat_timeout: f64,
    // Whether a plain server answers pings.
    plain_heartbeat: f64,
    connect_deadline: f64,
    token_deadline: f64,
    refresh_margin: f64,
    retire_after: f64,
    probe_deadline: f64,
    stable_after: f64,
    max_calls: f64,
    max_rooms: f64,
    outbox_entries: f64,
    outbox_bytes: f64,
    // Whether to drop the oldest message that was never sent, rather than to refuse a new one.
    outbox_drops: f64,
) -> usize {
    let defaults = Config::default();
    let span = |value, default: Millis| Millis(or(value, default.0));
    let count = |value, default: usize| or(value, default as u64) as usize;
    let config = Config {
        protocol: match protocol as u32 {
            0 => ProtocolChoice::Auto,
            1 => ProtocolChoice::Plain,
            _ => ProtocolChoice::StaywireV1,
        },
        credentials: match credentials as u32 {
            0 => CredentialsMode::None,
            1 => CredentialsMode::Fixed,
            _ => CredentialsMode::Provider,
        },
        backoff: BackoffConfig {
            base: span(backoff_base, defaults.backoff.base),
            cap: span(backoff_cap, defaults.backoff.cap),
            give_up_after: whole(give_up_after).map(|most| most as u32),
        },
        heartbeat: HeartbeatConfig {
            interval: span(heartbeat_interval, defaults.heartbeat.interval),
            timeout: span(heartbeat_timeout, defaults.heartbeat.timeout),
        },
        plain_heartbeat: plain_heartbeat > 0.0,
        connect_deadline: span(connect_deadline, defaults.connect_deadline),
        token_deadline: span(token_deadline, defaults.token_deadline),
        refresh_margin: span(refresh_margin, defaults.refresh_margin),
        retire_after: span(retire_after, defaults.retire_after),
        probe_deadline: span(probe_deadline, defaults.probe_deadline),
        stable_after: span(stable_after, defaults.stable_after),
        max_calls: count(max_calls, defaults.max_calls),
        max_rooms: count(max_rooms, defaults.max_rooms),
        outbox: OutboxConfig {
            max_entries: count(outbox_entries, defaults.outbox.max_entries),
            max_bytes: count(outbox_bytes, defaults.outbox.max_bytes),
            on_overflow: match outbox_drops > 0.0 {
                false => OnOverflow::Reject,
                true => OnOverflow::DropOldest,
            },
        },
    };
    let engine = Engine::new(config, seed.to_bits());
    let table = table();
    table.push(Some(Box::new(Face { engine, said: Said::default() })));
    table.len()
}

// Inlined, it would be there fifteen times.
#[inline(never)]
fn or(value: f64, default: u64) -> u64 {
    whole(value).unwrap_or(default)
}

/// Frees an engine; its number names nothing from then on.
#[wasm_bindgen]
pub fn free(client: usize) {
    if let Some(entry) = table().get_mut(client.wrapping_sub(1)) {
        *entry = None;
    }
}

#[inline(never)]
pub(crate) fn face(client: usize) -> &'static mut Face {
    match table().get_mut(client.wrapping_sub(1)) {
        Some(Some(face)) => face,
        _ => panic!(),
    }
}
