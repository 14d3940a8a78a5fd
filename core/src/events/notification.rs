//! Notices to a user, on all their devices (ProductFlo).
//!
//! ProductFlo names the feature and no fields; these are in the style of the other events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::open_enum::open_enum;

/// `notification`: something that the user should know (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Notification {
    /// The notice's id.
    pub id: String,
    /// One line: plain text, never markup.
    pub title: String,
    /// The rest: plain text, never markup.
    pub body: String,
    /// How much it matters.
    pub level: NotificationLevel,
    /// When it was sent: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `notification:read`: the user has read notices, on one of their devices (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotificationRead {
    /// The ids of the notices.
    pub ids: Vec<String>,
    /// When: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

open_enum! {
    /// How much a notice matters (ProductFlo).
    NotificationLevel {
        /// Good to know.
        #[default]
        Info = "info",
        /// Something went well.
        Success = "success",
        /// Something may need a look.
        Warning = "warning",
        /// Something went wrong.
        Error = "error",
    }
}
