//! An answer of the AI, as it comes.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::error::{CallError, StartError};
use super::room::{Room, RoomEvent};
use super::{Client, JoinFrom};
use crate::engine::Gap;
use crate::events::{AiComplete, AiError, AiToken};
use crate::wire::{Event, EventError};

/// How to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskOptions {
    /// The conversation to go on with; `None` starts one. See [`Answer::session_id`].
    pub session_id: Option<String>,
}

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum AnswerEvent {
    /// The next piece of text.
    Token(AiToken),
    /// The answer is complete.
    Complete(AiComplete),
    /// The answer ended with an error; `CANCELLED` after [`Answer::cancel`].
    Error(AiError),
    /// Pieces are missing for good.
    Gap(Gap),
    /// Something else happened in the conversation.
    Other(Event),
    /// The server sent a piece that can't be read.
    Unreadable(EventError),
}

/// A stream of pieces of one answer, which ends after [`AnswerEvent::Complete`] or
/// [`AnswerEvent::Error`]. Every piece comes once and in order, over lost links too.
#[derive(Debug)]
pub struct Answer {
    client: Client,
    room: Room,
    session_id: String,
    /// Names the answer within its conversation.
    offset: u64,
    finished: bool,
}

#[derive(Serialize)]
struct Ask<'a> {
    prompt: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

#[derive(Deserialize)]
struct Asked {
    session_id: String,
    room: String,
    epoch: String,
    offset: u64,
}

pub(super) async fn ask(
    client: &Client,
    prompt: &str,
    options: AskOptions,
) -> Result<Answer, StartError> {
    let session_id = options.session_id.as_deref();
    let asked: Asked = client.call("ai.ask", &Ask { prompt, session_id }).await?;
    // The answer may have begun already: its first event follows this place.
    let from = JoinFrom::Position { epoch: asked.epoch, offset: asked.offset };
    let room = client.join_from(&asked.room, from).await?;
    let Asked { session_id, offset, .. } = asked;
    Ok(Answer { client: client.clone(), room, session_id, offset, finished: false })
}

impl Answer {
    /// The conversation, to ask on in with [`AskOptions::session_id`].
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The room that the conversation happens in; another device may join it.
    pub fn room(&self) -> &str {
        self.room.name()
    }

    /// The next piece; `None` after the last. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<AnswerEvent> {
        loop {
            if self.finished {
                return None;
            }
            match self.room.next().await? {
                // The pieces since the question are all here: no state is needed.
                RoomEvent::Snapshot(_) => {}
                RoomEvent::Gap(gap) => return Some(AnswerEvent::Gap(gap)),
                RoomEvent::Event(event) => {
                    let piece = read(event);
                    self.finished =
                        matches!(piece, AnswerEvent::Complete(_) | AnswerEvent::Error(_));
                    return Some(piece);
                }
            }
        }
    }

    /// Stops the AI. The stream still ends with what the server says last. Idempotent; dropping
    /// the future doesn't take it back once it was sent.
    pub async fn cancel(&self) -> Result<(), CallError> {
        #[derive(Serialize)]
        struct Cancel<'a> {
            session_id: &'a str,
            offset: u64,
        }
        // It names this answer alone, so that a repeat can't stop the next one.
        let cancel = Cancel { session_id: &self.session_id, offset: self.offset };
        self.client.tell("ai.cancel", &cancel).await
    }
}

fn read(event: Event) -> AnswerEvent {
    let kind = match event.kind() {
        Ok(kind) => kind,
        Err(error) => return AnswerEvent::Unreadable(error),
    };
    let piece = match kind {
        Cow::Borrowed("token") => event.data().map(AnswerEvent::Token),
        Cow::Borrowed("complete") => event.data().map(AnswerEvent::Complete),
        Cow::Borrowed("error") => event.data().map(AnswerEvent::Error),
        _ => return AnswerEvent::Other(event.clone()),
    };
    piece.unwrap_or_else(AnswerEvent::Unreadable)
}
