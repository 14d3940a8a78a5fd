//! A dashboard: its tiles and what they show now.

use super::{Fold, read};
use crate::events::{
    DashboardSnapshot, DashboardUpdated, DecodeError, EventData, Tile, TileUpdate, decode,
};

/// A dashboard's tiles.
pub type DashboardState = DashboardSnapshot;

/// A tile of a dashboard.
pub type TileState = Tile;

impl Tile {
    /// Points that are kept.
    pub const MOST_POINTS: usize = 300;

    /// Takes what changed. Points that are not later than the last one were told before.
    pub fn take(&mut self, update: TileUpdate) {
        self.value = update.value;
        self.fault = update.fault;
        let last = self.points.last().map(|point| point.0);
        self.points.extend(update.points.iter().filter(|point| last < Some(point.0)));
        let surplus = self.points.len().saturating_sub(Self::MOST_POINTS);
        self.points.drain(..surplus);
    }
}

impl DashboardSnapshot {
    /// Takes what changed; whether anything did.
    pub fn take(&mut self, updated: DashboardUpdated) -> bool {
        let mut changed = false;
        for new in updated.tiles {
            // A tile that was never introduced can't be shown; the next snapshot has it.
            if let Some(tile) = self.tiles.iter_mut().find(|tile| tile.tile_id == new.tile_id) {
                tile.take(new);
                changed = true;
            }
        }
        changed
    }
}

impl Fold for DashboardSnapshot {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        match kind {
            DashboardUpdated::TYPE => Ok(self.take(decode(data)?)),
            Self::TYPE => {
                *self = decode(data)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
