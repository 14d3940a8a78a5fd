//! The kind `generation`: leads a generator through its steps, and tells the session's room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use staywire::events::{
    CompletedStatus, GenerationCompleted, GenerationError, GenerationStarted, GenerationStep,
    PreviewError, PreviewUpdated, StepStatus,
};
use tokio::time::Instant;

use super::course::{CANCELLED, Course};
use super::generator::{Generator, Made, Page, Step, StepError};
use super::preview::PreviewStore;
use super::sessions::{Session, Sessions, check_id};
use crate::config::GenerationConfig;
use crate::gateway::Refusal;
use crate::services::payload;
use crate::services::tasks::{Context, End, Fault, Kind, Owner};
use crate::time::{iso8601, unix_ms};

/// What a generation is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) prompt: String,
    #[serde(default)]
    pub(super) project_id: Option<String>,
    #[serde(default)]
    pub(super) session_id: Option<String>,
}

/// Where a generation stands between two attempts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Checkpoint {
    /// The step to go on with.
    next: usize,
    state: Value,
    /// How long the attempts so far took.
    spent_ms: u64,
    files: usize,
}

/// Generations of one generator.
pub(in crate::services) struct GenerationKind(Arc<Shared>);

struct Shared {
    generator: Arc<dyn Generator>,
    sessions: Arc<Sessions>,
    previews: Arc<PreviewStore>,
    config: GenerationConfig,
    /// How long each step takes, the last ones counting most, in ms.
    measured: Mutex<HashMap<String, f64>>,
}

/// One generation at work.
struct Run {
    shared: Arc<Shared>,
    session: Arc<Session>,
    session_id: String,
    prompt: String,
    context: Context,
    steps: Vec<Step>,
}

impl GenerationKind {
    pub(super) fn new(
        generator: Arc<dyn Generator>,
        sessions: Arc<Sessions>,
        previews: Arc<PreviewStore>,
        config: &GenerationConfig,
    ) -> Self {
        let (config, measured) = (config.clone(), Mutex::default());
        Self(Arc::new(Shared { generator, sessions, previews, config, measured }))
    }
}

impl Kind for GenerationKind {
    fn name(&self) -> &'static str {
        "generation"
    }

    /// Its faults are for people to decide on: the page is there as far as it came.
    fn max_attempts(&self) -> Option<u32> {
        Some(1)
    }

    fn admit<'a>(
        &'a self,
        owner: &'a Owner,
        task_id: &'a str,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, Refusal>> {
        self.0.admit(owner, task_id, input).boxed()
    }

    fn readmit(&self, owner: &Owner, task_id: &str, input: &Value) -> Result<(), Refusal> {
        let session = self.0.sessions.find(owner, session_id(input))?;
        session.occupy_again(task_id)?;
        session.room.with(Course::queue_again);
        Ok(())
    }

    fn run(&self, input: Value, context: Context) -> BoxFuture<'static, Result<Value, Fault>> {
        let shared = self.0.clone();
        async move {
            let session_id = session_id(&input).to_owned();
            let session = shared.sessions.find(context.owner(), &session_id).map_err(refused)?;
            let prompt = input["prompt"].as_str().unwrap_or_default().to_owned();
            let steps = shared.generator.steps(&prompt);
            let run = Run { shared, session, session_id, prompt, context, steps };
            run.run().await
        }
        .boxed()
    }

    fn ended<'a>(
        &'a self,
        owner: &'a Owner,
        _task_id: &'a str,
        input: &'a Value,
        end: &'a End,
    ) -> BoxFuture<'a, ()> {
        async move {
            let told = self.0.ended(owner, session_id(input), end).await;
            if let Err(refusal) = told {
                tracing::error!(%refusal, "the end of a generation could not be told");
            }
        }
        .boxed()
    }
}

impl Shared {
    async fn admit(&self, owner: &Owner, task_id: &str, input: Value) -> Result<Value, Refusal> {
        if !input.is_object() {
            return Err(Refusal::BadRequest("the input of `generation` must be an object".into()));
        }
        let Input { prompt, project_id, session_id } =
            serde_json::from_value(input).map_err(|error| {
                Refusal::BadRequest(format!("the input of `generation` is wrong: {error}"))
            })?;
        let limit_bytes = self.config.max_prompt_bytes;
        if prompt.len() > limit_bytes {
            return Err(Refusal::TooLarge { what: "the prompt", limit_bytes });
        }
        let prompt = normalise(&prompt);
        if prompt.is_empty() {
            return Err(Refusal::BadRequest("`prompt` is empty; say what to generate".into()));
        }
        let id = |given: Option<String>| given.map_or_else(payload::random_id, Ok);
        let (project_id, session_id) = (id(project_id)?, id(session_id)?);
        check_id("project_id", &project_id)?;
        let session = self.sessions.claim(owner, &session_id).await?;
        // It waits for an end that is being told, which may free the session.
        session.room.open().await?;
        session.occupy(task_id)?;
        session.room.with(|course| *course = Course::queued(&session_id, &project_id, task_id));
        Ok(json!({"prompt": prompt, "project_id": project_id, "session_id": session_id}))
    }

    async fn ended(&self, owner: &Owner, session_id: &str, end: &End) -> Result<(), Refusal> {
        let session = self.sessions.find(owner, session_id)?;
        self.previews.release(session_id);
        let timestamp = iso8601(unix_ms());
        let fault = match end {
            End::Done(result) => {
                let completed = GenerationCompleted {
                    session_id: session_id.to_owned(),
                    status: CompletedStatus::Completed,
                    total_time: result["total_time"].as_f64().unwrap_or(0.0),
                    files_generated: result["files_generated"].as_u64().unwrap_or(0),
                    final_url: url(session_id),
                    timestamp,
                    ..GenerationCompleted::default()
                };
                return tell_last(&session, completed, Course::completed).await;
            }
            End::Failed(fault) => fault.clone(),
            End::Cancelled(Some(fault)) => fault.clone(),
            End::Cancelled(None) => Fault::lasting(CANCELLED, "the generation was cancelled"),
        };
        // The step that was under way: it did not get to say so itself.
        let (open, total_steps, progress) = session
            .room
            .with(|course| (course.open_step(), course.total_steps(), course.percent()));
        if let Some((step_id, step_number)) = open {
            let failed = GenerationStep {
                session_id: session_id.to_owned(),
                step_id,
                step_number,
                total_steps,
                status: StepStatus::Failed,
                progress: progress as f64,
                message: fault.message.clone(),
                estimated_remaining: 0.0,
                timestamp: timestamp.clone(),
                ..GenerationStep::default()
            };
            session.room.say(failed, Course::step).await?;
        }
        let error = GenerationError {
            session_id: session_id.to_owned(),
            step_id: session.room.with(|course| course.failed_step()),
            error_code: fault.code,
            error_message: fault.message,
            retry_available: fault.retry_available,
            timestamp,
            ..GenerationError::default()
        };
        tell_last(&session, error, Course::failed).await
    }

    /// How long these steps will take, in seconds: as long as they took before.
    fn estimate(&self, steps: &[Step]) -> f64 {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let least = self.config.step_delay_ms as f64;
        let ms: f64 =
            steps.iter().map(|step| measured.get(&step.id).copied().unwrap_or(least)).sum();
        (ms / 100.0).round() / 10.0
    }

    fn measure(&self, step: &Step, took: Duration) {
        let took_ms = took.as_secs_f64() * 1_000.0;
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        // Steps of other generators may be named by their prompts.
        if measured.len() > 1_000 {
            measured.clear();
        }
        let mean = measured.entry(step.id.clone()).or_insert(took_ms);
        *mean = (*mean * 3.0 + took_ms) / 4.0;
    }
}

/// Tells the last event of a generation. Whoever has it may begin another.
async fn tell_last<E>(
    session: &Arc<Session>,
    event: E,
    fold: fn(&mut Course, E),
) -> Result<(), Refusal>
where
    E: staywire::events::EventData + Send + 'static,
{
    let freed = session.clone();
    let told = session.room.say(event, move |course, event| {
        fold(course, event);
        freed.vacate();
    });
    let told = told.await;
    if told.is_err() {
        session.vacate();
    }
    told.map(drop)
}

impl Run {
    async fn run(self) -> Result<Value, Fault> {
        let begun = Instant::now();
        let total = self.steps.len();
        self.shared.previews.hold(&self.session_id);
        let saved = self.context.checkpoint().and_then(|saved| serde_json::from_value(saved).ok());
        let mut at: Checkpoint = match saved {
            Some(saved) => saved,
            None => {
                self.tell_start().await?;
                Checkpoint::default()
            }
        };
        let earlier_ms = at.spent_ms;
        self.save(&at)?;
        for index in at.next..total {
            let made = self.step(index, at.state).await?;
            if let Some(page) = &made.page {
                at.files = page.files().len();
            }
            (at.next, at.state) = (index + 1, made.state);
            at.spent_ms = earlier_ms + ms(begun.elapsed());
            self.save(&at)?;
        }
        Ok(json!({
            "session_id": self.session_id,
            "final_url": url(&self.session_id),
            "files_generated": at.files,
            "total_time": at.spent_ms as f64 / 1_000.0,
        }))
    }

    /// Does one step, and tells of it from `pending` to `completed`. What fails it is told by the
    /// task's end.
    async fn step(&self, index: usize, state: Value) -> Result<Made, Fault> {
        let Some(step) = self.steps.get(index) else {
            return Err(Fault::lasting("GENERATION_FAILED", format!("there is no step {index}")));
        };
        let share = |done: usize| (done * 100 / self.steps.len()) as f64;
        let percent = share(index);
        self.tell_step(index, StepStatus::Pending, percent, format!("{} is next", step.title))
            .await?;
        self.context.progress(percent as u8, &step.title);
        self.tell_step(index, StepStatus::InProgress, percent, format!("{} …", step.title)).await?;
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(self.shared.config.step_delay_ms)).await;
        let made = self.shared.generator.step(&self.prompt, index, state).await;
        let made = made.map_err(|StepError { code, message, retry_available }| Fault {
            retry_available,
            ..Fault::lasting(code, message)
        })?;
        if let Some(page) = &made.page {
            self.show(step, page, &made).await?;
        }
        self.shared.measure(step, begun.elapsed());
        self.tell_step(index, StepStatus::Completed, share(index + 1), made.message.clone())
            .await?;
        Ok(made)
    }

    /// Keeps the page where it can be looked at, and tells of it.
    async fn show(&self, step: &Step, page: &Page, made: &Made) -> Result<(), Fault> {
        let (size, limit) = (page.size(), self.shared.config.max_output_bytes);
        if size > limit {
            return Err(Fault::lasting(
                "OUTPUT_TOO_LARGE",
                format!("the page has {size} bytes, and {limit} are the most; ask for less"),
            ));
        }
        let page = Arc::new(page.clone());
        match self.shared.previews.put(&self.session_id, page.clone()) {
            Ok(gone) => self.shared.sessions.without_preview(&gone),
            Err(full) => {
                let fault = Fault::on_request("PREVIEW_STORE_FULL", full.to_string());
                let error = PreviewError {
                    session_id: self.session_id.clone(),
                    error_code: fault.code.clone(),
                    error_message: fault.message.clone(),
                    timestamp: iso8601(unix_ms()),
                    ..PreviewError::default()
                };
                let told = self.session.room.say(error, |_, _| {});
                told.await.map_err(refused)?;
                return Err(fault);
            }
        }
        let files: Vec<_> = page
            .files()
            .into_iter()
            .map(|(name, bytes)| json!({"name": name, "bytes": bytes}))
            .collect();
        let mut metadata = made.metadata.clone();
        metadata.insert("step".into(), step.id.clone().into());
        metadata.insert("files".into(), files.into());
        let updated = PreviewUpdated {
            session_id: self.session_id.clone(),
            step_id: step.id.clone(),
            preview_url: url(&self.session_id),
            html_content: page.html.clone(),
            css_content: page.css.clone(),
            js_content: page.js.clone(),
            metadata,
            timestamp: iso8601(unix_ms()),
            ..PreviewUpdated::default()
        };
        let show = move |course: &mut Course, event| course.previewed(event, page);
        self.session.room.say(updated, show).await.map(drop).map_err(refused)
    }

    async fn tell_start(&self) -> Result<(), Fault> {
        let started = GenerationStarted {
            session_id: self.session_id.clone(),
            project_id: self.session.room.with(|course| course.project_id.clone()),
            total_steps: self.steps.len() as u64,
            estimated_time: self.shared.estimate(&self.steps),
            timestamp: iso8601(unix_ms()),
            ..GenerationStarted::default()
        };
        self.session.room.say(started, Course::started).await.map(drop).map_err(refused)
    }

    async fn tell_step(
        &self,
        index: usize,
        status: StepStatus,
        progress: f64,
        message: String,
    ) -> Result<(), Fault> {
        let done = index + usize::from(status == StepStatus::Completed);
        let event = GenerationStep {
            session_id: self.session_id.clone(),
            step_id: self.steps[index].id.clone(),
            step_number: index as u64 + 1,
            total_steps: self.steps.len() as u64,
            status,
            progress,
            message,
            estimated_remaining: self.shared.estimate(&self.steps[done..]),
            timestamp: iso8601(unix_ms()),
            ..GenerationStep::default()
        };
        self.session.room.say(event, Course::step).await.map(drop).map_err(refused)
    }

    fn save(&self, at: &Checkpoint) -> Result<(), Fault> {
        let saved = serde_json::to_value(at)
            .map_err(|error| Fault::on_request("GENERATION_FAILED", error.to_string()))?;
        self.context.save(saved);
        Ok(())
    }
}

/// Where a session's page is served.
fn url(session_id: &str) -> String {
    format!("/preview/{session_id}")
}

fn session_id(input: &Value) -> &str {
    input["session_id"].as_str().unwrap_or_default()
}

fn refused(refusal: Refusal) -> Fault {
    Fault::on_request("UNAVAILABLE", refusal.to_string())
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A prompt without what can't be seen: controls are spaces, and spaces are single.
fn normalise(prompt: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let words: String = prompt.chars().map(visible).collect();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
