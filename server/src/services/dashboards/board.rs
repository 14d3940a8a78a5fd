//! One dashboard: its tiles are read once for all who watch it, and told in a room of each tenant.
//!
//! Nothing is read or told while nobody watches. When somebody comes, the room is brought up to
//! date first, so nobody is shown what was true when the last one left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use staywire::events::{DashboardSnapshot, DashboardUpdated, EventData, Tile, TileUpdate};
use tokio::time::{Instant, MissedTickBehavior};

use super::ROOM_PREFIX;
use super::reader::Reader;
use super::source::Points;
use crate::bus::RoomKey;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::services::state_room::StateRoom;
use crate::time::{iso8601, unix_ms};

/// Rooms of one dashboard that are kept: the next takes the place of the one that nobody watches
/// and was come to longest ago.
const MAX_ROOMS: usize = 1_000;

/// A look that is no older than this is shown to whoever comes now.
const FRESH: Duration = Duration::from_millis(100);

/// A tile, before anything is known of it, and what reads it.
pub(super) struct TileReader {
    pub(super) tile: Tile,
    pub(super) reader: Reader,
}

pub(super) struct Board {
    hub: Arc<Hub>,
    blank: DashboardSnapshot,
    tenants: Vec<String>,
    interval: Duration,
    /// Held by the one who looks and tells.
    turn: tokio::sync::Mutex<Turn>,
    rooms: Mutex<BTreeMap<String, Kept>>,
    ticking: AtomicBool,
}

struct Turn {
    /// In the order of the tiles.
    readers: Vec<Reader>,
    looked: Option<Instant>,
}

#[derive(Clone)]
struct Kept {
    room: Arc<StateRoom<DashboardSnapshot>>,
    opened: Instant,
    /// Whether the log has everything that the state has: a new state may follow an old log.
    told: bool,
}

impl Board {
    pub(super) fn new(
        hub: Arc<Hub>,
        (id, title): (&str, &str),
        tenants: &[String],
        interval_ms: u64,
        tiles: Vec<TileReader>,
    ) -> Arc<Self> {
        let (tiles, readers) = tiles.into_iter().map(|part| (part.tile, part.reader)).unzip();
        let blank = DashboardSnapshot {
            dashboard_id: id.to_owned(),
            title: title.to_owned(),
            tiles,
            ..Default::default()
        };
        Arc::new(Self {
            hub,
            blank,
            tenants: tenants.to_vec(),
            interval: Duration::from_millis(interval_ms),
            turn: tokio::sync::Mutex::new(Turn { readers, looked: None }),
            rooms: Mutex::default(),
            ticking: AtomicBool::new(false),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.blank.dashboard_id
    }

    pub(super) fn title(&self) -> &str {
        &self.blank.title
    }

    pub(super) fn is_for(&self, tenant: &str) -> bool {
        self.tenants.is_empty() || self.tenants.iter().any(|known| known == tenant)
    }

    /// Rooms that somebody watches.
    pub(super) fn watched(&self) -> usize {
        self.lock().values().filter(|kept| self.is_watched(kept)).count()
    }

    /// Brings a tenant's room up to date for somebody who is about to watch it: they may come for
    /// the first time, or come back to it.
    pub(super) async fn open(self: &Arc<Self>, tenant: &str) -> Result<(), Refusal> {
        let mut turn = self.turn.lock().await;
        let kept = self.room(tenant);
        if turn.looked.is_none_or(|looked| looked.elapsed() >= FRESH) && !self.is_watched(&kept) {
            turn.look().await;
        }
        self.tell(&turn, &kept).await?;
        if !kept.told
            && let Some(kept) = self.lock().get_mut(tenant)
        {
            kept.told = true;
        }
        // The log may have been forgotten meanwhile, and have come back as another one.
        kept.room.open().await?;
        self.start();
        Ok(())
    }

    /// Looks from now on, whenever somebody watches.
    fn start(self: &Arc<Self>) {
        if self.ticking.swap(true, Ordering::Relaxed) {
            return;
        }
        let (board, interval) = (Arc::downgrade(self), self.interval);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval_at(Instant::now() + interval, interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let Some(board) = board.upgrade() else { return };
                board.tick().await;
            }
        });
    }

    async fn tick(&self) {
        if self.watched() == 0 {
            return;
        }
        let mut turn = self.turn.lock().await;
        turn.look().await;
        let rooms: Vec<Kept> = self.lock().values().cloned().collect();
        for kept in rooms.iter().filter(|kept| self.is_watched(kept)) {
            if let Err(refusal) = self.tell(&turn, kept).await {
                // The next look tells the same again, and what is new.
                tracing::debug!(board = self.id(), code = refusal.code(), "could not be told");
            }
        }
    }

    /// Tells what changed of a room's tiles since it was last told.
    async fn tell(&self, turn: &Turn, kept: &Kept) -> Result<(), Refusal> {
        let now_ms = unix_ms();
        let tiles = kept.room.with(|state| {
            let tiles = state.tiles.iter().zip(&turn.readers);
            let updates = tiles.filter_map(|(tile, reader)| update(tile, reader, now_ms));
            updates.collect::<Vec<_>>()
        });
        if kept.told && tiles.is_empty() {
            return Ok(());
        }
        let updated = DashboardUpdated {
            dashboard_id: self.id().to_owned(),
            tiles,
            timestamp: iso8601(now_ms),
            ..Default::default()
        };
        let fold = |state: &mut DashboardSnapshot, updated| {
            state.take(updated);
        };
        kept.room.say(updated, fold).await.map(drop)
    }

    fn is_watched(&self, kept: &Kept) -> bool {
        self.hub.members(kept.room.key()) > 0
    }

    fn room(&self, tenant: &str) -> Kept {
        let opened = Instant::now();
        let mut rooms = self.lock();
        if let Some(kept) = rooms.get_mut(tenant) {
            kept.opened = opened;
            return kept.clone();
        }
        if rooms.len() >= MAX_ROOMS {
            let unwatched = rooms.iter().filter(|(_, kept)| !self.is_watched(kept));
            let oldest = unwatched.min_by_key(|(_, kept)| kept.opened);
            let oldest = oldest.map(|(tenant, _)| tenant.clone());
            if let Some(kept) = oldest.and_then(|tenant| rooms.remove(&tenant)) {
                kept.room.close();
            }
        }
        let key = RoomKey::new(tenant, &format!("{ROOM_PREFIX}{}", self.id()));
        let plain = Some(DashboardSnapshot::TYPE);
        let room = StateRoom::told_as(self.hub.clone(), key, self.blank.clone(), plain);
        let kept = Kept { room, opened, told: false };
        rooms.insert(tenant.to_owned(), kept.clone());
        kept
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    async fn look(&mut self) {
        let now_ms = unix_ms();
        join_all(self.readers.iter_mut().map(|reader| reader.look(now_ms))).await;
        self.looked = Some(Instant::now());
    }
}

/// What is new of a tile; `None` if nothing is.
fn update(tile: &Tile, reader: &Reader, now_ms: u64) -> Option<TileUpdate> {
    let reading = reader.reading();
    let value = reading.map_or(&tile.value, |reading| &reading.value);
    let last = tile.points.last().map(|point| point.0);
    let mut points = match reading.map(|reading| &reading.points) {
        Some(Points::Given(points)) => points.clone(),
        Some(Points::Changes) if *value != tile.value => {
            value.as_f64().map(|value| (now_ms, value)).into_iter().collect()
        }
        Some(Points::Changes | Points::None) | None => Vec::new(),
    };
    points.retain(|point| last < Some(point.0));
    let fault = reader.fault().map(str::to_owned);
    let news = *value != tile.value || fault != tile.fault || !points.is_empty();
    let (tile_id, value) = (tile.tile_id.clone(), value.clone());
    news.then(|| TileUpdate { tile_id, value, points, fault, ..TileUpdate::default() })
}
