//! The truth: what was appended to each room's log, in each of its lives, and what the server
//! still kept of it at any time. Everything that an application saw is held against this.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use staywire_server::bus::memory::HistoryBounds;
use staywire_server::bus::{Listener, RoomKey, StoredEvent};

/// The number that every event, call and publish of a run carries; never used twice.
pub(crate) fn uid_of(json: &str) -> Option<u64> {
    let (_, rest) = json.split_once("\"uid\":")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// One event in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) uid: u64,
    at_ms: u64,
}

/// Where an event was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) room: String,
    pub(crate) epoch: Arc<str>,
    pub(crate) offset: u64,
}

#[derive(Debug)]
pub(crate) struct Truth {
    history: HistoryBounds,
    logs: BTreeMap<(String, Arc<str>), Vec<Entry>>,
    /// Every event in the order of appending, over all rooms and epochs.
    places: BTreeMap<u64, Vec<Place>>,
    order: Vec<(String, u64)>,
    conflicts: Vec<String>,
}

impl Truth {
    pub(crate) fn new(history: HistoryBounds) -> Self {
        Self {
            history,
            logs: BTreeMap::new(),
            places: BTreeMap::new(),
            order: Vec::new(),
            conflicts: Vec::new(),
        }
    }

    /// Places where one (epoch, offset) named two events.
    pub(crate) fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// All appended events in order, with their rooms.
    pub(crate) fn order(&self) -> &[(String, u64)] {
        &self.order
    }

    pub(crate) fn places(&self, uid: u64) -> &[Place] {
        self.places.get(&uid).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn uid_at(&self, room: &str, epoch: &Arc<str>, offset: u64) -> Option<u64> {
        let log = self.log(room, epoch);
        log.get(offset.checked_sub(1)? as usize).map(|entry| entry.uid)
    }

    pub(crate) fn tip(&self, room: &str, epoch: &Arc<str>) -> u64 {
        self.log(room, epoch).len() as u64
    }

    /// Up to where the server may have dropped a log by now.
    pub(crate) fn kept_from(&self, room: &str, epoch: &Arc<str>, now_ms: u64) -> u64 {
        let log = self.log(room, epoch);
        let by_count = log.len().saturating_sub(self.history.events);
        let max_age = self.history.max_age_ms;
        let by_age = log.partition_point(|entry| entry.at_ms.saturating_add(max_age) <= now_ms);
        by_count.max(by_age) as u64
    }

    fn log(&self, room: &str, epoch: &Arc<str>) -> &[Entry] {
        self.logs.get(&(room.to_owned(), epoch.clone())).map_or(&[], Vec::as_slice)
    }

    /// The rooms that have a log in this epoch, with all that was in it.
    pub(crate) fn logs_of(&self, wanted: &str) -> Vec<(String, Vec<u64>)> {
        let logs = self.logs.iter().filter(|((_, epoch), _)| **epoch == *wanted);
        logs.map(|((room, _), log)| (room.clone(), log.iter().map(|entry| entry.uid).collect()))
            .collect()
    }

    fn append(&mut self, room: &str, epoch: &Arc<str>, offset: u64, entry: Entry) {
        let log = self.logs.entry((room.to_owned(), epoch.clone())).or_default();
        let expected = log.len() as u64 + 1;
        if offset < expected {
            log.truncate(offset as usize - 1);
            self.conflicts.push(format!("{room} {epoch}:{offset} names a second event"));
        } else if offset > expected {
            self.conflicts.push(format!("{room} {epoch}:{offset} leaves a hole"));
        }
        log.push(entry);
        let place = Place { room: room.to_owned(), epoch: epoch.clone(), offset };
        self.places.entry(entry.uid).or_default().push(place);
        self.order.push((room.to_owned(), entry.uid));
    }
}

/// Writes the truth down as the store tells it.
pub(crate) struct Scribe(pub(crate) Arc<Mutex<Truth>>);

impl Listener for Scribe {
    fn appended(&self, room: &RoomKey, epoch: &Arc<str>, offset: u64, event: &Arc<StoredEvent>) {
        let uid = uid_of(&event.json).unwrap_or(0);
        let entry = Entry { uid, at_ms: event.at_ms };
        self.0.lock().expect("no poison").append(room.room(), epoch, offset, entry);
    }

    fn signalled(&self, _room: &RoomKey, _event: &Arc<StoredEvent>) {}
}
