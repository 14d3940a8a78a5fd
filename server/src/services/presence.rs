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

#[cfg(test)]
mod tests;

/// Of the rooms that tell who is in another.
pub(super) const ROOM_PREFIX: &str = "presence:";

/// When to try again what could not be written, at the earliest.
const AGAIN: Duration = Duration::from_secs(1);

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
    here: Mutex<Here>,
    /// Held by the one who tells.
    telling: tokio::sync::Mutex<()>,
}

/// Who is there now. It is only added to under the table of rooms, so that no room is dropped
/// under somebody who comes.
#[derive(Default)]
struct Here {
    /// By user, and by client instance.
    users: BTreeMap<String, BTreeMap<String, Device>>,
    /// How many watch, or are about to.
    watchers: usize,
}

#[derive(Default)]
struct Device {
    subscriptions: u32,
    /// When the last one ended; told if it lasts.
    left: Option<Instant>,
}

/// Keeps somebody in a room, or a watcher before it, until it is dropped.
struct Guard {
    service: Weak<PresenceService>,
    watched: Arc<Watched>,
    who: Who,
}

enum Who {
    Watcher,
    User { subject: String, instance: String },
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(service) = self.service.upgrade() {
            service.gone(&self.watched, &self.who);
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

    /// Somebody has come to a room, or to watch one, and stays until the permit is dropped.
    pub(super) fn appear(&self, caller: &Caller, room: &str) -> Option<Permit> {
        let tenant = &caller.identity.tenant;
        let guard = if let Some(watched) = room.strip_prefix(ROOM_PREFIX) {
            self.enter(tenant, watched, Who::Watcher)
        } else if rights::is_service_room(room) {
            return None;
        } else {
            let subject = caller.identity.subject.clone();
            self.enter(tenant, room, Who::User { subject, instance: caller.instance.clone() })
        };
        // A watcher too: whoever came after the log was brought up to date for it is still to tell.
        self.tell_soon(&guard.watched, Duration::ZERO);
        Some(Box::new(guard))
    }

    /// Brings the log of `presence:{room}` up to date for somebody who is about to watch it: they
    /// may come for the first time, or come back to it.
    pub(super) async fn open(&self, tenant: &str, room: &str) -> Result<(), Refusal> {
        let guard = self.enter(tenant, room, Who::Watcher);
        let watched = &guard.watched;
        let _telling = watched.telling.lock().await;
        self.forget(watched);
        self.write_changes(watched).await?;
        watched.told.open_if_new().await
    }

    /// Counts somebody in.
    fn enter(&self, tenant: &str, room: &str, who: Who) -> Guard {
        let key = RoomKey::new(tenant, &format!("{ROOM_PREFIX}{room}"));
        let mut rooms = lock(&self.rooms);
        let watched = rooms.entry(key).or_insert_with_key(|key| {
            let told = StateRoom::new(self.hub.clone(), key.clone(), People::default());
            told.show();
            let (here, telling) = Default::default();
            Arc::new(Watched { told, here, telling })
        });
        let watched = watched.clone();
        let mut here = lock(&watched.here);
        match &who {
            Who::Watcher => here.watchers += 1,
            Who::User { subject, instance } => {
                let devices = here.users.entry(subject.clone()).or_default();
                let device = devices.entry(instance.clone()).or_default();
                device.subscriptions += 1;
                device.left = None;
            }
        }
        drop(here);
        Guard { service: self.myself.clone(), watched, who }
    }

    /// Counts somebody out.
    fn gone(&self, watched: &Arc<Watched>, who: &Who) {
        let mut here = lock(&watched.here);
        match who {
            Who::Watcher => here.watchers -= 1,
            Who::User { subject, instance } => {
                let devices = here.users.get_mut(subject);
                let Some(device) = devices.and_then(|devices| devices.get_mut(instance)) else {
                    return;
                };
                device.subscriptions -= 1;
                if device.subscriptions == 0 {
                    device.left = Some(Instant::now());
                }
            }
        }
        drop(here);
        self.tell_soon(watched, self.linger);
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
        self.forget(watched);
        let wanted = {
            let here = lock(&watched.here);
            // What was told of the last ones is taken back, before nobody knows of it any more.
            here.watchers > 0 || here.users.is_empty()
        };
        if wanted && self.write_changes(watched).await.is_err() {
            // The log can't be reached now.
            self.tell_soon(watched, self.linger.max(AGAIN));
        }
        self.remove_if_empty(watched);
    }

    async fn write_changes(&self, watched: &Arc<Watched>) -> Result<(), Refusal> {
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
        lock(&watched.here).users.retain(|_, devices| {
            devices.retain(|_, device| stays(device.left));
            !devices.is_empty()
        });
    }

    fn remove_if_empty(&self, watched: &Arc<Watched>) {
        let mut rooms = lock(&self.rooms);
        let unused = {
            let here = lock(&watched.here);
            here.watchers == 0 && here.users.is_empty()
        };
        // Told of nobody, so that whoever comes next can begin anew with nobody.
        if unused && watched.told.with(|told| told.users.is_empty()) {
            let key = watched.told.key();
            if rooms.get(key).is_some_and(|known| Arc::ptr_eq(known, watched)) {
                rooms.remove(key);
                watched.told.close();
            }
        }
    }
}

/// One difference between who is there and what was told.
fn next_change(watched: &Watched) -> Option<Presence> {
    let here = lock(&watched.here);
    let users = &here.users;
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
    rights.may_read(caller, &room, now_ms).await?;
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
