//! The course of a session's generation, as late joiners see it: what its events add up to.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use staywire::events::{
    GenerationCompleted, GenerationError, GenerationStarted, GenerationStep, PreviewUpdated,
    StepStatus,
};

use super::generator::Page;

/// Where a generation stands.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Course {
    pub(super) session_id: String,
    pub(super) project_id: String,
    pub(super) task_id: String,
    pub(super) status: Status,
    percent: u64,
    message: String,
    step_number: u64,
    total_steps: u64,
    steps: Vec<CourseStep>,
    pub(super) preview: Option<Preview>,
    error: Option<CourseError>,
    final_url: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    #[default]
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

#[derive(Debug, Clone, Serialize)]
struct CourseStep {
    step_id: String,
    step_number: u64,
    status: StepStatus,
    message: String,
}

#[derive(Debug, Clone)]
pub(super) struct Preview {
    pub(super) preview_url: String,
    pub(super) step_id: String,
    /// Shared with the store of previews.
    pub(super) page: Arc<Page>,
}

/// A `generation:error`, whose step is null and not absent where there is none.
#[derive(Debug, Clone, Serialize)]
struct CourseError {
    session_id: String,
    step_id: Option<String>,
    error_code: String,
    error_message: String,
    retry_available: bool,
    timestamp: String,
}

/// The code of a generation that was stopped on request.
pub(super) const CANCELLED: &str = "CANCELLED";

impl Serialize for Preview {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut preview = serializer.serialize_struct("Preview", 5)?;
        preview.serialize_field("preview_url", &self.preview_url)?;
        preview.serialize_field("html_content", &self.page.html)?;
        preview.serialize_field("css_content", &self.page.css)?;
        preview.serialize_field("js_content", &self.page.js)?;
        preview.serialize_field("step_id", &self.step_id)?;
        preview.end()
    }
}

impl Course {
    /// A generation that was asked for.
    pub(super) fn queued(session_id: &str, project_id: &str, task_id: &str) -> Self {
        Self {
            session_id: session_id.to_owned(),
            project_id: project_id.to_owned(),
            task_id: task_id.to_owned(),
            message: "waits for its turn".into(),
            ..Self::default()
        }
    }

    /// A failed generation that was asked for again.
    pub(super) fn queue_again(&mut self) {
        self.status = Status::Queued;
        self.error = None;
        self.message = "waits for its turn".into();
    }

    /// The step that is under way.
    pub(super) fn open_step(&self) -> Option<(String, u64)> {
        self.steps
            .iter()
            .find(|step| matches!(step.status, StepStatus::Pending | StepStatus::InProgress))
            .map(|step| (step.step_id.clone(), step.step_number))
    }

    /// The step that failed last.
    pub(super) fn failed_step(&self) -> Option<String> {
        let failed = self.steps.iter().find(|step| step.status == StepStatus::Failed);
        failed.map(|step| step.step_id.clone())
    }

    pub(super) fn total_steps(&self) -> u64 {
        self.total_steps
    }

    pub(super) fn percent(&self) -> u64 {
        self.percent
    }

    pub(super) fn started(&mut self, event: GenerationStarted) {
        self.total_steps = event.total_steps;
        self.status = Status::Running;
        self.message.clear();
        (self.percent, self.step_number) = (0, 0);
        self.steps.clear();
        (self.preview, self.error, self.final_url) = (None, None, None);
    }

    pub(super) fn step(&mut self, event: GenerationStep) {
        self.status = Status::Running;
        self.error = None;
        self.percent = event.progress as u64;
        self.message = event.message.clone();
        self.step_number = event.step_number;
        self.total_steps = event.total_steps;
        let GenerationStep { step_id, step_number, status, message, .. } = event;
        let step = CourseStep { step_id, step_number, status, message };
        match self.steps.iter_mut().find(|known| known.step_id == step.step_id) {
            Some(known) => *known = step,
            None => self.steps.push(step),
        }
    }

    pub(super) fn previewed(&mut self, event: PreviewUpdated, page: Arc<Page>) {
        let PreviewUpdated { preview_url, step_id, .. } = event;
        self.preview = Some(Preview { preview_url, step_id, page });
    }

    pub(super) fn completed(&mut self, event: GenerationCompleted) {
        self.status = Status::Completed;
        self.percent = 100;
        self.final_url = Some(event.final_url);
    }

    pub(super) fn failed(&mut self, event: GenerationError) {
        let cancelled = event.error_code == CANCELLED;
        self.status = if cancelled { Status::Cancelled } else { Status::Failed };
        self.message = event.error_message.clone();
        self.error = Some(CourseError {
            session_id: event.session_id,
            timestamp: event.timestamp,
            step_id: event.step_id,
            error_code: event.error_code,
            error_message: event.error_message,
            retry_available: event.retry_available,
        });
    }
}
