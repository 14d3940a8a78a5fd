//! The calls `tasks.*`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use staywire::events::{TaskState, TaskUpdated};

use super::kind::Owner;
use super::manager::Tasks;
use crate::gateway::Refusal;
use crate::services::payload;
use crate::session::Caller;

/// Tasks that a list has at most.
const MAX_LISTED: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    kind: String,
    #[serde(default)]
    input: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    state: Option<TaskState>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    task_id: String,
}

#[derive(Serialize)]
struct Listed {
    tasks: Vec<TaskUpdated>,
}

#[derive(Serialize)]
struct Cancelled {
    /// Whether there was something to stop.
    cancelled: bool,
}

/// `tasks.start {kind, input}` -> `{task_id, room, epoch, offset}`: the place of the first
/// `task:updated`.
pub(in crate::services) async fn start(
    tasks: &Arc<Tasks>,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let Start { kind, input } = payload::read("tasks.start", data)?;
    payload::reply(&tasks.start(&Owner::of(caller), &kind, input).await?)
}

/// `tasks.list {state?}` -> `{tasks}`: the caller's own, the newest first.
pub(in crate::services) fn list(
    tasks: &Tasks,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let List { state } = payload::read("tasks.list", data)?;
    if let Some(TaskState::Other(state)) = &state {
        return Err(Refusal::BadRequest(format!(
            "no task is {:?}; they are queued, running, done, failed or cancelled",
            payload::shorten(state)
        )));
    }
    let mut listed: Vec<_> = tasks
        .of(&Owner::of(caller))
        .iter()
        .map(|task| task.shown())
        .filter(|shown| state.as_ref().is_none_or(|state| shown.state == *state))
        .take(MAX_LISTED)
        .collect();
    // A hundred large results would make a reply that no client takes.
    let mut left = tasks.config.max_result_bytes;
    for shown in &mut listed {
        let size = shown.result.as_ref().map_or(0, |result| result.to_string().len());
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => shown.result = None,
        }
    }
    payload::reply(&Listed { tasks: listed })
}

/// `tasks.get {task_id}` -> the task, with its input.
pub(in crate::services) fn get(
    tasks: &Tasks,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let One { task_id } = payload::read("tasks.get", data)?;
    let task = tasks.find(&Owner::of(caller), &task_id)?;
    let mut shown = task.shown();
    shown.extra.insert("input".into(), task.input.clone());
    payload::reply(&shown)
}

/// `tasks.cancel {task_id}` -> `{cancelled}`.
pub(in crate::services) fn cancel(
    tasks: &Tasks,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let One { task_id } = payload::read("tasks.cancel", data)?;
    let cancelled = tasks.cancel(&Owner::of(caller), &task_id)?;
    payload::reply(&Cancelled { cancelled })
}

/// `tasks.retry {task_id}` -> as `tasks.start`.
pub(in crate::services) async fn retry(
    tasks: &Arc<Tasks>,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let One { task_id } = payload::read("tasks.retry", data)?;
    payload::reply(&tasks.retry(&Owner::of(caller), &task_id).await?)
}
