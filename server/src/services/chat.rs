//! Chat: messages that say truly who wrote them.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use staywire::events::ChatMessage;

use super::payload;
use crate::bus::RoomKey;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::session::{Caller, check_room};
use crate::time::iso8601;

const ROOM_PREFIX: &str = "chat:";

/// Longest message in bytes.
const MAX_TEXT_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    room: String,
    text: String,
}

#[derive(Serialize)]
struct Sent {
    id: String,
    epoch: String,
    offset: u64,
}

/// `chat.send {room, text}` -> `{id, epoch, offset}`.
pub(super) async fn send(
    hub: &Hub,
    caller: &Caller,
    data: Option<&RawValue>,
    now_ms: u64,
) -> Result<Box<RawValue>, Refusal> {
    let Send { room, text } = payload::read("chat.send", data)?;
    check_room(&room)?;
    if !room.starts_with(ROOM_PREFIX) {
        return Err(Refusal::BadRequest("`room` of `chat.send` must begin with `chat:`".into()));
    }
    if text.trim().is_empty() {
        return Err(Refusal::BadRequest("`text` of `chat.send` is empty".into()));
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(Refusal::TooLarge { what: "the chat message", limit_bytes: MAX_TEXT_BYTES });
    }
    let message = ChatMessage {
        id: payload::random_id()?,
        user: caller.identity.subject.clone(),
        text,
        timestamp: iso8601(now_ms),
        ..ChatMessage::default()
    };
    let key = RoomKey::new(&caller.identity.tenant, &room);
    let (epoch, offset) = payload::append(hub, &key, payload::stored(&message, now_ms)?).await?;
    payload::reply(&Sent { id: message.id, epoch: epoch.to_string(), offset })
}
