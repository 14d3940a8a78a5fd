//! The live preview of a generated page (OpenV0).
//!
//! The content is generated code. It is carried, and never cleaned or made safe to run: show it
//! in a frame that can't reach the app.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `preview:updated`: the page has new content (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviewUpdated {
    /// The id of the session whose page it is.
    pub session_id: String,
    /// The id of the step that wrote the content.
    pub step_id: String,
    /// Where the page is served.
    pub preview_url: String,
    /// The page's HTML, untrusted.
    pub html_content: String,
    /// The page's CSS, untrusted.
    pub css_content: String,
    /// The page's JavaScript, untrusted.
    pub js_content: String,
    /// What else the server tells about the content; free JSON.
    pub metadata: Map<String, Value>,
    /// When the content changed: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `preview:error`: the page could not be updated (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PreviewError {
    /// The id of the session whose page it is.
    pub session_id: String,
    /// What failed, for programs.
    pub error_code: String,
    /// What failed, for people to read.
    pub error_message: String,
    /// When it failed: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
