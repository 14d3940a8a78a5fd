//! Who may be in which room, and say what there.
//!
//! The tenant is no question here: it is part of every room's full name, and comes from the proof
//! of identity alone.

use std::sync::Arc;

use serde_json::value::RawValue;
use staywire::events::{ChatMessage, EventData, KnownEvent};

use super::ai::{AiService, ROOM_PREFIX as AI_ROOM};
use super::dashboards::{Dashboards, ROOM_PREFIX as DASHBOARD_ROOM};
use super::generation::{GenerationService, ROOM_PREFIX as SESSION_ROOM};
use super::notifications::{Notifications, ROOM_PREFIX as USER_ROOM};
use super::presence::{PresenceService, ROOM_PREFIX as PRESENCE_ROOM};
use super::tasks::{ROOM_PREFIX as TASK_ROOM, Tasks};
use crate::gateway::Refusal;
use crate::session::{Caller, check_room};

/// Prefixes of rooms that only services write, whether or not they exist yet.
const SERVICE_ROOMS: [&str; 7] =
    [AI_ROOM, USER_ROOM, PRESENCE_ROOM, SESSION_ROOM, TASK_ROOM, DASHBOARD_ROOM, "document:"];

/// What rights depend on.
pub(super) struct Rights {
    pub(super) ai: Arc<AiService>,
    pub(super) presence: Arc<PresenceService>,
    pub(super) notifications: Arc<Notifications>,
    pub(super) tasks: Arc<Tasks>,
    pub(super) generation: Arc<GenerationService>,
    pub(super) dashboards: Arc<Dashboards>,
}

impl Rights {
    /// Whether the caller may be in a room. Its service is told, so that they find it up to date.
    pub(super) async fn may_join(
        &self,
        caller: &Caller,
        room: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        self.may_read(caller, room, now_ms).await?;
        let tenant = &caller.identity.tenant;
        if let Some(watched) = room.strip_prefix(PRESENCE_ROOM) {
            return self.presence.open(tenant, watched).await;
        }
        if let Some(user) = room.strip_prefix(USER_ROOM) {
            return self.notifications.open(tenant, user, now_ms).await;
        }
        if let Some(id) = room.strip_prefix(DASHBOARD_ROOM) {
            return self.dashboards.open(tenant, id).await;
        }
        Ok(())
    }

    /// Whether the caller may see what is in a room.
    pub(super) async fn may_read(
        &self,
        caller: &Caller,
        room: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        check_room(room)?;
        if let Some(session_id) = room.strip_prefix(AI_ROOM) {
            return self.ai.claim(caller, session_id, now_ms).await;
        }
        if let Some(task_id) = room.strip_prefix(TASK_ROOM) {
            return self.tasks.may_join(caller, task_id);
        }
        if let Some(session_id) = room.strip_prefix(SESSION_ROOM) {
            return self.generation.claim(caller, session_id).await;
        }
        if let Some(id) = room.strip_prefix(DASHBOARD_ROOM) {
            return self.dashboards.check(&caller.identity.tenant, id);
        }
        if let Some(watched) = room.strip_prefix(PRESENCE_ROOM) {
            if is_service_room(watched) {
                return Err(Refusal::Forbidden("nobody is told who is in a service's room".into()));
            }
            return Ok(());
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
        KnownEvent::Presence(_) => Err(Refusal::Forbidden(
            "who is in a room is for the server to say; being there is enough".into(),
        )),
        KnownEvent::ChatMessage(message) if message.user != caller.identity.subject => {
            Err(Refusal::Forbidden(format!(
                "`user` in `{}` must be your own id; leave it to the call `chat.send`",
                ChatMessage::TYPE
            )))
        }
        _ => Ok(()),
    }
}

pub(super) fn is_service_room(room: &str) -> bool {
    SERVICE_ROOMS.iter().any(|prefix| room.starts_with(prefix))
}
