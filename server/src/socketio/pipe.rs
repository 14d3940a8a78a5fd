//! What was handed to Engine.IO and has not left yet: bounded in packets and bytes.
//!
//! Engine.IO's own buffer counts packets alone, and a full one leaves no room for its pings: a client
//! that reads slowly would be taken for dead. So some places of it are kept free. Nor does it say
//! what has left: a packet has when nobody but this holds its text.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use engineioxide::{Socket, Str};
use socketioxide_core::Value;

use super::connection::Connection;

/// Places in Engine.IO's buffer.
pub(super) const PLACES: usize = 64;

/// Those that its own packets find free.
const KEPT_FREE: usize = 4;

/// Bytes of text that may wait in it, unless one packet alone has more.
const BYTES: usize = 256 * 1024;

/// How soon a full pipe is looked at again, and how late.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(64);

/// What was handed over, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Pipe(Mutex<VecDeque<Waiting>>);

#[derive(Debug)]
struct Waiting {
    text: Bytes,
    place: Option<Place>,
}

/// The event that a packet is: the namespace of its client, the subscription and the offset.
#[derive(Debug)]
pub(super) struct Place(pub(super) Str, pub(super) u32, pub(super) u64);

/// The connection is gone.
#[derive(Debug)]
pub(super) struct Gone;

impl Pipe {
    /// Whether everything has left. Lets go of what has.
    fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// The first events, by subscription, of the client in a namespace that have not left.
    pub(super) fn unsent(&self, ns: &Str) -> BTreeMap<u32, u64> {
        let waiting = self.waiting();
        let mut unsent = BTreeMap::new();
        for Place(of, subscription, offset) in waiting.iter().filter_map(|w| w.place.as_ref()) {
            if of.as_str() == ns.as_str() {
                unsent.entry(*subscription).or_insert(*offset);
            }
        }
        unsent
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|first| first.text.is_unique()) {
            waiting.pop_front();
        }
        waiting
    }
}

/// Hands a packet over as soon as there is room for it. `place` is given for a room's event.
pub(super) async fn send(
    socket: &Socket<Connection>,
    packet: Value,
    place: Option<Place>,
) -> Result<(), Gone> {
    let mut wait = FIRST_LOOK;
    let mut unsent = (packet, place);
    loop {
        unsent = match try_send(socket, unsent)? {
            None => return Ok(()),
            Some(unsent) => unsent,
        };
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_LOOK);
    }
}

/// Waits until everything has left, or can't any more.
pub(super) async fn drained(socket: &Socket<Connection>) {
    let mut wait = FIRST_LOOK;
    while !socket.data.pipe.is_empty() && !socket.is_closed() {
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LAST_LOOK);
    }
}

/// The packet comes back where there is no room for it.
fn try_send(
    socket: &Socket<Connection>,
    (packet, place): (Value, Option<Place>),
) -> Result<Option<(Value, Option<Place>)>, Gone> {
    if socket.is_closed() {
        return Err(Gone);
    }
    let Value::Str(text, attachments) = packet else { return Ok(None) };
    let mut waiting = socket.data.pipe.waiting();
    let bytes: usize = waiting.iter().map(|waiting| waiting.text.len()).sum();
    let fits =
        waiting.is_empty() || (waiting.len() < PLACES - KEPT_FREE && bytes + text.len() <= BYTES);
    let free = if fits { socket.reserve().ok() } else { None };
    let Some(free) = free else { return Ok(Some((Value::Str(text, attachments), place))) };
    waiting.push_back(Waiting { text: text.clone().into(), place });
    match attachments {
        None => free.emit(text),
        Some(attachments) => free.emit_many(text, attachments),
    }
    Ok(None)
}
