//! Who may be in which room, and say what there.
//!
//! The tenant is no question here: it is part of every room's full name, and comes from the proof
//! of identity alone.

use serde_json::value::RawValue;
use staywire::events::{ChatMessage, EventData, KnownEvent};

use super::ai::{AiService, ROOM_PREFIX as AI_ROOM};
use super::notifications::ROOM_PREFIX as USER_ROOM;
use crate::gateway::Refusal;
use crate::session::Caller;

/// Prefixes of rooms that only services write, whether or not they exist yet.
const SERVICE_ROOMS: [&str; 6] =
    [AI_ROOM, USER_ROOM, "session:", "task:", "dashboard:", "document:"];

pub(super) async fn may_join(
    ai: &AiService,
    caller: &Caller,
    room: &str,
    now_ms: u64,
) -> Result<(), Refusal> {
    if let Some(session_id) = room.strip_prefix(AI_ROOM) {
        return ai.claim(caller, session_id, now_ms).await;
    }
    if let Some(user) = room.strip_prefix(USER_ROOM) {
        if user == caller.identity.subject {
            return Ok(());
        }
        return Err(Refusal::Forbidden(
            "a user's room is open to that user alone; join `user:` with your own id".into(),
        ));
    }
    if is_service_room(room) {
        return Err(Refusal::Forbidden("this server offers no rooms of that kind".into()));
    }
    Ok(())
}

pub(super) fn may_publish(
    caller: &Caller,
    room: &str,
    kind: &str,
    data: Option<&RawValue>,
) -> Result<(), Refusal> {
    if is_service_room(room) {
        return Err(Refusal::Forbidden(
            "only the server's services publish in this room; call their methods instead".into(),
        ));
    }
    // Events of the schema must be what they say; others are the application's own affair.
    let event = KnownEvent::decode(kind, data.map_or("null", RawValue::get))
        .map_err(|error| Refusal::BadRequest(error.to_string()))?;
    match event {
        KnownEvent::ChatMessage(message) if message.user != caller.identity.subject => {
            Err(Refusal::Forbidden(format!(
                "`user` in `{}` must be your own id; leave it to the call `chat.send`",
                ChatMessage::TYPE
            )))
        }
        _ => Ok(()),
    }
}

fn is_service_room(room: &str) -> bool {
    SERVICE_ROOMS.iter().any(|prefix| room.starts_with(prefix))
}
