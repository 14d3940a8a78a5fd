//! Who is in a room, told to those who want to know.
//!
//! People are counted wherever they come and go, which costs next to nothing; events are written
//! only while somebody watches, in a room of their own, `presence:{room}`. So whoever watches has
//! a state and its changes with the guarantees of any room, and a busy room's log stays its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use staywire::events::{Presence, PresenceState, Typing};
use staywire::folds::People;
use tokio::time::Instant;

use super::payload;
use super::rights::{self, Rights};
use super::state_room::StateRoom;
use crate::bus::RoomKey;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::session::{Caller, Permit};
use crate::time::{iso8601, unix_ms};

/// Of the rooms that tell who is in another.
pub(super) const ROOM_PREFIX: &str = "presence:";

/// Counts the people of all rooms.
pub(super) struct PresenceService {
    hub: Arc<Hub>,
    /// How long somebody may be away before they are gone: a link that is replaced is no farewell.
    linger: Duration,
    rooms: Mutex<HashMap<RoomKey, Arc<Watched>>>,
    /// For tasks and guards, which must not keep the service.
    myself: Weak<Self>,
}

/// A room whose people are counted, and the room that tells of them.
struct Watched {
    /// What was told.
    told: Arc<StateRoom<People>>,
    /// Who is there, by user and by client instance.
    users: Mutex<BTreeMap<String, BTreeMap<String, Device>>>,
    /// Held by the one who tells.
    telling: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Device {
    subscriptions: u32,
    /// When the last one ended.
    left: Option<Instant>,
}

/// Keeps somebody in a room until it is dropped.
struct Guard {
    service: Weak<PresenceService>,
    watched: Arc<Watched>,
    subject: String,
    instance: String,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(service) = self.service.upgrade() {
            service.gone(&self.watched, &self.subject, &self.instance);
        }
    }
}

impl PresenceService {
    pub(super) fn new(hub: Arc<Hub>, linger: Duration) -> Arc<Self> {
        Arc::new_cyclic(|myself| Self {
            hub,
            linger,
            rooms: Mutex::default(),
            myself: myself.clone(),
        })
    }

    /// Somebody has come to a room, and stays until the permit is dropped.
    pub(super) fn appear(&self, caller: &Caller, room: &str) -> Option<Permit> {
        if rights::is_service_room(room) {
            return None;
        }
        let watched = self.watched(&caller.identity.tenant, room);
        let subject = caller.identity.subject.clone();
        let instance = caller.instance.clone();
        {
            let mut users = lock(&watched.users);
            let devices = users.entry(subject.clone()).or_default();
            let device = devices.entry(instance.clone()).or_default();
            device.subscriptions += 1;
            device.left = None;
        }
        self.tell_soon(&watched, Duration::ZERO);
        Some(Box::new(Guard { service: self.myself.clone(), watched, subject, instance }))
    }

    /// Brings the log of `presence:{room}` up to date for somebody who is about to watch it: they
    /// may come for the first time, or come back to it.
    pub(super) async fn open(&self, tenant: &str, room: &str) -> Result<(), Refusal> {
        let watched = self.watched(tenant, room);
        let _telling = watched.telling.lock().await;
        self.write_changes(&watched).await?;
        watched.told.open_if_new().await
    }

    fn gone(&self, watched: &Arc<Watched>, subject: &str, instance: &str) {
        {
            let mut users = lock(&watched.users);
            let devices = users.get_mut(subject);
            let Some(device) = devices.and_then(|devices| devices.get_mut(instance)) else {
                return;
            };
            device.subscriptions -= 1;
            if device.subscriptions == 0 {
                device.left = Some(Instant::now());
            }
        }
        self.tell_soon(watched, self.linger);
    }

    fn watched(&self, tenant: &str, room: &str) -> Arc<Watched> {
        let key = RoomKey::new(tenant, &format!("{ROOM_PREFIX}{room}"));
        let mut rooms = lock(&self.rooms);
        if let Some(known) = rooms.get(&key) {
            return known.clone();
        }
        let told = StateRoom::new(self.hub.clone(), key.clone(), People::default());
        told.show();
        let (users, telling) = Default::default();
        let watched = Arc::new(Watched { told, users, telling });
        rooms.insert(key, watched.clone());
        watched
    }

    /// Tells what changed, after a while.
    fn tell_soon(&self, watched: &Arc<Watched>, after: Duration) {
        // Without a runtime there is nobody to tell either.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (service, watched) = (self.myself.clone(), watched.clone());
        runtime.spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(service) = service.upgrade() {
                service.tell(&watched).await;
            }
        });
    }

    /// Writes what changed since it was last told, if anybody watches.
    async fn tell(&self, watched: &Arc<Watched>) {
        let _telling = watched.telling.lock().await;
        if self.hub.members(watched.told.key()) > 0 {
            // Nobody is here to be told of a failure; the next change tries again.
            let _ = self.write_changes(watched).await;
        }
        self.remove_if_empty(watched);
    }

    async fn write_changes(&self, watched: &Arc<Watched>) -> Result<(), Refusal> {
        self.forget(watched);
        while let Some(change) = next_change(watched) {
            watched
                .told
                .say(change, |people, change| {
                    people.take(change);
                })
                .await?;
        }
        Ok(())
    }

    /// Forgets the devices that have been away for long enough.
    fn forget(&self, watched: &Watched) {
        let stays = |left: Option<Instant>| left.is_none_or(|left| left.elapsed() < self.linger);
        lock(&watched.users).retain(|_, devices| {
            devices.retain(|_, device| stays(device.left));
            !devices.is_empty()
        });
    }

    fn remove_if_empty(&self, watched: &Arc<Watched>) {
        let mut rooms = lock(&self.rooms);
        let key = watched.told.key();
        let empty = lock(&watched.users).is_empty();
        // Two are ours: the table's and the caller's.
        if empty && Arc::strong_count(watched) <= 2 && self.hub.members(key) == 0 {
            rooms.remove(key);
            watched.told.close();
        }
    }
}

/// One difference between who is there and what was told.
fn next_change(watched: &Watched) -> Option<Presence> {
    let users = lock(&watched.users);
    let change = watched.told.with(|told| {
        let changed = users.iter().find_map(|(user, devices)| {
            let now = u32::try_from(devices.len()).unwrap_or(u32::MAX);
            let news = told.users.get(user).is_none_or(|person| person.devices != now);
            news.then_some((user, PresenceState::Here, now))
        });
        let gone = || told.users.keys().find(|user| !users.contains_key(*user));
        let change = changed.or_else(|| Some((gone()?, PresenceState::Gone, 0)));
        change.map(|(user, state, devices)| (user.clone(), state, devices))
    });
    let (user, state, devices) = change?;
    Some(Presence { user, state, devices, timestamp: iso8601(unix_ms()), ..Presence::default() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetTyping {
    room: String,
    typing: bool,
}

/// `chat.typing {room, typing}` -> `{}`: tells those who watch the room's people.
pub(super) async fn typing(
    hub: &Hub,
    caller: &Caller,
    data: Option<&RawValue>,
    now_ms: u64,
    rights: &Rights,
) -> Result<Box<RawValue>, Refusal> {
    let SetTyping { room, typing } = payload::read("chat.typing", data)?;
    rights.may_join(caller, &room, now_ms).await?;
    let event = Typing { user: caller.identity.subject.clone(), typing, ..Typing::default() };
    let key = RoomKey::new(&caller.identity.tenant, &format!("{ROOM_PREFIX}{room}"));
    if let Err(error) = hub.signal(&key, payload::stored(&event, now_ms)?).await {
        // It is of the moment: whoever missed it will see what is written.
        tracing::debug!(%error, "somebody's writing could not be told");
    }
    payload::reply(&serde_json::Map::new())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
