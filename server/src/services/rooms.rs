//! A room's past, page by page.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::payload;
use super::rights::Rights;
use crate::bus::RoomKey;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::session::{Caller, unavailable};

/// Most events of one page.
const MOST_EVENTS: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    room: String,
    #[serde(default)]
    before: Option<u64>,
    #[serde(default = "default_limit")]
    limit: u32,
}

fn default_limit() -> u32 {
    50
}

#[derive(Serialize)]
struct Page<'a> {
    epoch: &'a str,
    tip: u64,
    oldest: u64,
    events: Vec<Past<'a>>,
}

#[derive(Serialize)]
struct Past<'a> {
    offset: u64,
    event: &'a RawValue,
}

/// `rooms.history {room, before?, limit?}` -> `{epoch, tip, oldest, events: [{offset, event}]}`:
/// at most `limit` events before the offset `before`, or the latest.
pub(super) async fn history(
    hub: &Hub,
    caller: &Caller,
    data: Option<&RawValue>,
    now_ms: u64,
    rights: &Rights,
) -> Result<Box<RawValue>, Refusal> {
    let Ask { room, before, limit } = payload::read("rooms.history", data)?;
    if limit == 0 || limit > MOST_EVENTS {
        return Err(Refusal::BadRequest(format!(
            "`limit` of `rooms.history` must be from 1 to {MOST_EVENTS}"
        )));
    }
    rights.may_read(caller, &room, now_ms).await?;
    let key = RoomKey::new(&caller.identity.tenant, &room);
    let log =
        hub.bus().read(&key, u64::MAX - 1, 0, now_ms).await.map_err(|error| unavailable(&error))?;
    let end = before.map_or(log.tip, |before| before.saturating_sub(1).min(log.tip));
    let after = end.saturating_sub(u64::from(limit));
    let slice = hub
        .bus()
        .read(&key, after, limit as usize, now_ms)
        .await
        .map_err(|error| unavailable(&error))?;
    let mut events = Vec::with_capacity(slice.events.len());
    for (index, stored) in slice.events.iter().enumerate() {
        let offset = slice.first + index as u64;
        if offset > end {
            break;
        }
        let event = serde_json::from_str(&stored.json).map_err(|error| {
            tracing::error!(%error, "an event of a log is no JSON");
            Refusal::Internal
        })?;
        events.push(Past { offset, event });
    }
    payload::reply(&Page { epoch: &slice.epoch, tip: slice.tip, oldest: slice.oldest, events })
}
