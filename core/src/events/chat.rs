//! Messages between people in a room (ProductFlo).
//!
//! ProductFlo names the feature and no fields; these are in the style of the other events. The
//! room is the envelope's to name, never the message's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `chat:message`: somebody has said something in a room (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChatMessage {
    /// The message's id.
    pub id: String,
    /// The id of the user who wrote it.
    pub user: String,
    /// What was said: plain text, never markup.
    pub text: String,
    /// When the server took it in: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
