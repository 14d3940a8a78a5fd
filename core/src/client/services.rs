//! What the reference server does for its clients, by name: tasks, generations, dashboards,
//! notices, people and history.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::{CallError, JoinError, StartError};
use super::generation::{self, GenerateOptions, Generation};
use super::live::LiveRoom;
use super::task::{self, Task};
use super::{CallOptions, Client};
use crate::engine::State;
use crate::events::TaskUpdated;
use crate::folds::{DashboardState, Fold, Inbox, People};

/// A piece of a room's log.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The log's epoch.
    pub epoch: String,
    /// The last offset of the log; 0 if it is empty.
    pub tip: u64,
    /// The oldest offset that is kept; `tip + 1` if none is.
    pub oldest: u64,
    /// The events, oldest first, without holes.
    pub events: Vec<PastEvent>,
}

/// An event of a room's past.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct PastEvent {
    /// Its place in the log.
    pub offset: u64,
    /// The event, `{"type", "data"}`.
    pub event: Box<RawValue>,
}

#[derive(Serialize)]
struct History<'a> {
    room: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u64>,
    limit: u32,
}

#[derive(Serialize)]
struct Read<'a> {
    ids: &'a [&'a str],
}

#[derive(Serialize)]
struct Typing<'a> {
    room: &'a str,
    typing: bool,
}

impl Client {
    /// Joins a room and folds its events into a state of yours. See [`Fold`]. Dropping the future
    /// leaves the room again.
    pub async fn live<F: Fold>(&self, room: &str) -> Result<LiveRoom<F>, JoinError> {
        Ok(LiveRoom::new(self.join(room).await?))
    }

    /// Generates a website. See [`Client::generate_with`], also for what a dropped future leaves.
    pub async fn generate(&self, prompt: &str) -> Result<Generation, StartError> {
        self.generate_with(prompt, GenerateOptions::default()).await
    }

    /// Generates a website out of a prompt, and follows its progress.
    ///
    /// Dropping the future or the generation doesn't stop it: [`Generation::cancel`] does.
    pub async fn generate_with(
        &self,
        prompt: &str,
        options: GenerateOptions,
    ) -> Result<Generation, StartError> {
        generation::start(self, prompt, options).await
    }

    /// Follows a generation that was started elsewhere; it begins with its state. Dropping the future
    /// leaves its room again.
    pub async fn generation(&self, session_id: &str) -> Result<Generation, StartError> {
        generation::watch(self, session_id).await
    }

    /// Starts a task of a kind that the server knows, and follows it. It goes on whoever is
    /// connected; dropping the future or the task doesn't stop it: [`Task::cancel`] does.
    pub async fn start_task<I>(&self, kind: &str, input: &I) -> Result<Task, StartError>
    where
        I: Serialize + ?Sized,
    {
        task::start(self, kind, input).await
    }

    /// Follows a task of yours that was started elsewhere; it begins with its state. Dropping the
    /// future leaves its room again.
    pub async fn task(&self, task_id: &str) -> Result<Task, StartError> {
        task::watch(self, task_id).await
    }

    /// Your tasks, the latest first. Dropping the future gives the question up.
    pub async fn tasks(&self) -> Result<Vec<TaskUpdated>, CallError> {
        task::list(self).await
    }

    /// Follows a dashboard; it begins with its state. Dropping the future leaves its room again.
    pub async fn dashboard(&self, id: &str) -> Result<LiveRoom<DashboardState>, JoinError> {
        self.live(&format!("dashboard:{id}")).await
    }

    /// Follows your notices, which all your devices share; it begins with the latest of them.
    ///
    /// It waits for a connection where there is none. Dropping the future leaves the room again.
    pub async fn notifications(&self) -> Result<LiveRoom<Inbox>, JoinError> {
        let closed = |state: &State| matches!(state, State::Closed { .. });
        let mut state = self.state.clone();
        let mut identity = self.identity.clone();
        let subject = tokio::select! {
            told = identity.wait_for(Option::is_some) => told.ok().and_then(|told| told.clone()),
            _ = state.wait_for(closed) => None,
        };
        let subject = subject.ok_or(JoinError::Closed)?.subject;
        self.live(&format!("user:{subject}")).await
    }

    /// Marks notices as read, on all your devices. Idempotent; dropping the future doesn't take it
    /// back once it was sent.
    pub async fn read_notifications(&self, ids: &[&str]) -> Result<(), CallError> {
        self.tell("notifications.read", &Read { ids }).await
    }

    /// A page of a room's past: at most `limit` events before the offset `before`, or the latest.
    /// Dropping the future gives the question up.
    pub async fn history(
        &self,
        room: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<HistoryPage, CallError> {
        let page = History { room, before, limit };
        self.call_with("rooms.history", &page, CallOptions::idempotent()).await
    }

    /// Tells the people in a chat room that you are writing, or have stopped. Say it again every
    /// few seconds while it lasts. Dropping the future doesn't take it back once it was sent.
    pub async fn typing(&self, room: &str, typing: bool) -> Result<(), CallError> {
        self.tell("chat.typing", &Typing { room, typing }).await
    }

    /// Follows who is in a room, and who of them is writing. See
    /// [`Room::presence`](super::Room::presence). Dropping the future leaves that room again.
    pub async fn presence(&self, room: &str) -> Result<LiveRoom<People>, JoinError> {
        self.live(&format!("presence:{room}")).await
    }

    /// A call that may be sent again, and whose answer says nothing.
    pub(super) async fn tell<D>(&self, method: &str, data: &D) -> Result<(), CallError>
    where
        D: Serialize,
    {
        let options = CallOptions::idempotent();
        self.call_with::<_, serde_json::Value>(method, data, options).await?;
        Ok(())
    }
}
