//! The built-in provider: answers from the corpus and the sample tables that ship with the server.
//!
//! It needs no network and no key, and gives the same answer to the same conversation. It never answers
//! from anything but what it ships, and makes no token that isn't asked for: a stream works when polled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::{Conversation, Librarian};
use super::cancel::CancelSignal;
use super::corpus::CorpusError;
use super::provider::{Chunk, ChunkStream, Prompt, PromptLimits, Provider, ProviderError, Role};
use super::tables::Tables;
use super::text::stream_tokens;
use super::{ask, figures};

/// How the offline provider behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OfflineConfig {
    /// The pause between two tokens; zero for none. Written as `token_delay_ms`, in milliseconds; 15 ms by
    /// default.
    #[serde(rename = "token_delay_ms", serialize_with = "to_ms", deserialize_with = "from_ms")]
    pub token_delay: Duration,
    /// How long a prompt may be.
    pub limits: PromptLimits,
}

impl Default for OfflineConfig {
    fn default() -> Self {
        Self { token_delay: Duration::from_millis(15), limits: PromptLimits::default() }
    }
}

fn to_ms<S: Serializer>(delay: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX))
}

fn from_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// The provider called `offline`.
pub struct OfflineProvider {
    config: OfflineConfig,
    librarian: Librarian,
    tables: Tables,
    activity: Arc<Activity>,
}

/// What is going on, for metrics and tests.
#[derive(Debug, Default)]
struct Activity {
    streams: AtomicUsize,
    tokens: AtomicU64,
}

/// The whole answer before it is streamed.
struct Answer {
    text: String,
    complete: Chunk,
}

impl OfflineProvider {
    /// The name that configuration chooses this provider by.
    pub const NAME: &'static str = "offline";

    /// Reads and indexes what ships with the server. Fails only if the build itself is at fault.
    pub fn new(config: OfflineConfig) -> Result<Self, CorpusError> {
        Ok(Self {
            config,
            librarian: Librarian::new()?,
            tables: Tables::load()?,
            activity: Arc::default(),
        })
    }

    /// How many answers are being streamed now; a dropped stream no longer counts.
    pub fn answers_in_progress(&self) -> usize {
        self.activity.streams.load(Ordering::Relaxed)
    }

    /// How many tokens have been made since the start.
    pub fn tokens_made(&self) -> u64 {
        self.activity.tokens.load(Ordering::Relaxed)
    }

    fn answer(&self, prompt: &Prompt) -> Option<Answer> {
        let (question, context) = prompt.messages.split_last()?;
        let said_by = |role: Role| context.iter().filter(move |message| message.role == role);
        let earlier: Vec<&str> =
            said_by(Role::User).map(|message| message.content.as_str()).collect();
        if let Some(ask) = ask::resolve(&earlier, &question.content) {
            let figures = figures::answer(&self.tables, &ask);
            let complete = Chunk::Complete { sql: figures.sql, chart_config: figures.chart };
            return Some(Answer { text: figures.text, complete });
        }
        let text = self.librarian.answer(Conversation {
            question: &question.content,
            earlier: &earlier,
            last_answer: said_by(Role::Assistant)
                .next_back()
                .map(|message| message.content.as_str()),
        });
        Some(Answer { text, complete: Chunk::Complete { sql: None, chart_config: None } })
    }
}

impl Provider for OfflineProvider {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn stream(&self, prompt: Prompt, cancel: CancelSignal) -> ChunkStream {
        let answer = prompt.within(&self.config.limits).map(|prompt| self.answer(&prompt));
        match answer {
            Ok(Some(answer)) => {
                let run = Run::new(answer, cancel, self.config.token_delay, &self.activity);
                stream::unfold(Some(run), Run::step).boxed()
            }
            // `within` lets no prompt without a question pass, so there is nothing left to say.
            Ok(None) => stream::empty().boxed(),
            Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
        }
    }
}

/// One answer on its way. It lives inside its stream, so dropping the stream is the end of it.
struct Run {
    tokens: std::vec::IntoIter<String>,
    complete: Chunk,
    cancel: CancelSignal,
    delay: Duration,
    started: bool,
    activity: Arc<Activity>,
}

impl Run {
    fn new(
        answer: Answer,
        cancel: CancelSignal,
        delay: Duration,
        activity: &Arc<Activity>,
    ) -> Self {
        activity.streams.fetch_add(1, Ordering::Relaxed);
        Self {
            tokens: stream_tokens(&answer.text).into_iter(),
            complete: answer.complete,
            cancel,
            delay,
            started: false,
            activity: Arc::clone(activity),
        }
    }

    async fn step(run: Option<Self>) -> Option<(Result<Chunk, ProviderError>, Option<Self>)> {
        let mut run = run?;
        let pause = if run.started { run.delay } else { Duration::ZERO };
        tokio::select! {
            biased;
            () = run.cancel.cancelled() => return Some((Err(ProviderError::cancelled()), None)),
            () = wait(pause) => {}
        }
        run.started = true;
        match run.tokens.next() {
            Some(token) => {
                run.activity.tokens.fetch_add(1, Ordering::Relaxed);
                Some((Ok(Chunk::Token(token)), Some(run)))
            }
            None => Some((Ok(run.complete.clone()), None)),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.activity.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pause of zero takes no timer, whose resolution would make it a millisecond.
async fn wait(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
#[path = "offline_tests.rs"]
mod tests;
