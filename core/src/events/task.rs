//! Long tasks that run in the background, and their partial results (ProductFlo).
//!
//! ProductFlo names the states and no fields; these are in the style of the other events. These
//! are records of what a server said; nothing here follows or checks the order of states.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::open_enum::open_enum;

/// `task:updated`: a task has changed its state or made progress (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskUpdated {
    /// The task's id.
    pub task_id: String,
    /// What kind of work it is, as it was asked for.
    pub kind: String,
    /// Where the task stands.
    pub state: TaskState,
    /// How much of it is done, in percent: 0 to 100.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100)))]
    pub progress: u8,
    /// What is going on, for people to read.
    pub message: String,
    /// Which attempt this is, counted from 1.
    pub attempt: u32,
    /// How many attempts there will be at most.
    pub max_attempts: u32,
    /// When a queued task is tried again after a fault: ISO 8601, UTC. Absent before a first
    /// attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<String>,
    /// Why the last attempt ended without a result. Absent where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<TaskError>,
    /// What a done task brought; its shape is that of its kind. Absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// When it was asked for: ISO 8601, UTC.
    pub created_at: String,
    /// When it changed: ISO 8601, UTC.
    pub updated_at: String,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

open_enum! {
    /// Where a task stands (ProductFlo).
    TaskState {
        /// Waits for its turn, or for its next attempt.
        #[default]
        Queued = "queued",
        /// At work.
        Running = "running",
        /// Ended with a result.
        Done = "done",
        /// Ended without a result.
        Failed = "failed",
        /// Stopped on request.
        Cancelled = "cancelled",
    }
}

impl TaskState {
    /// Whether the task has ended, and nothing more will come of it unless it is asked for again.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// Why an attempt at a task ended without a result (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskError {
    /// Why, for programs.
    pub code: String,
    /// Why, for people: plain text, never markup.
    pub message: String,
    /// Whether asking for it again may help.
    pub retry_available: bool,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// `task:partial`: a task has brought a piece of its result (ProductFlo).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskPartial {
    /// The task's id.
    pub task_id: String,
    /// The piece's place, counted from 0 over all attempts.
    pub index: u64,
    /// The piece; its shape is that of the task's kind.
    pub data: Value,
    /// Fields that this version doesn't know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
