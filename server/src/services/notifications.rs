//! Notices to a user, on all of the user's devices.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use staywire::events::{Notification, NotificationLevel};

use super::payload;
use crate::bus::RoomKey;
use crate::gateway::Refusal;
use crate::gateway::identity::is_subject;
use crate::hub::Hub;
use crate::session::Caller;
use crate::time::iso8601;

/// A user's room: what happens there reaches every device of the user.
pub(super) const ROOM_PREFIX: &str = "user:";

/// Longest title and body together, in bytes.
const MAX_TEXT_BYTES: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    user: String,
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    level: NotificationLevel,
}

#[derive(Serialize)]
struct Sent {
    id: String,
}

/// `notifications.send {user, title, body?, level?}` -> `{id}`, within the caller's tenant.
pub(super) async fn send(
    hub: &Hub,
    caller: &Caller,
    data: Option<&RawValue>,
    now_ms: u64,
) -> Result<Box<RawValue>, Refusal> {
    let Send { user, title, body, level } = payload::read("notifications.send", data)?;
    if caller.identity.anonymous && user != caller.identity.subject {
        return Err(Refusal::Forbidden("anonymous callers may notify themselves alone".into()));
    }
    if !is_subject(&user) {
        return Err(Refusal::BadRequest("`user` of `notifications.send` is no user id".into()));
    }
    if title.trim().is_empty() {
        return Err(Refusal::BadRequest("`title` of `notifications.send` is empty".into()));
    }
    if title.len() + body.len() > MAX_TEXT_BYTES {
        return Err(Refusal::TooLarge { what: "the notice", limit_bytes: MAX_TEXT_BYTES });
    }
    let notice = Notification {
        id: payload::random_id()?,
        title,
        body,
        level,
        timestamp: iso8601(now_ms),
        ..Notification::default()
    };
    let key = RoomKey::new(&caller.identity.tenant, &format!("{ROOM_PREFIX}{user}"));
    payload::append(hub, &key, payload::stored(&notice, now_ms)?).await?;
    payload::reply(&Sent { id: notice.id })
}
