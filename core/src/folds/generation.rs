//! The generation of a website: its steps, how far it has come, and the page as it is now.

use serde::{Deserialize, Serialize};

use super::{Fold, read};
use crate::events::{
    CompletedStatus, DecodeError, EventData, GenerationCompleted, GenerationError,
    GenerationStarted, GenerationStep, PreviewUpdated, StepStatus, decode,
};

/// The code of a [`GenerationError`] that was asked for.
const CANCELLED: &str = "CANCELLED";

/// Where a generation stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GenerationState {
    /// The session that it runs in.
    pub session_id: String,
    /// The project that is generated.
    pub project_id: String,
    /// The task that runs it; empty where the server says none.
    #[serde(default)]
    pub task_id: String,
    /// Where it stands as a whole.
    pub status: GenerationStatus,
    /// How much is done, in percent: 0 to 100.
    pub percent: f64,
    /// What is going on, for people to read.
    pub message: String,
    /// The step that it is at, counted from 1; 0 before the first.
    pub step_number: u64,
    /// How many steps there are.
    pub total_steps: u64,
    /// The steps that were announced so far, in order.
    pub steps: Vec<StepState>,
    /// The page as it is now.
    pub preview: Option<Preview>,
    /// What failed last, until it is tried again.
    pub error: Option<GenerationError>,
    /// Where the result is served, once it is complete.
    pub final_url: Option<String>,
}

/// Where a generation stands as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GenerationStatus {
    /// Waits for its turn.
    #[default]
    Queued,
    /// At work.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended without one.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl GenerationStatus {
    /// Whether it has ended, and nothing more will come unless it is tried again.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepState {
    /// The step's id.
    pub step_id: String,
    /// Its place, counted from 1.
    pub step_number: u64,
    /// Where it stands.
    pub status: StepStatus,
    /// What it does, for people to read.
    pub message: String,
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Where it is served.
    pub preview_url: String,
    /// Its HTML, untrusted.
    pub html_content: String,
    /// Its CSS, untrusted.
    pub css_content: String,
    /// Its JavaScript, untrusted.
    pub js_content: String,
    /// The step that wrote it.
    pub step_id: String,
}

impl GenerationState {
    fn step(&mut self, step: GenerationStep) {
        self.status = GenerationStatus::Running;
        self.percent = step.progress;
        self.message.clone_from(&step.message);
        self.step_number = step.step_number;
        self.total_steps = step.total_steps;
        if step.status != StepStatus::Failed {
            self.error = None;
        }
        let GenerationStep { step_id, step_number, status, message, .. } = step;
        let state = StepState { step_id, step_number, status, message };
        match self.steps.iter_mut().find(|known| known.step_id == state.step_id) {
            Some(known) => *known = state,
            None => self.steps.push(state),
        }
    }
}

impl Fold for GenerationState {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        match kind {
            GenerationStarted::TYPE => {
                let started: GenerationStarted = decode(data)?;
                *self = Self {
                    session_id: started.session_id,
                    project_id: started.project_id,
                    task_id: std::mem::take(&mut self.task_id),
                    status: GenerationStatus::Running,
                    total_steps: started.total_steps,
                    ..Self::default()
                };
            }
            GenerationStep::TYPE => self.step(decode(data)?),
            PreviewUpdated::TYPE => {
                let page: PreviewUpdated = decode(data)?;
                self.preview = Some(Preview {
                    preview_url: page.preview_url,
                    html_content: page.html_content,
                    css_content: page.css_content,
                    js_content: page.js_content,
                    step_id: page.step_id,
                });
            }
            GenerationCompleted::TYPE => {
                let completed: GenerationCompleted = decode(data)?;
                if completed.status == CompletedStatus::Completed {
                    self.status = GenerationStatus::Completed;
                    self.percent = 100.0;
                    self.final_url = Some(completed.final_url);
                } else if !self.status.is_final() {
                    self.status = GenerationStatus::Failed;
                }
            }
            GenerationError::TYPE => {
                let error: GenerationError = decode(data)?;
                self.status = match error.error_code.as_str() {
                    CANCELLED => GenerationStatus::Cancelled,
                    _ => GenerationStatus::Failed,
                };
                self.message.clone_from(&error.error_message);
                self.error = Some(error);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
