//! Dashboards that are kept up to date, tile by tile (MATIH).
//!
//! MATIH names the endpoint and no fields; these are in the style of the other events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `dashboard:snapshot`: a dashboard as a whole, for those who know no snapshots of rooms (MATIH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DashboardSnapshot {
    /// The dashboard's id.
    pub dashboard_id: String,
    /// Its title: plain text, never markup.
    pub title: String,
    /// Its tiles, in the order to show them in.
    pub tiles: Vec<Tile>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A tile of a dashboard (MATIH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Tile {
    /// The tile's id.
    pub tile_id: String,
    /// Its title: plain text, never markup.
    pub title: String,
    /// How to show it: `number`, `series` or `table`.
    pub kind: String,
    /// The unit of its numbers; empty for none.
    #[serde(default)]
    pub unit: String,
    /// Its value now: a number, a text, or the rows of a table, each a list of cells, the first
    /// row with the columns' names. Null if there was none yet.
    pub value: Value,
    /// The latest points of its series, oldest first, each a time in ms since the Unix epoch and a
    /// value.
    #[serde(default)]
    pub points: Vec<(u64, f64)>,
    /// Why its value is an old one, for people to read. Absent if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `dashboard:updated`: tiles of a dashboard have new values (MATIH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DashboardUpdated {
    /// The dashboard's id.
    pub dashboard_id: String,
    /// The tiles that changed, and what of them did.
    pub tiles: Vec<TileUpdate>,
    /// When they were read: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What changed of a tile (MATIH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TileUpdate {
    /// The tile's id.
    pub tile_id: String,
    /// Its value now, as in a [`Tile`].
    pub value: Value,
    /// Points to add to its series, each a time in ms since the Unix epoch and a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<(u64, f64)>,
    /// Why its value is an old one, for people to read. Absent if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
