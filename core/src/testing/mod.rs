//! A server for the tests of your application: real sockets on this machine, rooms with logs, calls
//! that you answer, and faults at your word.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use staywire::testing::FakeServer;
//! use staywire::{Client, RoomEvent};
//!
//! let server = FakeServer::start().await?;
//! server.on_call("add", |data| Ok((data["a"].as_i64().unwrap_or(0) + 1).into()));
//!
//! let client = Client::builder(&server.url()).build()?;
//! client.connect().await?;
//! let sum: i64 = client.call("add", &serde_json::json!({"a": 1})).await?;
//! assert_eq!(sum, 2);
//!
//! let mut room = client.join("chat:1").await?;
//! server.cut(); // What your application does now is what it does on a train.
//! server.publish("chat:1", "said", &"hello");
//! let Some(RoomEvent::Event(event)) = room.next().await else { panic!("it comes back") };
//! assert_eq!(event.data::<String>()?, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! It speaks `staywire.v1` and takes every client for the same user; it checks no token and
//! limits nothing. It belongs in tests alone.

mod conversation;
mod log;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::connection::Refusal;
use conversation::Outgoing;
use log::Log;

/// What a call is answered with.
type Handler = Arc<dyn Fn(Value) -> Result<Value, Refusal> + Send + Sync>;

/// A server that does what a test tells it. Dropping it closes every connection and its port.
#[derive(Debug)]
pub struct FakeServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

/// What a client published.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PublishedEvent {
    /// The event's type.
    pub kind: String,
    /// Its data.
    pub data: Value,
}

#[derive(Default)]
struct State {
    rooms: BTreeMap<String, Log>,
    handlers: HashMap<String, Handler>,
    links: Vec<Link>,
    named: u64,
    /// Publishes that were answered, by producer and sequence.
    answered: HashMap<(String, u64), (String, u64)>,
    published: Vec<(String, PublishedEvent)>,
    refusing: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("State").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

struct Link {
    id: u64,
    producer: String,
    out: mpsc::UnboundedSender<Outgoing>,
    /// By their number: the room's name.
    subscriptions: BTreeMap<u32, String>,
}

impl FakeServer {
    /// Listens on a free port of this machine.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State::default()));
        let accepting = tokio::spawn(conversation::accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// Where a client finds it.
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }

    /// Answers calls of a method. A handler gets the call's data, and runs on the server's task:
    /// it must not block.
    pub fn on_call(
        &self,
        method: &str,
        answer: impl Fn(Value) -> Result<Value, Refusal> + Send + Sync + 'static,
    ) {
        lock(&self.state).handlers.insert(method.to_owned(), Arc::new(answer));
    }

    /// Appends an event to a room, and sends it to who is there; returns its offset.
    ///
    /// # Panics
    ///
    /// If the data can't be written as JSON.
    pub fn publish<D: Serialize + ?Sized>(&self, room: &str, kind: &str, data: &D) -> u64 {
        let data = serde_json::to_value(data).expect("the data can be written as JSON");
        lock(&self.state).append(room, kind, &data).1
    }

    /// Gives a room a state, which those get who join it in the middle, until the next event.
    ///
    /// # Panics
    ///
    /// If the state can't be written as JSON.
    pub fn set_snapshot<D: Serialize + ?Sized>(&self, room: &str, snapshot: &D) {
        let snapshot = serde_json::value::to_raw_value(snapshot);
        let snapshot = snapshot.expect("the state can be written as JSON");
        lock(&self.state).log(room).set_snapshot(snapshot);
    }

    /// Forgets the oldest events of a room up to an offset: who comes back from before it gets a
    /// gap.
    pub fn forget(&self, room: &str, up_to: u64) {
        lock(&self.state).log(room).forget(up_to);
    }

    /// Begins a room's log anew, as a server does that lost its store. Those who are there are
    /// told, and get a gap.
    pub fn begin_anew(&self, room: &str) {
        lock(&self.state).begin_anew(room);
    }

    /// What clients published in a room, in order.
    pub fn published(&self, room: &str) -> Vec<PublishedEvent> {
        let state = lock(&self.state);
        let of_room = state.published.iter().filter(|(known, _)| known == room);
        of_room.map(|(_, event)| event.clone()).collect()
    }

    /// Breaks every connection at once, without a goodbye.
    pub fn cut(&self) {
        lock(&self.state).links.clear();
    }

    /// Whether new connections are turned away, as by a server that is restarting.
    pub fn refuse(&self, refusing: bool) {
        lock(&self.state).refusing = refusing;
    }

    /// Asks every client for another connection at once, as a server does that will go away.
    pub fn go_away(&self) {
        lock(&self.state).go_away();
    }

    /// How many are in a room: subscriptions over all connections.
    pub fn members(&self, room: &str) -> usize {
        let state = lock(&self.state);
        let names = state.links.iter().flat_map(|link| link.subscriptions.values());
        names.filter(|name| *name == room).count()
    }

    /// Connections that are open.
    pub fn links(&self) -> usize {
        lock(&self.state).links.len()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.accepting.abort();
        lock(&self.state).links.clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
