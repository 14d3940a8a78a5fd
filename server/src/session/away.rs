//! Where stock Socket.IO clients stood in their rooms when their connections broke.
//!
//! Such a client knows no offsets. It comes back under its session id, and goes on behind the last
//! event that was handed to its transport. What was on its way when the connection broke may be
//! missing: nothing but offsets of the client's own could tell.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Caller;
use crate::hub::Begin;

/// Places that are kept. When there is no room, the next is not.
const MOST: usize = 50_000;

/// The places of those who are away.
#[derive(Debug, Default)]
pub struct AwayPlaces {
    life_ms: u64,
    kept: Mutex<HashMap<Key, Place>>,
}

/// Tenant, subject, session id and room.
type Key = (String, String, String, String);

#[derive(Debug)]
struct Place {
    epoch: Arc<str>,
    offset: u64,
    until_ms: u64,
}

impl AwayPlaces {
    /// None yet; each is kept for `life_ms`.
    pub fn new(life_ms: u64) -> Self {
        Self { life_ms, kept: Mutex::default() }
    }

    /// Keeps a place in a room.
    pub(super) fn keep(
        &self,
        caller: &Caller,
        room: &str,
        (epoch, offset): (Arc<str>, u64),
        now_ms: u64,
    ) {
        let Some(key) = key(caller, room).filter(|_| self.life_ms > 0) else { return };
        let mut kept = lock(&self.kept);
        if kept.len() >= MOST {
            kept.retain(|_, place| place.until_ms > now_ms);
        }
        if kept.len() < MOST {
            let until_ms = now_ms.saturating_add(self.life_ms);
            kept.insert(key, Place { epoch, offset, until_ms });
        }
    }

    /// Where somebody who comes to a room goes on, once; `None` if they were not away from it.
    pub(super) fn take(&self, caller: &Caller, room: &str, now_ms: u64) -> Option<Begin> {
        let place = lock(&self.kept).remove(&key(caller, room)?)?;
        let begin = Begin::After { epoch: place.epoch.to_string(), offset: place.offset };
        (place.until_ms > now_ms).then_some(begin)
    }

    /// Forgets those who were away for too long.
    pub fn sweep(&self, now_ms: u64) {
        lock(&self.kept).retain(|_, place| place.until_ms > now_ms);
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        lock(&self.kept).len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn key(caller: &Caller, room: &str) -> Option<Key> {
    let identity = &caller.identity;
    let session_id = caller.session_id.clone()?;
    Some((identity.tenant.clone(), identity.subject.clone(), session_id, room.to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Identity;

    fn caller(subject: &str, session_id: Option<&str>) -> Caller {
        let mut identity = Identity::anonymous().unwrap();
        identity.subject = subject.to_owned();
        Caller { identity, instance: String::new(), session_id: session_id.map(str::to_owned) }
    }

    #[test]
    fn a_place_is_given_back_once_to_whom_it_belongs() {
        let away = AwayPlaces::new(100);
        let ada = caller("ada", Some("s1"));
        away.keep(&ada, "session:s1", ("e".into(), 7), 0);
        assert_eq!(away.take(&caller("bob", Some("s1")), "session:s1", 1), None);
        assert_eq!(away.take(&caller("ada", Some("s2")), "session:s1", 1), None);
        assert_eq!(away.take(&ada, "chat:1", 1), None);
        let place = Begin::After { epoch: "e".into(), offset: 7 };
        assert_eq!(away.take(&ada, "session:s1", 99), Some(place));
        assert_eq!(away.take(&ada, "session:s1", 99), None);
    }

    #[test]
    fn memory_returns_to_its_base() {
        let away = AwayPlaces::new(100);
        away.keep(&caller("ada", Some("s1")), "r", ("e".into(), 7), 0);
        away.keep(&caller("ada", None), "r", ("e".into(), 7), 0);
        assert_eq!(away.len(), 1);
        assert_eq!(away.take(&caller("ada", Some("s1")), "r", 100), None, "it was away too long");
        away.keep(&caller("ada", Some("s1")), "r", ("e".into(), 7), 0);
        away.sweep(100);
        assert!(away.is_empty());
        AwayPlaces::default().keep(&caller("ada", Some("s1")), "r", ("e".into(), 7), 0);
        assert!(AwayPlaces::default().is_empty(), "a life of 0 turns it off");
    }
}
