//! The embedded bus: logs in this process's memory.
//!
//! Nothing survives a restart, and it says so: a new process has a new store, and each of its
//! rooms a new epoch.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};

use super::dedup::Dedup;
pub use super::dedup::DedupBounds;
pub use super::evict::StoreBounds;
use super::evict::{Candidate, victims};
use super::{Bus, BusError, FirstReply, Known, Listener, RoomKey, Slice, Stamp, StoredEvent};

/// How long a log that nothing was ever written to is kept after its last use, in ms. Occupied
/// rooms are used all the time.
const UNWRITTEN_MS: u64 = 600_000;

/// What each room keeps.
#[derive(Debug, Clone, Copy)]
pub struct HistoryBounds {
    /// Most events.
    pub events: usize,
    /// Most bytes of events.
    pub bytes: usize,
    /// Greatest age in ms.
    pub max_age_ms: u64,
}

#[derive(Debug)]
struct Log {
    epoch: Arc<str>,
    tip: u64,
    events: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
    /// It is no longer anybody's log: whoever found it before that looks again.
    forgotten: bool,
}

/// A log, when it was used, and whose it is; these are beside the lock, so that looking a room up
/// never waits for another room's fan-out.
#[derive(Debug)]
struct Entry {
    log: Mutex<Log>,
    last_used_ms: AtomicU64,
    owner: OnceLock<Box<str>>,
}

impl Log {
    fn oldest(&self) -> u64 {
        self.tip + 1 - self.events.len() as u64
    }

    /// Forgets what is beyond the bounds; returns how many bytes that were.
    fn trim(&mut self, bounds: HistoryBounds, now_ms: u64) -> usize {
        let before = self.bytes;
        while self.events.len() > bounds.events
            // The newest is always kept, however large.
            || (self.bytes > bounds.bytes && self.events.len() > 1)
            || self
                .events
                .front()
                .is_some_and(|event| event.at_ms.saturating_add(bounds.max_age_ms) <= now_ms)
        {
            if let Some(event) = self.events.pop_front() {
                self.bytes -= event.size();
            }
        }
        before - self.bytes
    }
}

/// Logs in memory.
pub struct MemoryBus {
    store: Arc<str>,
    history: HistoryBounds,
    bounds: StoreBounds,
    logs: Mutex<Logs>,
    /// Of the events of all logs.
    bytes: AtomicUsize,
    dedup: Mutex<Dedup>,
    listeners: RwLock<Vec<Arc<dyn Listener>>>,
}

#[derive(Debug, Default)]
struct Logs {
    by_room: HashMap<RoomKey, Arc<Entry>>,
    epochs: u64,
}

impl MemoryBus {
    /// An empty store. `store` must differ from that of any other process or earlier run.
    pub fn new(store: &str, history: HistoryBounds, dedup: DedupBounds) -> Self {
        Self::bounded(store, history, dedup, StoreBounds::default())
    }

    /// The same, with bounds on what all rooms keep together. A room that had to make way comes back
    /// with a new epoch, so that its clients are told what they miss.
    pub fn bounded(
        store: &str,
        history: HistoryBounds,
        dedup: DedupBounds,
        bounds: StoreBounds,
    ) -> Self {
        Self {
            store: Arc::from(store),
            history,
            bounds,
            logs: Mutex::default(),
            bytes: AtomicUsize::new(0),
            dedup: Mutex::new(Dedup::new(dedup, bounds.producers)),
            listeners: RwLock::default(),
        }
    }

    /// Forgets logs without events that nobody used for the history's age, and publishes beyond
    /// their window. A room that comes back has a new epoch.
    pub fn sweep(&self, now_ms: u64) {
        let mut logs = lock(&self.logs);
        let bounds = self.history;
        logs.by_room.retain(|_, entry| {
            let mut log = lock(&entry.log);
            self.freed(log.trim(bounds, now_ms));
            let last_used_ms = entry.last_used_ms.load(Ordering::Relaxed);
            // A log that was only ever looked at is worth little, and costs an attacker nothing.
            let keep_ms = match log.tip {
                0 => bounds.max_age_ms.min(UNWRITTEN_MS),
                _ => bounds.max_age_ms,
            };
            log.forgotten = log.events.is_empty() && last_used_ms.saturating_add(keep_ms) <= now_ms;
            !log.forgotten
        });
        drop(logs);
        lock(&self.dedup).sweep(now_ms);
    }

    /// Rooms that have a log.
    pub fn rooms(&self) -> usize {
        lock(&self.logs).by_room.len()
    }

    /// How long publishes are remembered, in ms.
    pub fn window_ms(&self) -> u64 {
        lock(&self.dedup).window_ms()
    }

    /// Bytes of the events of all rooms.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn freed(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Forgets logs so that others have room.
    fn make_way(&self, logs: &mut Logs) {
        let candidates = logs.by_room.iter().map(|(room, entry)| Candidate {
            room: room.clone(),
            last_used_ms: entry.last_used_ms.load(Ordering::Relaxed),
            bytes: lock(&entry.log).bytes,
        });
        for room in victims(candidates.collect(), self.bounds) {
            if let Some(entry) = logs.by_room.remove(&room) {
                let mut log = lock(&entry.log);
                self.freed(log.bytes);
                log.forgotten = true;
            }
        }
        tracing::warn!(rooms = logs.by_room.len(), bytes = self.bytes(), "the store was full");
    }

    fn entry(&self, room: &RoomKey, now_ms: u64) -> Arc<Entry> {
        let mut logs = lock(&self.logs);
        if let Some(entry) = logs.by_room.get(room) {
            entry.last_used_ms.store(now_ms, Ordering::Relaxed);
            return entry.clone();
        }
        if logs.by_room.len() >= self.bounds.rooms {
            self.make_way(&mut logs);
        }
        logs.epochs += 1;
        let epoch = Arc::from(format!("{}.{}", self.store, logs.epochs));
        let entry = Arc::new(Entry {
            log: Mutex::new(Log {
                epoch,
                tip: 0,
                events: VecDeque::new(),
                bytes: 0,
                forgotten: false,
            }),
            last_used_ms: AtomicU64::new(now_ms),
            owner: OnceLock::new(),
        });
        logs.by_room.insert(room.clone(), entry.clone());
        entry
    }

    /// Looks at the log of a room, for as long as nobody else may.
    fn with_log<R>(&self, room: &RoomKey, now_ms: u64, act: impl FnOnce(&mut Log) -> R) -> R {
        loop {
            let entry = self.entry(room, now_ms);
            let mut log = lock(&entry.log);
            if !log.forgotten {
                return act(&mut log);
            }
        }
    }

    fn append_now(
        &self,
        room: &RoomKey,
        event: StoredEvent,
        stamp: Option<&Stamp>,
    ) -> Result<Known, BusError> {
        let known = self.with_log(room, event.at_ms, |log| self.append_to(log, room, event, stamp));
        if self.bytes() > self.bounds.bytes {
            self.make_way(&mut lock(&self.logs));
        }
        known
    }

    fn append_to(
        &self,
        log: &mut Log,
        room: &RoomKey,
        event: StoredEvent,
        stamp: Option<&Stamp>,
    ) -> Result<Known, BusError> {
        let now_ms = event.at_ms;
        // Within the log's lock, so that nobody waits for a room's fan-out to have a stamp
        // looked up; the stamp and the append are one step all the same.
        let mut dedup = stamp.map(|stamp| (stamp, lock(&self.dedup)));
        if let Some((stamp, dedup)) = &dedup {
            match dedup.recall(stamp)? {
                Known::New => {}
                known => return Ok(known),
            }
        }
        log.tip += 1;
        let event = Arc::new(event);
        log.bytes += event.size();
        self.bytes.fetch_add(event.size(), Ordering::Relaxed);
        log.events.push_back(event.clone());
        self.freed(log.trim(self.history, now_ms));
        let reply = FirstReply::Appended { epoch: log.epoch.clone(), offset: log.tip };
        if let Some((stamp, dedup)) = &mut dedup {
            dedup.remember(stamp, reply.clone(), now_ms);
        }
        drop(dedup);
        // Under the log's lock, so that listeners hear of offsets in order.
        for listener in self.listeners().iter() {
            listener.appended(room, &log.epoch, log.tip, &event);
        }
        Ok(Known::Answered(reply))
    }

    fn read_now(&self, room: &RoomKey, after: u64, limit: usize, now_ms: u64) -> Slice {
        self.with_log(room, now_ms, |log| {
            self.freed(log.trim(self.history, now_ms));
            let oldest = log.oldest();
            let first = after.saturating_add(1).max(oldest);
            let skip = usize::try_from(first - oldest).unwrap_or(usize::MAX);
            let events = log.events.iter().skip(skip).take(limit).cloned().collect();
            Slice { epoch: log.epoch.clone(), tip: log.tip, oldest, first, events }
        })
    }

    fn listeners(&self) -> std::sync::RwLockReadGuard<'_, Vec<Arc<dyn Listener>>> {
        self.listeners.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bus for MemoryBus {
    fn store(&self) -> Arc<str> {
        self.store.clone()
    }

    fn listen(&self, listener: Arc<dyn Listener>) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    fn append<'a>(
        &'a self,
        room: &'a RoomKey,
        event: StoredEvent,
        stamp: Option<&'a Stamp>,
    ) -> BoxFuture<'a, Result<Known, BusError>> {
        ready(self.append_now(room, event, stamp)).boxed()
    }

    fn recall<'a>(&'a self, stamp: &'a Stamp) -> BoxFuture<'a, Result<Known, BusError>> {
        ready(lock(&self.dedup).recall(stamp)).boxed()
    }

    fn refuse<'a>(
        &'a self,
        stamp: &'a Stamp,
        reply: FirstReply,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Known, BusError>> {
        let mut dedup = lock(&self.dedup);
        let known = dedup.recall(stamp).map(|known| match known {
            Known::New => {
                dedup.remember(stamp, reply.clone(), now_ms);
                Known::Answered(reply)
            }
            known => known,
        });
        ready(known).boxed()
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomKey,
        after: u64,
        limit: usize,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Slice, BusError>> {
        ready(Ok(self.read_now(room, after, limit, now_ms))).boxed()
    }

    fn claim<'a>(
        &'a self,
        room: &'a RoomKey,
        owner: &'a str,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<bool, BusError>> {
        let entry = self.entry(room, now_ms);
        let is_theirs = **entry.owner.get_or_init(|| owner.into()) == *owner;
        ready(Ok(is_theirs)).boxed()
    }

    fn signal<'a>(
        &'a self,
        room: &'a RoomKey,
        event: StoredEvent,
    ) -> BoxFuture<'a, Result<(), BusError>> {
        let event = Arc::new(event);
        for listener in self.listeners().iter() {
            listener.signalled(room, &event);
        }
        ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bus() -> MemoryBus {
        MemoryBus::new(
            "s",
            HistoryBounds { events: 3, bytes: 1_000, max_age_ms: 1_000 },
            DedupBounds { entries: 8, max_age_ms: 1_000 },
        )
    }

    fn event(at_ms: u64) -> StoredEvent {
        StoredEvent { json: r#"{"type":"a"}"#.into(), binary: None, at_ms }
    }

    fn key() -> RoomKey {
        RoomKey::new("t", "r")
    }

    #[test]
    fn offsets_outlive_the_events() {
        let bus = bus();
        for at in 0..5 {
            bus.append_now(&key(), event(at), None).unwrap();
        }
        let slice = bus.read_now(&key(), 0, 10, 5);
        assert_eq!((slice.oldest, slice.first, slice.tip, slice.events.len()), (3, 3, 5, 3));
        let aged = bus.read_now(&key(), 0, 10, 1_500);
        assert_eq!((aged.oldest, aged.tip, aged.events.len()), (6, 5, 0));
        bus.append_now(&key(), event(1_500), None).unwrap();
        assert_eq!(bus.read_now(&key(), 5, 10, 1_500).first, 6);
    }

    #[test]
    fn a_forgotten_room_comes_back_under_a_new_epoch() {
        let bus = bus();
        bus.append_now(&key(), event(0), None).unwrap();
        let before = bus.read_now(&key(), 0, 1, 0).epoch;
        bus.sweep(999);
        assert_eq!(bus.rooms(), 1);
        bus.sweep(5_000);
        assert_eq!(bus.rooms(), 0);
        assert_ne!(bus.read_now(&key(), 0, 1, 5_000).epoch, before);
    }

    #[test]
    fn a_room_is_its_owners_for_as_long_as_its_log_is_kept() {
        let bus = bus();
        let claim = |owner, now_ms| bus.claim(&key(), owner, now_ms).now_or_never().unwrap();
        assert_eq!(claim("ada", 0), Ok(true));
        bus.append_now(&key(), event(500), None).unwrap();
        bus.sweep(1_499);
        assert_eq!((claim("eve", 1_499), claim("ada", 1_499)), (Ok(false), Ok(true)));
        bus.sweep(5_000);
        assert_eq!((claim("eve", 5_000), claim("ada", 5_000)), (Ok(true), Ok(false)));
    }

    #[test]
    fn a_repeat_is_appended_once() {
        let bus = bus();
        let stamp = Stamp { subject: "t/u".into(), producer: "p".into(), sequence: 1 };
        let first = bus.append_now(&key(), event(0), Some(&stamp));
        assert_eq!(bus.append_now(&key(), event(1), Some(&stamp)), first);
        assert_eq!(bus.read_now(&key(), 0, 10, 1).tip, 1);
    }

    #[test]
    fn a_store_that_is_full_forgets_whole_rooms_and_says_so_by_their_epoch() {
        let history = HistoryBounds { events: 100, bytes: 1 << 20, max_age_ms: 1 << 40 };
        let dedup = DedupBounds { entries: 8, max_age_ms: 1_000 };
        let bounds = StoreBounds { rooms: 16, bytes: 1_000, producers: 8 };
        let bus = MemoryBus::bounded("s", history, dedup, bounds);
        bus.append_now(&key(), event(0), None).unwrap();
        let before = bus.read_now(&key(), 0, 1, 0).epoch;
        for number in 1..=1_000_u64 {
            let room = RoomKey::new("t", &format!("flood {number}"));
            let json = format!(r#"{{"type":"{}"}}"#, "a".repeat(number as usize % 90));
            let event = StoredEvent { json: json.into(), binary: None, at_ms: number };
            bus.append_now(&room, event, None).unwrap();
            assert!(bus.rooms() <= 16 && bus.bytes() <= 1_000, "{number}");
        }
        let slice = bus.read_now(&key(), 0, 1, 1_001);
        assert_eq!(slice.tip, 0);
        assert_ne!(slice.epoch, before);
        bus.sweep(1 << 50);
        assert_eq!((bus.rooms(), bus.bytes()), (0, 0));
    }
}
