//! Conversations with the AI: one answer at a time in each, streamed to its room, stopped when
//! asked, and shown from the middle to whoever comes late.
//!
//! The answer belongs to the conversation, not to a connection: it goes on when the one who asked
//! is gone, and every device in the room gets it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use staywire::events::{AiComplete, AiError, AiToken, EventData};

use super::provider::{Chunk, Message, Prompt, Provider, ProviderError};
use super::{CancelHandle, cancellation};
use crate::bus::RoomKey;
use crate::config::AiConfig;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::services::payload;
use crate::services::state_room::{Place, StateRoom};
use crate::session::{Caller, unavailable};

/// A conversation's room.
pub const ROOM_PREFIX: &str = "ai:";

/// Conversations that one subject may keep: the next takes the place of its own quietest.
const MAX_PER_SUBJECT: usize = 200;

/// Longest session id in bytes.
const MAX_SESSION_BYTES: usize = 128;

/// The conversations of one server.
pub struct AiService {
    hub: Arc<Hub>,
    provider: Arc<dyn Provider>,
    config: AiConfig,
    conversations: Mutex<HashMap<RoomKey, Arc<Conversation>>>,
}

struct Conversation {
    /// Who began it, and alone may go on with it.
    subject: String,
    /// Shown from the first question on.
    room: Arc<StateRoom<Shown>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    messages: Vec<Message>,
    /// Set while an answer is being made.
    running: Option<CancelHandle>,
    /// The question that is being answered.
    question: u64,
    used_ms: u64,
}

/// What a late joiner sees: the turns so far, and the answer as far as it has come.
#[derive(Debug, Clone, Default, Serialize)]
struct Shown {
    messages: Vec<Message>,
    /// The text of the answer that is being made, or was made last.
    answer: String,
    /// Tokens in it.
    tokens: u64,
    /// Whether more is to come.
    running: bool,
}

/// A question was asked: what other devices show above the answer.
#[derive(Debug, Serialize, Deserialize)]
struct Question {
    prompt: String,
    user: String,
}

impl EventData for Question {
    const TYPE: &'static str = "question";
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    prompt: String,
    #[serde(default)]
    session_id: Option<String>,
}

#[derive(Serialize)]
struct Asked {
    session_id: String,
    room: String,
    epoch: String,
    offset: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cancel {
    session_id: String,
    /// Names one answer by its question; without it, whichever is under way.
    #[serde(default)]
    offset: Option<u64>,
}

#[derive(Serialize)]
struct Cancelled {
    /// Whether there was an answer to stop.
    cancelled: bool,
}

impl AiService {
    /// A service that asks this provider.
    pub fn new(hub: Arc<Hub>, provider: Arc<dyn Provider>, config: AiConfig) -> Self {
        Self { hub, provider, config, conversations: Mutex::default() }
    }

    /// Binds a session id to its first subject; refuses any other for as long as its room is kept.
    pub async fn claim(
        &self,
        caller: &Caller,
        session_id: &str,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        self.conversation(caller, session_id, now_ms).await.map(drop)
    }

    /// Conversations that are kept.
    pub fn conversations(&self) -> usize {
        lock(&self.conversations).len()
    }

    /// The caller's conversation of this id, if it is kept.
    fn known(
        &self,
        caller: &Caller,
        session_id: &str,
    ) -> Result<(RoomKey, Option<Arc<Conversation>>), Refusal> {
        let valid = (1..=MAX_SESSION_BYTES).contains(&session_id.len())
            && session_id.chars().all(|c| c.is_ascii_graphic() && c != '/');
        if !valid {
            return Err(Refusal::BadRequest(format!(
                "`session_id` must have 1 to {MAX_SESSION_BYTES} visible ASCII characters, no `/`"
            )));
        }
        let identity = &caller.identity;
        let key = RoomKey::new(&identity.tenant, &format!("{ROOM_PREFIX}{session_id}"));
        let known = lock(&self.conversations).get(&key).cloned();
        match known {
            Some(known) if known.subject != identity.subject => Err(Refusal::SessionTaken),
            known => Ok((key, known)),
        }
    }

    /// The caller's conversation of this id, which begins now if there is none.
    async fn conversation(
        &self,
        caller: &Caller,
        session_id: &str,
        now_ms: u64,
    ) -> Result<Arc<Conversation>, Refusal> {
        let (key, _) = self.known(caller, session_id)?;
        let identity = &caller.identity;
        // What is forgotten here can still be read in the room: the room knows whose it is.
        let claimed = self.hub.bus().claim(&key, &identity.subject, now_ms).await;
        if !claimed.map_err(|error| unavailable(&error))? {
            return Err(Refusal::SessionTaken);
        }
        let mut conversations = lock(&self.conversations);
        if let Some(known) = conversations.get(&key) {
            if known.subject != identity.subject {
                return Err(Refusal::SessionTaken);
            }
            lock(&known.state).used_ms = now_ms;
            return Ok(known.clone());
        }
        let mine = |kept: &Conversation| kept.subject == identity.subject;
        if conversations.values().filter(|kept| mine(kept)).count() >= MAX_PER_SUBJECT {
            self.forget_quietest(&mut conversations, mine);
        } else if conversations.len() >= self.config.max_conversations {
            self.forget_quietest(&mut conversations, |_| true);
        }
        let conversation = Arc::new(Conversation {
            subject: identity.subject.clone(),
            room: StateRoom::new(self.hub.clone(), key.clone(), Shown::default()),
            state: Mutex::new(State { used_ms: now_ms, ..State::default() }),
        });
        conversation.room.show();
        conversations.insert(key, conversation.clone());
        Ok(conversation)
    }

    fn forget_quietest(
        &self,
        conversations: &mut HashMap<RoomKey, Arc<Conversation>>,
        among: impl Fn(&Conversation) -> bool,
    ) {
        let quietest = conversations
            .iter()
            .filter(|(_, kept)| among(kept) && lock(&kept.state).running.is_none())
            .min_by_key(|(_, conversation)| lock(&conversation.state).used_ms)
            .map(|(key, _)| key.clone());
        if let Some(forgotten) = quietest.and_then(|key| conversations.remove(&key)) {
            forgotten.room.close();
        }
    }

    /// Tells a question, and begins to answer it. The conversation is busy until that is done.
    async fn begin(
        self: Arc<Self>,
        conversation: Arc<Conversation>,
        question: Question,
        messages: Vec<Message>,
        cancel: super::CancelSignal,
    ) -> Result<Place, Refusal> {
        let turns = messages.clone();
        let asked = conversation.room.say(question, |shown, _| {
            *shown = Shown { messages: turns, running: true, ..Shown::default() };
        });
        let place = asked.await.inspect_err(|_| {
            lock(&conversation.state).end("", self.config.context_messages);
        })?;
        lock(&conversation.state).question = place.1;
        tokio::spawn(self.answer(conversation, Prompt { messages }, cancel));
        Ok(place)
    }

    /// Streams an answer into its room until it is complete, fails or is cancelled.
    async fn answer(
        self: Arc<Self>,
        conversation: Arc<Conversation>,
        prompt: Prompt,
        cancel: super::CancelSignal,
    ) {
        let mut stream = self.provider.stream(prompt, cancel);
        let mut text = String::new();
        let mut index = 0;
        loop {
            let said = match stream.next().await {
                Some(Ok(Chunk::Token(token))) => {
                    let event = AiToken { token, index, ..AiToken::default() };
                    index += 1;
                    text.push_str(&event.token);
                    let show = |shown: &mut Shown, event: AiToken| {
                        shown.answer.push_str(&event.token);
                        shown.tokens = event.index + 1;
                    };
                    conversation.room.say(event, show).await
                }
                Some(Ok(Chunk::Complete { sql, chart_config })) => {
                    let event = AiComplete { sql, chart_config, ..AiComplete::default() };
                    return self.finish(&conversation, &text, event).await;
                }
                Some(Err(error)) => {
                    return self.finish(&conversation, &text, error_event(&error)).await;
                }
                None => {
                    let event = AiError {
                        code: "PROVIDER_UNAVAILABLE".into(),
                        message: "the answer ended in the middle; ask again".into(),
                        ..AiError::default()
                    };
                    return self.finish(&conversation, &text, event).await;
                }
            };
            if let Err(refusal) = said {
                // The room can't be written: nobody would see the rest.
                tracing::error!(%refusal, "an answer was given up");
                lock(&conversation.state).end(&text, self.config.context_messages);
                return;
            }
        }
    }

    /// Ends an answer whose text is `text`.
    async fn finish<E>(&self, conversation: &Conversation, text: &str, event: E)
    where
        E: EventData + Send + 'static,
    {
        let said = conversation.room.say_in_turn(|| {
            // The next question may be asked as soon as this event is seen: so end before saying
            // it, but in its turn, so that the question comes behind it.
            let messages = lock(&conversation.state).end(text, self.config.context_messages);
            let show = |shown: &mut Shown, _| {
                shown.running = false;
                shown.messages = messages;
            };
            (event, show)
        });
        if let Err(refusal) = said.await {
            tracing::error!(%refusal, "the end of an answer could not be told");
        }
    }
}

impl State {
    /// The answer is over: it becomes a turn of the conversation. Returns the turns.
    fn end(&mut self, answer: &str, keep: usize) -> Vec<Message> {
        self.running = None;
        if !answer.is_empty() {
            self.messages.push(Message::assistant(answer));
        }
        let surplus = self.messages.len().saturating_sub(keep);
        self.messages.drain(..surplus);
        self.messages.clone()
    }
}

fn error_event(error: &ProviderError) -> AiError {
    AiError {
        code: error.code.as_str().to_owned(),
        message: error.message.clone(),
        retry_after_ms: error.retry_after_ms,
        ..AiError::default()
    }
}

/// `ai.ask {prompt, session_id?}` -> `{session_id, room, epoch, offset}`: the answer's events
/// follow that offset in that room.
pub(in crate::services) async fn ask(
    service: &Arc<AiService>,
    caller: &Caller,
    data: Option<&RawValue>,
    now_ms: u64,
) -> Result<Box<RawValue>, Refusal> {
    let Ask { prompt, session_id } = payload::read("ai.ask", data)?;
    let session_id = match session_id.or_else(|| caller.session_id.clone()) {
        Some(session_id) => session_id,
        None => payload::random_id()?,
    };
    let conversation = service.conversation(caller, &session_id, now_ms).await?;
    let room = conversation.room.key().room().to_owned();
    let (handle, signal) = cancellation();
    let messages = {
        let mut state = lock(&conversation.state);
        if state.running.is_some() {
            return Err(Refusal::Busy(
                "an answer is under way in this session; wait for it, or cancel it with `ai.cancel`"
                    .into(),
            ));
        }
        state.running = Some(handle);
        state.messages.push(Message::user(prompt.clone()));
        state.messages.clone()
    };
    let question = Question { prompt, user: caller.identity.subject.clone() };
    // Begun to the end, even if the caller goes away: nobody else could ask here ever after.
    let begun = tokio::spawn(service.clone().begin(conversation, question, messages, signal));
    let (epoch, offset) = begun.await.unwrap_or(Err(Refusal::Internal))?;
    payload::reply(&Asked { session_id, room, epoch: epoch.to_string(), offset })
}

/// `ai.cancel {session_id, offset?}` -> `{cancelled}`. The room gets the event `error` with `CANCELLED`.
/// It begins no conversation: where there is none, there is nothing to stop.
pub(in crate::services) fn cancel(
    service: &AiService,
    caller: &Caller,
    data: Option<&RawValue>,
) -> Result<Box<RawValue>, Refusal> {
    let Cancel { session_id, offset } = payload::read("ai.cancel", data)?;
    let (_, conversation) = service.known(caller, &session_id)?;
    let cancelled = conversation.is_some_and(|conversation| {
        let state = lock(&conversation.state);
        let meant = offset.is_none_or(|offset| offset == state.question);
        let running = state.running.as_ref().filter(|_| meant);
        running.inspect(|running| running.cancel()).is_some()
    });
    payload::reply(&Cancelled { cancelled })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
