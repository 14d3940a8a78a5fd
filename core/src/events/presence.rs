//! Who is in a room, and who is about to say something there (ProductFlo).
//!
//! ProductFlo names the feature and no fields; these are in the style of the other events. Both
//! are signals of the moment: they are not logged, and a client that was away asks instead.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::open_enum::open_enum;

/// `presence`: a user has come to a room, or gone (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Presence {
    /// The id of the user.
    pub user: String,
    /// Whether they are there.
    pub state: PresenceState,
    /// How many of their devices are there; 0 for who is gone.
    pub devices: u32,
    /// When it changed: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

open_enum! {
    /// Whether a user is in a room (ProductFlo).
    PresenceState {
        /// With one device at least.
        #[default]
        Here = "here",
        /// With none.
        Gone = "gone",
    }
}

/// `typing`: a user has begun to write in a room, or stopped (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Typing {
    /// The id of the user.
    pub user: String,
    /// Whether they are writing. Take it for over after 6 s without another.
    pub typing: bool,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
