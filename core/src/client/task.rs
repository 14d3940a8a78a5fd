//! Tasks that run in the background, whoever is connected.

use serde::{Deserialize, Serialize};

use super::ending::{Ending, Ends};
use super::error::{CallError, StartError};
use super::live::LiveEvent;
use super::{CallOptions, Client, JoinFrom};
use crate::events::TaskUpdated;
use crate::folds::TaskProgress;

/// A task. Every change and every piece of its result comes once and in order, over lost links
/// too.
#[derive(Debug)]
pub struct Task {
    client: Client,
    course: Ending<TaskProgress>,
    task_id: String,
}

impl Ends for TaskProgress {
    fn has_ended(&self) -> bool {
        self.task.state.is_final()
    }
}

#[derive(Serialize)]
struct Start<'a, I: ?Sized> {
    kind: &'a str,
    input: &'a I,
}

#[derive(Deserialize)]
struct Started {
    task_id: String,
    room: String,
    epoch: String,
    offset: u64,
}

#[derive(Serialize)]
struct Named<'a> {
    task_id: &'a str,
}

pub(super) async fn start<I>(client: &Client, kind: &str, input: &I) -> Result<Task, StartError>
where
    I: Serialize + ?Sized,
{
    let started: Started = client.call("tasks.start", &Start { kind, input }).await?;
    let Started { task_id, room, epoch, offset } = started;
    // It may have begun already: its first event follows this place.
    let room = client.join_from(&room, JoinFrom::Position { epoch, offset }).await?;
    Ok(Task { client: client.clone(), course: Ending::new(room), task_id })
}

pub(super) async fn watch(client: &Client, task_id: &str) -> Result<Task, StartError> {
    let room = client.join(&format!("task:{task_id}")).await?;
    let task_id = task_id.to_owned();
    Ok(Task { client: client.clone(), course: Ending::new(room), task_id })
}

pub(super) async fn list(client: &Client) -> Result<Vec<TaskUpdated>, CallError> {
    #[derive(Deserialize)]
    struct Listed {
        tasks: Vec<TaskUpdated>,
    }
    let nothing = serde_json::Map::new();
    let listed: Listed =
        client.call_with("tasks.list", &nothing, CallOptions::idempotent()).await?;
    Ok(listed.tasks)
}

impl Task {
    /// Names it, to watch it from elsewhere with [`Client::task`].
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// Where it stands, and the latest pieces of its result.
    pub fn state(&self) -> &TaskProgress {
        self.course.state()
    }

    /// What happens next; `None` after its end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        self.course.next().await
    }

    /// Takes what comes until it has ended; where it stands then. Dropping the future loses nothing.
    pub async fn finish(&mut self) -> &TaskProgress {
        self.course.finish().await
    }

    /// Stops it. It still ends with what the server says last. Idempotent; dropping the future
    /// doesn't take it back once it was sent.
    pub async fn cancel(&self) -> Result<(), CallError> {
        self.client.tell("tasks.cancel", &Named { task_id: &self.task_id }).await
    }

    /// Goes on with a task that failed, from where it came to; [`Task::next`] brings what
    /// follows. Dropping the future doesn't take it back once it was sent.
    pub async fn retry(&mut self) -> Result<(), CallError> {
        let named = Named { task_id: &self.task_id };
        self.client.call::<_, serde_json::Value>("tasks.retry", &named).await?;
        self.course.go_on();
        Ok(())
    }
}
