//! One task's life: waiting, running, being tried again, and its end.
//!
//! A single future leads a task at a time, and tells all that happens to it in order. The work is
//! a future of its own beside it, so that a panic ends the work alone, and dropping it stops it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use staywire::events::{TaskError, TaskPartial, TaskState, TaskUpdated};
use tokio::sync::{OwnedMutexGuard, mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::kind::{Context, End, Fault, Owner};
use super::manager::{Task, Tasks};
use super::schedule;
use crate::gateway::Refusal;
use crate::services::ai::CancelSignal;
use crate::services::state_room::Place;
use crate::time::{iso8601, unix_ms};

/// Partial results that wait to be told before the work has to.
const PARTIALS_WAITING: usize = 16;

/// The work of one attempt; it ends with whoever waits for it.
struct Work(JoinHandle<Result<Value, Fault>>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the work reports while it runs.
struct Reports {
    partials: mpsc::Receiver<Value>,
    progress: watch::Receiver<(u8, String)>,
}

impl Tasks {
    /// Leads a task to its end.
    pub(super) async fn lead(
        self: Arc<Self>,
        task: Arc<Task>,
        place: schedule::Place,
        life: OwnedMutexGuard<()>,
    ) {
        let end = self.attempts(&task, place).await;
        let end = task.settle(end);
        task.kind.ended(&task.owner, &task.id, &task.input, &end).await;
        let told = self.tell(&task, |shown| show_end(shown, end)).await;
        if let Err(refusal) = told {
            tracing::error!(%refusal, "the end of a task could not be told");
        }
        drop(life);
        self.settled(&task);
    }

    async fn attempts(&self, task: &Arc<Task>, mut place: schedule::Place) -> End {
        let mut signal = task.signal();
        let mut attempt = task.shown().attempt;
        loop {
            let turn = tokio::select! {
                biased;
                () = signal.cancelled() => return End::Cancelled(None),
                turn = place.turn() => turn,
            };
            let ended = self.attempt(task, attempt, &mut signal).await;
            let fault = match ended {
                None => return End::Cancelled(None),
                Some(Ok(result)) => return End::Done(result),
                Some(Err(fault)) => fault,
            };
            if !fault.automatic || attempt >= task.shown().max_attempts {
                return End::Failed(fault);
            }
            place = self.schedule.reenter(&task.owner);
            drop(turn);
            let wait = self.back_off(attempt, &fault);
            self.tell_or_log(task, |shown| {
                let at_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                shown.state = TaskState::Queued;
                shown.message = "will be tried again".into();
                shown.retry_at = Some(iso8601(unix_ms().saturating_add(at_ms)));
                shown.error = Some(error(&fault));
            })
            .await;
            tokio::select! {
                biased;
                () = signal.cancelled() => return End::Cancelled(None),
                () = tokio::time::sleep(wait) => {}
            }
            attempt += 1;
        }
    }

    /// Does the work once; `None` if it was cancelled.
    async fn attempt(
        &self,
        task: &Arc<Task>,
        attempt: u32,
        signal: &mut CancelSignal,
    ) -> Option<Result<Value, Fault>> {
        let resumes = super::manager::lock(&task.checkpoint).is_some();
        self.tell_or_log(task, |shown| {
            shown.state = TaskState::Running;
            shown.message = "has begun".into();
            shown.attempt = attempt;
            if !resumes {
                shown.progress = 0;
            }
            (shown.error, shown.retry_at) = (None, None);
        })
        .await;
        let now = task.shown();
        let (progress, progress_reports) = watch::channel((now.progress, now.message));
        let (partials, partial_reports) = mpsc::channel(PARTIALS_WAITING);
        let context = Context {
            owner: task.owner.clone(),
            task_id: task.id.clone(),
            attempt,
            progress: Arc::new(progress),
            partials,
            checkpoint: task.checkpoint.clone(),
            cancel: signal.clone(),
        };
        let (kind, input) = (task.kind.clone(), task.input.clone());
        let mut work = Work(tokio::spawn(async move { kind.run(input, context).await }));
        let mut reports = Reports { partials: partial_reports, progress: progress_reports };
        let ended = self.follow(task, &mut work, &mut reports, signal).await?;
        let result = ended.unwrap_or_else(|lost| Err(fault_of(&lost)));
        // What was handed over before the end is told before it.
        while let Ok(data) = reports.partials.try_recv() {
            if let Err(fault) = self.tell_partial(task, data).await {
                return Some(Err(fault));
            }
        }
        let (percent, message) = reports.progress.borrow().clone();
        task.room.with(|record| {
            (record.task.progress, record.task.message) = (percent, message);
        });
        Some(result.and_then(|result| self.fits(&result).map(|_| result)))
    }

    /// Tells what the work reports, until it ends or is cancelled.
    async fn follow(
        &self,
        task: &Arc<Task>,
        work: &mut Work,
        reports: &mut Reports,
        signal: &mut CancelSignal,
    ) -> Option<Result<Result<Value, Fault>, JoinError>> {
        let interval = Duration::from_millis(self.config.progress_interval_ms);
        let mut last = Instant::now();
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = signal.cancelled() => {
                    work.0.abort();
                    // Cancelled is told when the work is really gone.
                    let _ = (&mut work.0).await;
                    return None;
                }
                Some(data) = reports.partials.recv() => {
                    if let Err(fault) = self.tell_partial(task, data).await {
                        work.0.abort();
                        let _ = (&mut work.0).await;
                        return Some(Ok(Err(fault)));
                    }
                }
                Ok(()) = reports.progress.changed(), if due.is_none() => {
                    due = Some(Instant::now().max(last + interval));
                }
                () = tokio::time::sleep_until(due.unwrap_or(last)), if due.is_some() => {
                    (due, last) = (None, Instant::now());
                    let (percent, message) = reports.progress.borrow_and_update().clone();
                    let told = self.tell_quietly(task, |shown| {
                        (shown.progress, shown.message) = (percent, message);
                    });
                    if let Err(refusal) = told.await {
                        tracing::warn!(%refusal, "a task's progress could not be told");
                    }
                }
                ended = &mut work.0 => return Some(ended),
            }
        }
    }

    /// Tells a change of state: in the task's room, and to all devices of its owner.
    pub(super) async fn tell(
        &self,
        task: &Arc<Task>,
        change: impl FnOnce(&mut TaskUpdated),
    ) -> Result<Place, Refusal> {
        let place = self.tell_quietly(task, change).await;
        let Owner { tenant, subject } = &task.owner;
        let told = self.notifications.tell(tenant, subject, task.shown(), unix_ms()).await;
        if let Err(refusal) = told {
            tracing::error!(%refusal, "a task's owner could not be told");
        }
        place
    }

    /// Tells a change in the task's room alone.
    async fn tell_quietly(
        &self,
        task: &Arc<Task>,
        change: impl FnOnce(&mut TaskUpdated),
    ) -> Result<Place, Refusal> {
        let mut event = task.shown();
        change(&mut event);
        event.updated_at = iso8601(unix_ms());
        let told = task.room.say(event.clone(), |record, event| record.task = event).await;
        if told.is_err() {
            // Whoever asks for the task must not be told what is long over.
            task.room.with(|record| record.task = event);
        }
        told
    }

    async fn tell_or_log(&self, task: &Arc<Task>, change: impl FnOnce(&mut TaskUpdated)) {
        if let Err(refusal) = self.tell(task, change).await {
            tracing::error!(%refusal, "a task's state could not be told");
        }
    }

    async fn tell_partial(&self, task: &Arc<Task>, data: Value) -> Result<(), Fault> {
        let size = self.fits(&data)?;
        let index = task.room.with(|record| record.next_index());
        let partial =
            TaskPartial { task_id: task.id.clone(), index, data, ..TaskPartial::default() };
        let config = self.config.clone();
        let told =
            task.room.say(partial, move |record, partial| record.push(partial, size, &config));
        told.await.map(drop).map_err(|refusal| {
            tracing::error!(%refusal, "a task's partial result could not be told");
            Fault::passing("UNAVAILABLE", "the task's room can't be written")
        })
    }

    fn fits(&self, data: &Value) -> Result<usize, Fault> {
        let (size, limit) = (data.to_string().len(), self.config.max_result_bytes);
        if size <= limit {
            return Ok(size);
        }
        let message = format!("a result of {size} bytes is over the limit of {limit}");
        Err(Fault::lasting("RESULT_TOO_LARGE", message))
    }

    /// How long to wait after a failed attempt: drawn evenly, so that what failed together is not
    /// tried again together.
    fn back_off(&self, attempt: u32, fault: &Fault) -> Duration {
        let doubled = 1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX);
        let most = self.config.retry_base_ms.saturating_mul(doubled).min(self.config.retry_max_ms);
        let drawn = getrandom::u64().map_or(most, |random| random % (most.saturating_add(1)));
        Duration::from_millis(drawn.saturating_add(fault.retry_after_ms))
    }
}

fn show_end(shown: &mut TaskUpdated, end: End) {
    shown.retry_at = None;
    match end {
        End::Done(result) => {
            shown.state = TaskState::Done;
            (shown.progress, shown.message) = (100, "done".into());
            (shown.result, shown.error) = (Some(result), None);
        }
        End::Failed(fault) => {
            shown.state = TaskState::Failed;
            shown.message = fault.message.clone();
            shown.error = Some(error(&fault));
        }
        End::Cancelled(fault) => {
            shown.state = TaskState::Cancelled;
            shown.message = "cancelled".into();
            shown.error = fault.as_ref().map(error);
        }
    }
}

fn error(fault: &Fault) -> TaskError {
    TaskError {
        code: fault.code.clone(),
        message: fault.message.clone(),
        retry_available: fault.retry_available,
        ..TaskError::default()
    }
}

/// The work is gone without a word: its details are in the server's log, and nobody else's affair.
fn fault_of(lost: &JoinError) -> Fault {
    tracing::error!(%lost, "a task's work was lost");
    Fault::on_request("INTERNAL", "the server failed at this; try again")
}
