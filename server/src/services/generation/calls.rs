//! The calls `generation.*`.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::kind::Input;
use super::{GenerationService, ROOM_PREFIX};
use crate::gateway::Refusal;
use crate::services::payload;
use crate::services::state_room::Place;
use crate::services::tasks::Owner;
use crate::session::Caller;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    session_id: String,
}

#[derive(Serialize)]
struct Begun {
    session_id: String,
    project_id: String,
    task_id: String,
    room: String,
    epoch: String,
    offset: u64,
}

#[derive(Serialize)]
struct Cancelled {
    /// Whether there was something to stop.
    cancelled: bool,
}

/// `generation.start {prompt, project_id?, session_id?}` -> `{session_id, project_id, task_id,
/// room, epoch, offset}`: its events follow that offset in that room.
pub(in crate::services) async fn start(
    service: &GenerationService,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let Input { prompt, project_id, session_id } = payload::read("generation.start", data)?;
    let owner = Owner::of(caller);
    let id = |given: Option<String>| given.map_or_else(payload::random_id, Ok);
    let (session_id, project_id) = (id(session_id)?, id(project_id)?);
    let place = service.sessions.claim(&owner, &session_id).await?.room.open().await?;
    let input = json!({"prompt": prompt, "project_id": project_id, "session_id": session_id});
    let task_id = service.tasks.start(&owner, "generation", input).await?.task_id;
    payload::reply(&begun(session_id, project_id, task_id, &place))
}

/// `generation.cancel {session_id}` -> `{cancelled}`.
pub(in crate::services) fn cancel(
    service: &GenerationService,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let One { session_id } = payload::read("generation.cancel", data)?;
    let owner = Owner::of(caller);
    let task_id = service.sessions.find(&owner, &session_id)?.task_id();
    // A session that never began has nothing to stop; neither has a task that is forgotten.
    let cancelled = service.tasks.cancel(&owner, &task_id).unwrap_or(false);
    payload::reply(&Cancelled { cancelled })
}

/// `generation.retry {session_id}` -> as `generation.start`; goes on with the step that failed.
pub(in crate::services) async fn retry(
    service: &GenerationService,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let One { session_id } = payload::read("generation.retry", data)?;
    let owner = Owner::of(caller);
    let session = service.sessions.find(&owner, &session_id)?;
    let place = session.room.open().await?;
    let task_id = service.tasks.retry(&owner, &session.task_id()).await?.task_id;
    let project_id = session.room.with(|course| course.project_id.clone());
    payload::reply(&begun(session_id, project_id, task_id, &place))
}

fn begun(session_id: String, project_id: String, task_id: String, place: &Place) -> Begun {
    let (epoch, offset) = (place.0.to_string(), place.1);
    let room = format!("{ROOM_PREFIX}{session_id}");
    Begun { session_id, project_id, task_id, room, epoch, offset }
}
