//! The client API on tokio.

mod answer;
mod builder;
mod dispatch;
mod ending;
mod error;
mod events;
mod generation;
mod live;
mod queue;
mod room;
mod services;
#[cfg(feature = "socketio")]
mod socketio;
mod state;
mod task;
mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};

pub use answer::{Answer, AnswerEvent, AskOptions};
pub use builder::ClientBuilder;
#[cfg(feature = "socketio")]
pub use error::AnswerError;
pub use error::{
    BuildError, CallError, ConnectError, JoinError, PublishError, SendError, StartError,
};
pub use events::{ClientEvent, Events};
pub use generation::{GenerateOptions, Generation};
pub use live::{LiveEvent, LiveRoom};
pub use room::{Room, RoomEvent};
pub use services::{HistoryPage, PastEvent};
#[cfg(feature = "socketio")]
pub use socketio::SocketIoOptions;
pub use state::StateWatch;
pub use task::Task;
pub use token::{Token, TokenSource};

use crate::connection::{Body, Bounds, Identity};
use crate::engine::State;
use crate::wire::control::Published;
use dispatch::{Command, Request};

/// Where to begin in a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum JoinFrom {
    /// With the next event, and the room's state as of now where it has one.
    #[default]
    Tip,
    /// With at most this many past events.
    History(u32),
    /// After an event whose place is known from an earlier run.
    Position {
        /// The epoch; see [`Room::position`].
        epoch: String,
        /// The offset in it.
        offset: u64,
    },
}

/// How a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOptions {
    /// Whether it may be sent again after a lost link. If not, it ends as
    /// [`CallError::Interrupted`] then. Default: not.
    pub idempotent: bool,
    /// How long to wait for the answer, the time without a connection included. Default 30 s.
    pub timeout: Duration,
}

impl CallOptions {
    /// The defaults, for a call that may be sent again after a lost link.
    pub fn idempotent() -> Self {
        Self { idempotent: true, ..Self::default() }
    }
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { idempotent: false, timeout: Duration::from_secs(30) }
    }
}

/// A connection that stays.
///
/// Cheap to clone; all clones are one connection. When the last clone and the last [`Room`] and
/// [`Events`] of it are dropped, the connection closes.
///
/// # Cancellation
///
/// Every `async fn` here can be dropped at any time. What each leaves behind is said with it.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use staywire::{Client, RoomEvent};
///
/// let client = Client::builder("wss://example.com/ws/ai/chat").token("a token").build()?;
/// client.connect().await?;
/// let mut room = client.join("chat:42").await?;
/// while let Some(event) = room.next().await {
///     match event {
///         RoomEvent::Event(event) => println!("{}: {:?}", event.kind()?, event.payload()?),
///         RoomEvent::Gap(gap) => println!("missed {} to {}", gap.from, gap.to),
///         RoomEvent::Snapshot(state) => println!("it stands at {}", state.get()),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::UnboundedSender<Command>,
    state: watch::Receiver<State>,
    identity: watch::Receiver<Option<Identity>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: crate::driver::Clock,
    queue: Bounds,
    /// Names requests that can be cancelled.
    keys: AtomicU64,
}

impl Client {
    /// Begins to describe a client of the server at `url`: `ws`, `wss`, `http` or `https`.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    fn new(
        commands: mpsc::UnboundedSender<Command>,
        (state, identity): (watch::Receiver<State>, watch::Receiver<Option<Identity>>),
        clock: crate::driver::Clock,
        queue: Bounds,
    ) -> Self {
        let shared = Arc::new(Shared { clock, queue, keys: AtomicU64::new(0) });
        Self { commands, state, identity, shared }
    }

    /// Connects, and resolves when the connection is up for the first time.
    ///
    /// It keeps trying until then; [`Client::state`] tells how it fares. An error is final.
    /// Dropping the future doesn't stop the connection: [`Client::close`] does.
    pub async fn connect(&self) -> Result<(), ConnectError> {
        self.command(Command::Connect);
        let mut state = self.state.clone();
        let reached = state
            .wait_for(|state| matches!(state, State::Connected | State::Closed { .. }))
            .await
            .map(|state| *state);
        match reached {
            Ok(State::Connected) => Ok(()),
            Ok(State::Closed { reason }) => Err(ConnectError { reason }),
            _ => Err(ConnectError { reason: crate::engine::Cause::ClosedByCaller }),
        }
    }

    /// The state of the connection, to look at or to wait on.
    pub fn state(&self) -> StateWatch {
        StateWatch::new(self.state.clone(), self.shared.clock)
    }

    /// Who the server takes this client for, once it has greeted it; the same for good. A `plain`
    /// server says nothing of the kind.
    pub fn identity(&self) -> Option<Identity> {
        self.identity.borrow().clone()
    }

    /// Joins a room at its tip. See [`Client::join_from`].
    pub async fn join(&self, room: &str) -> Result<Room, JoinError> {
        self.join_from(room, JoinFrom::Tip).await
    }

    /// Joins a room, and resolves when the server has said where in its log: from then on every
    /// event arrives once and in order, or a gap says which didn't.
    ///
    /// It waits for a connection where there is none. Dropping the future leaves the room.
    pub async fn join_from(&self, room: &str, from: JoinFrom) -> Result<Room, JoinError> {
        let (name, client) = (room.to_owned(), self.clone());
        self.request(|key, joined| Command::Join { key, name, from, client, joined })
            .await
            .unwrap_or(Err(JoinError::Closed))
    }

    /// What belongs to no room: all events of a `plain` server, and frames of unknown types.
    pub fn events(&self) -> Events {
        let queue = queue::EventQueue::new(self.shared.queue);
        self.command(Command::Subscribe { queue: queue.clone() });
        Events::new(queue)
    }

    /// Calls a method of the server and waits for its answer. See [`Client::call_with`].
    pub async fn call<D, R>(&self, method: &str, data: &D) -> Result<R, CallError>
    where
        D: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        self.call_with(method, data, CallOptions::default()).await
    }

    /// Calls a method of the server and waits for its answer.
    ///
    /// Each call ends once: with the answer, with the server's refusal, or with the reason why
    /// neither can come. Dropping the future forgets the answer; the server may still act.
    pub async fn call_with<D, R>(
        &self,
        method: &str,
        data: &D,
        options: CallOptions,
    ) -> Result<R, CallError>
    where
        D: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let data = serde_json::value::to_raw_value(data).map_err(CallError::encode)?;
        let (reply, _) = self.call_body(method, Body::Json(Some(data)), options).await?;
        serde_json::from_str(reply.get()).map_err(CallError::decode)
    }

    /// Publishes an event in a room, and resolves when the server has it.
    ///
    /// The outbox keeps it over lost links, sends it in order, and sends it again until the server
    /// answers; the server appends it once. Dropping the future takes it back if it was never
    /// sent.
    pub async fn publish<D>(
        &self,
        room: &str,
        event: &str,
        data: &D,
    ) -> Result<Published, PublishError>
    where
        D: Serialize + ?Sized,
    {
        let data = serde_json::value::to_raw_value(data).map_err(PublishError::encode)?;
        self.publish_body(room, event, Body::Json(Some(data))).await
    }

    /// Publishes a binary event. See [`Client::publish`].
    pub async fn publish_binary(
        &self,
        room: &str,
        event: &str,
        data: impl Into<Bytes>,
    ) -> Result<Published, PublishError> {
        self.publish_body(room, event, Body::Binary(data.into())).await
    }

    /// Sends an event that the server doesn't answer, and resolves when it was handed to an open
    /// link: it takes effect at most once, and nobody can tell whether it did. This is the way to
    /// talk to a `plain` server. To a Socket.IO server it resolves when the event is known to have
    /// arrived; see [`SendError::Uncertain`]. Dropping the future takes it back if it was never
    /// sent.
    pub async fn send<D>(&self, event: &str, data: &D) -> Result<(), SendError>
    where
        D: Serialize + ?Sized,
    {
        let data = serde_json::value::to_raw_value(data).map_err(SendError::encode)?;
        self.send_body(event, Body::Json(Some(data))).await
    }

    /// Asks the AI, and streams its answer. See [`Client::ask_with`].
    pub async fn ask(&self, prompt: &str) -> Result<Answer, StartError> {
        self.ask_with(prompt, AskOptions::default()).await
    }

    /// Asks the AI, and streams its answer: every token once and in order, over lost links too.
    ///
    /// Dropping the future or the answer doesn't stop the AI, since other devices may be
    /// watching: [`Answer::cancel`] does.
    pub async fn ask_with(&self, prompt: &str, options: AskOptions) -> Result<Answer, StartError> {
        answer::ask(self, prompt, options).await
    }

    /// Tells that the machine or the application woke up, where the platform says so: the
    /// connection is proven or replaced within two seconds.
    pub fn wake(&self) {
        self.command(Command::Wake);
    }

    /// Tells that the way to the network changed: another link is made beside the old one.
    pub fn network_changed(&self) {
        self.command(Command::NetworkChanged);
    }

    /// Tells whether the platform has a network; without one nothing is tried.
    pub fn set_online(&self, online: bool) {
        self.command(Command::Online(online));
    }

    /// Closes the connection for good, and resolves when that is said to the application: rooms
    /// end, calls and publishes fail. Idempotent. Dropping the future doesn't take it back.
    pub async fn close(&self) {
        self.command(Command::Close);
        let mut state = self.state.clone();
        // An error means that the connection's task is gone: closed as well.
        let _ = state.wait_for(|state| matches!(state, State::Closed { .. })).await;
    }

    async fn call_body(
        &self,
        method: &str,
        body: Body,
        options: CallOptions,
    ) -> Result<dispatch::Answered, CallError> {
        let CallOptions { idempotent, timeout } = options;
        let method = method.to_owned();
        self.request(|key, answered| Command::Call {
            key,
            method,
            body,
            idempotent,
            timeout,
            answered,
        })
        .await
        .unwrap_or(Err(CallError::Closed))
    }

    async fn send_body(&self, event: &str, body: Body) -> Result<(), SendError> {
        let kind = event.to_owned();
        self.request(|key, sent| Command::Send { key, kind, body, sent })
            .await
            .unwrap_or(Err(SendError::Closed))
    }

    async fn publish_body(
        &self,
        room: &str,
        kind: &str,
        body: Body,
    ) -> Result<Published, PublishError> {
        let (room, kind) = (room.to_owned(), kind.to_owned());
        let reply = self
            .request(|key, published| Command::Publish { key, room, kind, body, published })
            .await
            .unwrap_or(Err(PublishError::Closed))?;
        serde_json::from_str(reply.get()).map_err(PublishError::decode)
    }

    /// Sends a command that is answered; cancels it when the future is dropped.
    async fn request<T>(
        &self,
        command: impl FnOnce(u64, oneshot::Sender<T>) -> Command,
    ) -> Option<T> {
        let key = self.shared.keys.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.command(command(key, sender));
        Request::new(key, self.commands.clone(), answer).answer().await
    }

    fn command(&self, command: Command) {
        // The task ends after `close` at the earliest; what waits for an answer then sees its
        // channel closed.
        let _ = self.commands.send(command);
    }
}
