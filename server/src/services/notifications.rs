//! Notices to a user, on all of the user's devices, and which of them were read on any.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use staywire::events::{EventData, Notification, NotificationLevel, NotificationRead};
use staywire::folds::Inbox;

use super::payload;
use crate::bus::RoomKey;
use crate::gateway::Refusal;
use crate::gateway::identity::is_subject;
use crate::hub::{Hub, Snapshot, SnapshotSource};
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
    inboxes: Mutex<HashMap<RoomKey, Arc<Mailbox>>>,
}

struct Mailbox {
    state: Mutex<Kept>,
    /// Held by the one who writes, so that the log and the inbox have one order.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    inbox: Inbox,
    place: Option<(Arc<str>, u64)>,
    used_ms: u64,
}

impl SnapshotSource for Mailbox {
    fn snapshot(&self) -> Option<Snapshot> {
        let kept = lock(&self.state);
        let (epoch, offset) = kept.place.clone()?;
        Some(Snapshot { epoch, offset, data: to_raw_value(&kept.inbox).ok()? })
    }
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
        self.write(&caller.identity.tenant, &user, &notice, now_ms).await?;
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
        let (tenant, subject) = (&caller.identity.tenant, &caller.identity.subject);
        // A repeat, and an id that is nobody's, are no news to the other devices.
        let mailbox = self.mailbox(&room_of(tenant, subject), now_ms);
        {
            let kept = lock(&mailbox.state);
            let unread: Vec<_> =
                kept.inbox.unread().map(|notice| notice.notification.id.as_str()).collect();
            ids.retain(|id| unread.contains(&id.as_str()));
        }
        let read = ids.len();
        if read > 0 {
            let event = NotificationRead { ids, timestamp: iso8601(now_ms), ..Default::default() };
            self.write(tenant, subject, &event, now_ms).await?;
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
        let key = room_of(tenant, subject);
        let mailbox = self.mailbox(&key, now_ms);
        let _writing = mailbox.writing.lock().await;
        if lock(&mailbox.state).place.is_none() {
            let place = payload::tip(&self.hub, &key, now_ms).await?;
            lock(&mailbox.state).place = Some(place);
        }
        Ok(())
    }

    /// Tells all devices of a user something; only notices change the inbox.
    pub(super) async fn write<E: EventData>(
        &self,
        tenant: &str,
        subject: &str,
        event: &E,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let key = room_of(tenant, subject);
        let mailbox = self.mailbox(&key, now_ms);
        let _writing = mailbox.writing.lock().await;
        let stored = payload::stored(event, now_ms)?;
        let place = payload::append(&self.hub, &key, stored).await?;
        let mut kept = lock(&mailbox.state);
        payload::fold(&mut kept.inbox, event);
        kept.place = Some(place);
        Ok(())
    }

    fn mailbox(&self, key: &RoomKey, now_ms: u64) -> Arc<Mailbox> {
        let mut inboxes = lock(&self.inboxes);
        if let Some(known) = inboxes.get(key) {
            lock(&known.state).used_ms = now_ms;
            return known.clone();
        }
        if inboxes.len() >= MAX_INBOXES {
            let quietest = inboxes.iter().min_by_key(|(_, kept)| lock(&kept.state).used_ms);
            if let Some(key) = quietest.map(|(key, _)| key.clone()) {
                inboxes.remove(&key);
                self.hub.clear_snapshot(&key);
            }
        }
        let mailbox = Arc::new(Mailbox {
            state: Mutex::new(Kept { used_ms: now_ms, ..Kept::default() }),
            writing: tokio::sync::Mutex::default(),
        });
        inboxes.insert(key.clone(), mailbox.clone());
        drop(inboxes);
        self.hub.set_snapshot(key.clone(), mailbox.clone());
        mailbox
    }
}

fn room_of(tenant: &str, subject: &str) -> RoomKey {
    RoomKey::new(tenant, &format!("{ROOM_PREFIX}{subject}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
