//! Dashboards that are kept up to date, tile by tile (MATIH).
//!
//! MATIH names the endpoint and no fields; these are in the style of the other events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    /// Its value now: a number, a text, or the rows of a table.
    pub value: Value,
    /// Points to add to its series, each a time in ms since the Unix epoch and a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub points: Vec<(u64, f64)>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
