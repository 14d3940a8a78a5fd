//! Events from another service of the operator's, which may speak where no client may.
//!
//! Such an event is appended as any other, so that it has a place in its room's log, and is what the
//! schema says of it. Rooms whose state is kept by a service of this server are left to that service.

use bytes::Bytes;
use serde_json::value::RawValue;
use staywire::events::KnownEvent;
use staywire::folds::Inbox;
use staywire::wire::encode_frame;

use super::ai::ROOM_PREFIX as AI_ROOM;
use super::dashboards::ROOM_PREFIX as DASHBOARD_ROOM;
use super::generation::{ROOM_PREFIX as SESSION_ROOM, check_id};
use super::notifications::{Notifications, ROOM_PREFIX as USER_ROOM};
use super::presence::ROOM_PREFIX as PRESENCE_ROOM;
use super::tasks::ROOM_PREFIX as TASK_ROOM;
use crate::bus::{RoomKey, Stamp, StoredEvent};
use crate::gateway::Refusal;
use crate::gateway::identity::{is_subject, is_tenant_name};
use crate::hub::Hub;
use crate::session::{check_kind, check_room, reply_to, unavailable};

/// Rooms in which only this server's own services speak.
const OWN_ROOMS: [&str; 4] = [AI_ROOM, DASHBOARD_ROOM, PRESENCE_ROOM, TASK_ROOM];

/// Longest name of a producer in bytes.
const MAX_PRODUCER_BYTES: usize = 128;

/// Where an event goes.
#[derive(Debug)]
pub(crate) enum Target {
    /// A room, by its name.
    Room(String),
    /// The room of a session.
    Session(String),
    /// All devices of a user.
    User(String),
}

/// An event to be sent.
#[derive(Debug)]
pub(crate) struct Emission {
    pub(crate) tenant: String,
    pub(crate) target: Target,
    pub(crate) kind: String,
    pub(crate) data: Option<Box<RawValue>>,
    pub(crate) binary: Option<Bytes>,
    /// What names it, so that a repeat is known: a producer, and its number for the event.
    pub(crate) key: Option<(String, u64)>,
}

/// Sends an event; the reply is its place, `{epoch, offset}`. A repeat gets the first one's.
pub(super) async fn emit(
    hub: &Hub,
    notifications: &Notifications,
    emission: Emission,
    now_ms: u64,
) -> Result<Box<RawValue>, Refusal> {
    let Emission { tenant, target, kind, data, binary, key } = emission;
    if !is_tenant_name(&tenant) {
        return Err(Refusal::BadRequest(
            "`tenant` must be 1 to 64 letters, digits, `-`, `_`, `.`".into(),
        ));
    }
    let room = room_of(&target)?;
    check_kind(&kind)?;
    if binary.is_some() && data.is_some() {
        return Err(Refusal::BadRequest("`binary` is the event's data; leave `data` out".into()));
    }
    let text = data.as_deref().map_or("null", RawValue::get);
    let event = KnownEvent::decode(&kind, text);
    let event = event.map_err(|error| Refusal::BadRequest(error.to_string()))?;
    let stamp = key.map(|key| stamp(&tenant, key)).transpose()?;
    if let (Some(user), KnownEvent::Notification(notice)) = (room.strip_prefix(USER_ROOM), event) {
        let inbox = notifications.inbox(&tenant, user, now_ms);
        return inbox.say_once(notice, stamp, Inbox::take).await;
    }
    let json = encode_frame(&kind, None, data.as_deref()).into();
    let event = StoredEvent { json, binary, at_ms: now_ms };
    let known = hub.publish(&RoomKey::new(&tenant, &room), event, stamp.as_ref()).await;
    known.map_err(|error| unavailable(&error)).and_then(reply_to)
}

fn room_of(target: &Target) -> Result<String, Refusal> {
    let room = match target {
        Target::Room(room) => room.clone(),
        Target::Session(session_id) => format!("{SESSION_ROOM}{session_id}"),
        Target::User(user) => format!("{USER_ROOM}{user}"),
    };
    check_room(&room)?;
    if let Some(session_id) = room.strip_prefix(SESSION_ROOM) {
        check_id("session_id", session_id)?;
    }
    if room.strip_prefix(USER_ROOM).is_some_and(|user| !is_subject(user)) {
        return Err(Refusal::BadRequest("`user` is no user id".into()));
    }
    if let Some(prefix) = OWN_ROOMS.iter().find(|prefix| room.starts_with(**prefix)) {
        return Err(Refusal::Forbidden(format!(
            "in rooms that begin with `{prefix}` this server's own services speak alone"
        )));
    }
    Ok(room)
}

fn stamp(tenant: &str, (producer, sequence): (String, u64)) -> Result<Stamp, Refusal> {
    let named = (1..=MAX_PRODUCER_BYTES).contains(&producer.len());
    if !named || !(1..1 << 53).contains(&sequence) {
        return Err(Refusal::BadRequest(format!(
            "`Idempotency-Key` must be a name of 1 to {MAX_PRODUCER_BYTES} bytes, `:` and a number \
             that counts on from 1"
        )));
    }
    // A space is in nobody's subject.
    Ok(Stamp { subject: format!("{tenant}/the service"), producer, sequence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_whose_state_a_service_keeps_are_left_to_it() {
        let room = |name: &str| room_of(&Target::Room(name.into())).map_err(|error| error.code());
        for name in ["ai:1", "dashboard:server", "presence:chat:1", "task:1"] {
            assert_eq!(room(name), Err("forbidden"), "{name}");
        }
        for name in ["chat:1", "session:s1", "user:ada"] {
            assert_eq!(room(name).as_deref(), Ok(name));
        }
    }
}
