//! The generation of a website, as it goes on.

use serde::{Deserialize, Serialize};

use super::ending::{Ending, Ends};
use super::error::{CallError, StartError};
use super::live::LiveEvent;
use super::{Client, JoinFrom};
use crate::folds::GenerationState;

/// How to generate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerateOptions {
    /// The project that it belongs to; `None` lets the server name one.
    pub project_id: Option<String>,
    /// The session to run it in; `None` lets the server name one that nobody can guess. Whoever
    /// knows it can look at the preview.
    pub session_id: Option<String>,
}

/// A generation. Every event comes once and in order, over lost links too.
#[derive(Debug)]
pub struct Generation {
    client: Client,
    course: Ending<GenerationState>,
    session_id: String,
    task_id: Option<String>,
}

impl Ends for GenerationState {
    fn has_ended(&self) -> bool {
        self.status.is_final()
    }
}

#[derive(Serialize)]
struct Start<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Session<'a> {
    session_id: &'a str,
}

#[derive(Deserialize)]
struct Started {
    session_id: String,
    task_id: String,
    room: String,
    epoch: String,
    offset: u64,
}

pub(super) async fn start(
    client: &Client,
    prompt: &str,
    options: GenerateOptions,
) -> Result<Generation, StartError> {
    let start = Start {
        prompt,
        project_id: options.project_id.as_deref(),
        session_id: options.session_id.as_deref(),
    };
    let started: Started = client.call("generation.start", &start).await?;
    let Started { session_id, task_id, room, epoch, offset } = started;
    // It may have begun already: its first event follows this place.
    let room = client.join_from(&room, JoinFrom::Position { epoch, offset }).await?;
    let task_id = Some(task_id);
    Ok(Generation { client: client.clone(), course: Ending::new(room), session_id, task_id })
}

pub(super) async fn watch(client: &Client, session_id: &str) -> Result<Generation, StartError> {
    let room = client.join(&format!("session:{session_id}")).await?;
    Ok(Generation {
        client: client.clone(),
        course: Ending::new(room),
        session_id: session_id.to_owned(),
        task_id: None,
    })
}

impl Generation {
    /// Names it, to watch it from elsewhere with [`Client::generation`].
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The task that runs it, where the server has said so.
    pub fn task_id(&self) -> Option<&str> {
        let told = Some(self.course.state().task_id.as_str()).filter(|id| !id.is_empty());
        self.task_id.as_deref().or(told)
    }

    /// Where it stands: step, percent, message, and the page as it is now.
    pub fn state(&self) -> &GenerationState {
        self.course.state()
    }

    /// What happens next; `None` after its end. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<LiveEvent> {
        self.course.next().await
    }

    /// Takes what comes until it has ended; where it stands then. Dropping the future loses nothing.
    pub async fn finish(&mut self) -> &GenerationState {
        self.course.finish().await
    }

    /// Stops it. It still ends with what the server says last. Idempotent; dropping the future
    /// doesn't take it back once it was sent.
    pub async fn cancel(&self) -> Result<(), CallError> {
        self.client.tell("generation.cancel", &Session { session_id: &self.session_id }).await
    }

    /// Goes on with a generation that failed, at the step that did; [`Generation::next`] brings
    /// what follows. Dropping the future doesn't take it back once it was sent.
    pub async fn retry(&mut self) -> Result<(), CallError> {
        let session = Session { session_id: &self.session_id };
        self.client.call::<_, serde_json::Value>("generation.retry", &session).await?;
        self.course.go_on();
        Ok(())
    }
}
