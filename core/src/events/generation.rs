//! The course of a website's generation, from `generation:started` to its end (OpenV0).
//!
//! For each step comes `generation:step` as pending, in progress, and completed or failed. These
//! are records of what a server said; they never follow or check that order.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{number, open_enum::open_enum};

/// `generation:started`: a generation has begun (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenerationStarted {
    /// The id of the session that the generation runs in.
    pub session_id: String,
    /// The id of the project that is generated.
    pub project_id: String,
    /// How many steps there will be.
    pub total_steps: u64,
    /// How long the whole is expected to take, in seconds.
    #[serde(serialize_with = "number::serialize")]
    pub estimated_time: f64,
    /// When it began: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `generation:step`: a step has changed its status or made progress (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenerationStep {
    /// The id of the session that the generation runs in.
    pub session_id: String,
    /// The step's id.
    pub step_id: String,
    /// The step's place, counted from 1.
    pub step_number: u64,
    /// How many steps there are.
    pub total_steps: u64,
    /// Where the step stands.
    pub status: StepStatus,
    /// How much of the whole generation is done, in percent: 0 to 100.
    #[serde(serialize_with = "number::serialize")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub progress: f64,
    /// What is going on, for people to read.
    pub message: String,
    /// How long the rest of the generation is expected to take, in seconds.
    #[serde(serialize_with = "number::serialize")]
    pub estimated_remaining: f64,
    /// When the step changed: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

open_enum! {
    /// Where a step stands (OpenV0).
    StepStatus {
        /// Not begun.
        #[default]
        Pending = "pending",
        /// At work.
        InProgress = "in_progress",
        /// Done.
        Completed = "completed",
        /// Ended without a result.
        Failed = "failed",
    }
}

/// `generation:completed`: the generation has come to its end, good or bad (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenerationCompleted {
    /// The id of the session that the generation ran in.
    pub session_id: String,
    /// How it ended.
    pub status: CompletedStatus,
    /// How long it took, in seconds.
    #[serde(serialize_with = "number::serialize")]
    pub total_time: f64,
    /// How many files were written.
    pub files_generated: u64,
    /// Where the result is served.
    pub final_url: String,
    /// When it ended: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

open_enum! {
    /// How a generation ended (OpenV0).
    CompletedStatus {
        /// With a result.
        #[default]
        Completed = "completed",
        /// Without one.
        Failed = "failed",
    }
}

/// `generation:error`: a step, or the generation as a whole, has failed (OpenV0).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GenerationError {
    /// The id of the session that the generation runs in.
    pub session_id: String,
    /// The id of the step that failed; absent when no single step is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<String>,
    /// What failed, for programs, such as `GENERATION_FAILED`.
    pub error_code: String,
    /// What failed, for people to read.
    pub error_message: String,
    /// Whether it makes sense to try again.
    pub retry_available: bool,
    /// When it failed: ISO 8601, UTC.
    pub timestamp: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
