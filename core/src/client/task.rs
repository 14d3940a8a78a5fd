//! Tasks that run in the background, whoever is connected.

use serde::{Deserialize, Serialize};

use super::error::{CallError, StartError};
use super::live::{LiveEvent, LiveRoom};
use super::{CallOptions, Client, JoinFrom};
use crate::events::TaskUpdated;
use crate::folds::TaskProgress;

/// A task. Every change and every piece of its result comes once and in order, over lost links
/// too.
#[derive(Debug)]
pub struct Task {
    client: Client,
    live: LiveRoom<TaskProgress>,
    task_id: String,
    finished: bool,
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
    Ok(Task { client: client.clone(), live: LiveRoom::new(room), task_id, finished: false })
}

pub(super) async fn watch(client: &Client, task_id: &str) -> Result<Task, StartError> {
    let room = client.join(&format!("task:{task_id}")).await?;
    let task_id = task_id.to_owned();
    Ok(Task { client: client.clone(), live: LiveRoom::new(room), task_id, finished: false })
}

pub(super) async fn list(client: &Client) -> Result<Vec<TaskUpdated>, CallError> {
    #[derive(Deserialize)]
    struct Listed {
        tasks: Vec<TaskUpdated>,
    }
    let options = CallOptions { idempotent: true, ..CallOptions::default() };
    let listed: Listed = client.call_with("tasks.list", &serde_json::Map::new(), options).await?;
    Ok(listed.tasks)
}

impl Task {
    /// Names it, to watch it from elsewhere with [`Client::task`].
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// Where it stands, and the latest pieces of its result.
    pub fn state(&self) -> &TaskProgress {
        self.live.state()
    }

    /// What happens next; `None` after its end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        if self.finished {
            return None;
        }
        let event = self.live.next().await?;
        self.finished = self.live.state().task.state.is_final();
        Some(event)
    }

    /// Takes what comes until it has ended; where it stands then.
    pub async fn finish(&mut self) -> &TaskProgress {
        while self.next().await.is_some() {}
        self.live.state()
    }

    /// Stops it. It still ends with what the server says last. Idempotent.
    pub async fn cancel(&self) -> Result<(), CallError> {
        let options = CallOptions { idempotent: true, ..CallOptions::default() };
        let named = Named { task_id: &self.task_id };
        self.client.call_with::<_, serde_json::Value>("tasks.cancel", &named, options).await?;
        Ok(())
    }

    /// Goes on with a task that failed, from where it came to; [`Task::next`] brings what
    /// follows.
    pub async fn retry(&mut self) -> Result<(), CallError> {
        let named = Named { task_id: &self.task_id };
        self.client.call::<_, serde_json::Value>("tasks.retry", &named).await?;
        self.finished = false;
        Ok(())
    }
}
