//! A dashboard: its tiles and what they show now.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fold, read};
use crate::events::{DashboardUpdated, DecodeError, EventData, decode};

/// A dashboard's tiles.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DashboardState {
    /// The dashboard's id.
    pub dashboard_id: String,
    /// Its title: plain text, never markup.
    pub title: String,
    /// Its tiles, in the order to show them in.
    pub tiles: Vec<TileState>,
}

/// A tile of a dashboard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TileState {
    /// The tile's id.
    pub tile_id: String,
    /// Its title: plain text, never markup.
    pub title: String,
    /// How to show it: `number`, `series` or `table`.
    pub kind: String,
    /// The unit of its numbers; empty for none.
    #[serde(default)]
    pub unit: String,
    /// Its value now: a number, a text, or the rows of a table.
    pub value: Value,
    /// The latest points of its series, each a time in ms since the Unix epoch and a value: at
    /// most [`TileState::MOST_POINTS`].
    #[serde(default)]
    pub points: Vec<(u64, f64)>,
}

impl TileState {
    /// Points that are kept.
    pub const MOST_POINTS: usize = 300;

    /// Takes a new value, and points to add.
    pub fn update(&mut self, value: Value, points: &[(u64, f64)]) {
        self.value = value;
        self.points.extend(points);
        let surplus = self.points.len().saturating_sub(Self::MOST_POINTS);
        self.points.drain(..surplus);
    }
}

impl Fold for DashboardState {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        if kind != DashboardUpdated::TYPE {
            return Ok(false);
        }
        let updated: DashboardUpdated = decode(data)?;
        let mut changed = false;
        for new in updated.tiles {
            // A tile that was never introduced can't be shown; the next snapshot has it.
            if let Some(tile) = self.tiles.iter_mut().find(|tile| tile.tile_id == new.tile_id) {
                tile.update(new.value, &new.points);
                changed = true;
            }
        }
        Ok(changed)
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
