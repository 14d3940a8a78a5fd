//! The data of calls and events: read strictly, refused with what is wrong and where.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use staywire::events::EventData;
use staywire::wire::encode_frame;

use crate::bus::{FirstReply, Known, RoomKey, StoredEvent};
use crate::gateway::Refusal;
use crate::hub::Hub;
pub(super) use crate::session::read_data as read;
use crate::session::unavailable;

/// Writes the reply of a call.
pub(super) fn reply<T: Serialize>(reply: &T) -> Result<Box<RawValue>, Refusal> {
    to_raw_value(reply).map_err(|error| {
        tracing::error!(%error, "a reply can't be written");
        Refusal::Internal
    })
}

/// An event, as it is kept.
pub(super) fn stored<E: EventData>(event: &E, now_ms: u64) -> Result<StoredEvent, Refusal> {
    let data = staywire::events::encode(event).map_err(|error| {
        tracing::error!(%error, "an event can't be written");
        Refusal::Internal
    })?;
    let json = encode_frame(E::TYPE, None, Some(&data)).into();
    Ok(StoredEvent { json, binary: None, at_ms: now_ms })
}

/// Appends a service's own event; returns its place.
pub(super) async fn append(
    hub: &Hub,
    room: &RoomKey,
    event: StoredEvent,
) -> Result<(Arc<str>, u64), Refusal> {
    match hub.publish(room, event, None).await {
        Ok(Known::Answered(FirstReply::Appended { epoch, offset })) => Ok((epoch, offset)),
        Ok(other) => {
            tracing::error!(?other, "an unstamped event was taken for a repeat");
            Err(Refusal::Internal)
        }
        Err(error) => Err(unavailable(&error)),
    }
}

/// Where a room's log stands.
pub(super) async fn tip(
    hub: &Hub,
    room: &RoomKey,
    now_ms: u64,
) -> Result<(Arc<str>, u64), Refusal> {
    let log = hub.bus().read(room, u64::MAX - 1, 0, now_ms).await;
    let log = log.map_err(|error| unavailable(&error))?;
    Ok((log.epoch, log.tip))
}

/// An id that nobody can guess.
pub(crate) fn random_id() -> Result<String, Refusal> {
    let (high, low) = (getrandom::u64()?, getrandom::u64()?);
    Ok(format!("{high:016x}{low:016x}"))
}

/// A client's words in our error are kept short.
pub(super) fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}
