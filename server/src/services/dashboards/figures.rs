//! The server's own figures, as tiles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::time::Instant;

use super::ROOM_PREFIX;
use super::source::{Fault, Look, Points, Reading, Source, number};
use crate::bus::{Listener, RoomKey, StoredEvent};
use crate::hub::Hub;
use crate::services::monitor::Monitor;

/// One of the server's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    Connections,
    Rooms,
    Events,
    Memory,
    Uptime,
}

impl Figure {
    /// In the order to show them in.
    pub(super) const ALL: [Self; 5] =
        [Self::Connections, Self::Rooms, Self::Events, Self::Memory, Self::Uptime];

    /// Id, title, unit, and whether it has a series.
    pub(super) fn shown(self) -> (&'static str, &'static str, &'static str, bool) {
        match self {
            Self::Connections => ("connections", "Connections", "", true),
            Self::Rooms => ("rooms", "Occupied rooms", "", false),
            Self::Events => ("events", "Events", "/s", true),
            Self::Memory => ("memory", "Memory", "MiB", true),
            Self::Uptime => ("uptime", "Uptime", "s", false),
        }
    }
}

/// Where the figures come from.
#[derive(Clone)]
pub(super) struct Figures {
    monitor: Monitor,
    events: Arc<Counter>,
}

impl Figures {
    /// Events are counted from now on.
    pub(super) fn new(hub: &Hub, monitor: Monitor) -> Self {
        let events = Arc::new(Counter::default());
        hub.bus().listen(events.clone());
        Self { monitor, events }
    }

    /// One of them, to be looked at.
    pub(super) fn source(&self, figure: Figure) -> Box<dyn Source> {
        Box::new(Watched { figures: self.clone(), figure, last: (Instant::now(), 0) })
    }
}

struct Watched {
    figures: Figures,
    figure: Figure,
    /// When events were last counted, and how many there were.
    last: (Instant, u64),
}

impl Source for Watched {
    fn look(&mut self, now_ms: u64) -> Result<Look, Fault> {
        let Figures { monitor, .. } = &self.figures;
        let figure = match self.figure {
            Figure::Connections => monitor.connections() as f64,
            Figure::Rooms => monitor.rooms() as f64,
            Figure::Events => self.rate(),
            Figure::Memory => {
                let memory = monitor.memory().ok_or_else(|| {
                    Fault::new("this system doesn't say", "no memory figures on this system")
                })?;
                tenths(memory as f64 / f64::from(1 << 20))
            }
            Figure::Uptime => monitor.uptime().as_secs() as f64,
        };
        let (.., series) = self.figure.shown();
        let points = if series { Points::Given(vec![(now_ms, figure)]) } else { Points::None };
        Ok(Look::New(Reading { value: number(figure).unwrap_or(Value::Null), points }))
    }
}

impl Watched {
    /// Events per second since the last look.
    fn rate(&mut self) -> f64 {
        let (now, count) = (Instant::now(), self.figures.events.0.load(Ordering::Relaxed));
        let (before, counted) = std::mem::replace(&mut self.last, (now, count));
        let seconds = now.duration_since(before).as_secs_f64();
        if seconds > 0.0 { tenths(count.saturating_sub(counted) as f64 / seconds) } else { 0.0 }
    }
}

fn tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// Counts the events of all rooms. Dashboards' own are left out, or looking would be an event.
#[derive(Default)]
struct Counter(AtomicU64);

impl Counter {
    fn count(&self, room: &RoomKey) {
        if !room.room().starts_with(ROOM_PREFIX) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Listener for Counter {
    fn appended(&self, room: &RoomKey, _: &Arc<str>, _: u64, _: &Arc<StoredEvent>) {
        self.count(room);
    }

    fn signalled(&self, room: &RoomKey, _: &Arc<StoredEvent>) {
        self.count(room);
    }
}
