//! The stream of an AI answer: `token` by `token`, then `complete` or `error` (MATIH).
//!
//! The wire names are short, so the types carry the family's name: a bare `Token` would be taken
//! for a credential. Nothing here puts an answer together or looks for holes in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `token`: the next piece of an answer (MATIH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AiToken {
    /// The piece of text, with its own leading space.
    pub token: String,
    /// The piece's place in the answer, counted from 0; a hole means a lost piece.
    pub index: u64,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `complete`: the answer has all its tokens (MATIH).
///
/// Either field may be absent or null, for an answer that is text alone; both are written always.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AiComplete {
    /// The query that the answer rests on.
    pub sql: Option<String>,
    /// The chart that shows the answer; free JSON.
    #[serde(rename = "chartConfig")]
    pub chart_config: Option<Value>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `error`: the answer has failed, or a request was refused (MATIH).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AiError {
    /// What failed, for programs, such as `QUERY_FAILED`.
    pub code: String,
    /// What failed, for people to read.
    pub message: String,
    /// How long to wait before another try, in milliseconds; absent when waiting would not help
    /// or the server doesn't say. An addition to MATIH's event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
