//! What a kind of task is, and what it is given to work with.
//!
//! A kind does the work and says what comes of it. It knows nothing of rooms, queues and limits,
//! and never outlives the future that it returned.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::gateway::Refusal;
use crate::services::ai::CancelSignal;

/// Whose task it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The tenant, from the proof of identity alone.
    pub tenant: String,
    /// The user within the tenant.
    pub subject: String,
}

/// A kind of work that can be done in the background.
pub trait Kind: Send + Sync + 'static {
    /// The name that it is asked for by: lower case, stable.
    fn name(&self) -> &'static str;

    /// Attempts before a task fails for good; `None` for what the configuration says.
    fn max_attempts(&self) -> Option<u32> {
        None
    }

    /// Checks what a caller asks for, and returns the input that the task keeps. What it sets up
    /// for the task here is told the end by [`Kind::ended`], which follows every `Ok`.
    fn admit<'a>(
        &'a self,
        owner: &'a Owner,
        task_id: &'a str,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, Refusal>>;

    /// Checks whether a failed task may be tried again on request; like [`Kind::admit`].
    fn readmit(&self, _owner: &Owner, _task_id: &str, _input: &Value) -> Result<(), Refusal> {
        Ok(())
    }

    /// Does the work. Dropped where it stands when the task is cancelled, so it holds nothing that
    /// must be given back by hand, and spawns nothing that it does not stop with itself.
    fn run(&self, input: Value, context: Context) -> BoxFuture<'static, Result<Value, Fault>>;

    /// The task has ended, and its work is gone. Called before the end is told in the task's room.
    fn ended<'a>(
        &'a self,
        _owner: &'a Owner,
        _task_id: &'a str,
        _input: &'a Value,
        _end: &'a End,
    ) -> BoxFuture<'a, ()> {
        std::future::ready(()).boxed()
    }
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// With a result.
    Done(Value),
    /// Without one.
    Failed(Fault),
    /// Stopped on request, or because the server stops: that is said as a fault.
    Cancelled(Option<Fault>),
}

/// Why an attempt ended without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// Whether asking for it again may help.
    pub retry_available: bool,
    /// Whether it should be tried again unasked, as long as there are attempts left.
    pub automatic: bool,
    /// When another try makes sense at the earliest, in ms from now.
    pub retry_after_ms: u64,
}

impl Fault {
    /// A fault that another try would meet again.
    pub fn lasting(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            retry_available: false,
            automatic: false,
            retry_after_ms: 0,
        }
    }

    /// A fault that may be gone if somebody asks again.
    pub fn on_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { retry_available: true, ..Self::lasting(code, message) }
    }

    /// A fault that is likely to pass: the task is tried again unasked.
    pub fn passing(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { automatic: true, ..Self::on_request(code, message) }
    }
}

/// What a running task is given. Clones speak for the same task.
#[derive(Clone)]
pub struct Context {
    pub(super) owner: Owner,
    pub(super) task_id: String,
    pub(super) attempt: u32,
    pub(super) progress: Arc<watch::Sender<(u8, String)>>,
    pub(super) partials: mpsc::Sender<Value>,
    pub(super) checkpoint: Arc<Mutex<Option<Value>>>,
    pub(super) cancel: CancelSignal,
}

/// Longest message that a task shows, in characters.
const MAX_MESSAGE_CHARS: usize = 500;

impl Context {
    /// Whose task it is.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The task.
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// Which attempt this is, counted from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Says how much is done, in percent, and what is going on. Never waits; where it is called
    /// often, only the last one in a while is told.
    pub fn progress(&self, percent: u8, message: &str) {
        let message: String = message.chars().take(MAX_MESSAGE_CHARS).collect();
        self.progress.send_replace((percent.min(100), message));
    }

    /// Hands over a piece of the result. Waits while earlier ones are being told.
    pub async fn partial(&self, data: Value) {
        // It fails when the task is over already, and then nobody waits for it.
        let _ = self.partials.send(data).await;
    }

    /// Keeps where the work stands, for an attempt that goes on from here.
    pub fn save(&self, checkpoint: Value) {
        *self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
    }

    /// What an earlier attempt kept.
    pub fn checkpoint(&self) -> Option<Value> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Raised when the task is cancelled, for work that runs beside the future.
    pub fn cancel(&self) -> &CancelSignal {
        &self.cancel
    }
}
