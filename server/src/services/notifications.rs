//! Notices to a user, on all of the user's devices, and which of them were read on any.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use staywire::events::{EventData, Notification, NotificationLevel, NotificationRead};
use staywire::folds::Inbox;

use super::payload;
use super::state_room::StateRoom;
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

/// Inboxes that are kept: the next takes the place of the quietest.
const MAX_INBOXES: usize = 10_000;

/// The inboxes of all users.
pub(super) struct Notifications {
    hub: Arc<Hub>,
    inboxes: Mutex<HashMap<RoomKey, Kept>>,
}

struct Kept {
    room: Arc<StateRoom<Inbox>>,
    used_ms: u64,
}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Done {
    /// How many were unread until now.
    read: usize,
}

impl Notifications {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, inboxes: Mutex::default() }
    }

    /// `notifications.send {user, title, body?, level?}` -> `{id}`, within the caller's tenant.
    pub(super) async fn send(
        &self,
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
        let timestamp = iso8601(now_ms);
        let id = payload::random_id()?;
        let notice = Notification { id, title, body, level, timestamp, ..Default::default() };
        let id = notice.id.clone();
        self.inbox(&caller.identity.tenant, &user, now_ms).say(notice, Inbox::take).await?;
        payload::reply(&Sent { id })
    }

    /// `notifications.read {ids}` -> `{read}`: marks the caller's notices as read.
    pub(super) async fn read(
        &self,
        caller: &Caller,
        data: Option<&RawValue>,
        now_ms: u64,
    ) -> Result<Box<RawValue>, Refusal> {
        let Read { mut ids } = payload::read("notifications.read", data)?;
        // A repeat, and an id that is nobody's, are no news to the other devices.
        let inbox = self.inbox(&caller.identity.tenant, &caller.identity.subject, now_ms);
        inbox.with(|inbox| {
            let unread: Vec<_> =
                inbox.unread().map(|notice| notice.notification.id.as_str()).collect();
            ids.retain(|id| unread.contains(&id.as_str()));
        });
        let read = ids.len();
        if read > 0 {
            let event = NotificationRead { ids, timestamp: iso8601(now_ms), ..Default::default() };
            inbox
                .say(event, |inbox, event| {
                    inbox.mark_read(&event);
                })
                .await?;
        }
        payload::reply(&Done { read })
    }

    /// Brings an inbox about for somebody who is about to watch it.
    pub(super) async fn open(
        &self,
        tenant: &str,
        subject: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        self.inbox(tenant, subject, now_ms).open_if_new().await
    }

    /// Tells all devices of a user something that is no notice.
    pub(super) async fn tell<E>(
        &self,
        tenant: &str,
        subject: &str,
        event: E,
        now_ms: u64,
    ) -> Result<(), Refusal>
    where
        E: EventData + std::marker::Send + 'static,
    {
        self.inbox(tenant, subject, now_ms).say(event, |_, _| {}).await.map(drop)
    }

    /// A user's inbox, brought about if it has to be.
    pub(super) fn inbox(&self, tenant: &str, subject: &str, now_ms: u64) -> Arc<StateRoom<Inbox>> {
        let key = RoomKey::new(tenant, &format!("{ROOM_PREFIX}{subject}"));
        let mut inboxes = lock(&self.inboxes);
        if let Some(known) = inboxes.get_mut(&key) {
            known.used_ms = now_ms;
            return known.room.clone();
        }
        if inboxes.len() >= MAX_INBOXES {
            let quietest = inboxes.iter().min_by_key(|(_, kept)| kept.used_ms);
            let quietest = quietest.map(|(key, _)| key.clone());
            if let Some(kept) = quietest.and_then(|key| inboxes.remove(&key)) {
                kept.room.close();
            }
        }
        let room = StateRoom::new(self.hub.clone(), key.clone(), Inbox::default());
        room.show();
        inboxes.insert(key, Kept { room: room.clone(), used_ms: now_ms });
        room
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
