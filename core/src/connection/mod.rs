//! The engine, its codecs and the payloads, put together: WebSocket messages in and out, events
//! out, still without a socket, a clock or a runtime.
//!
//! What runs on tokio and what runs in the simulation is this; both only add transport and time.
//! The rule is the engine's: one mutation, then [`Connection::poll`] until
//! [`Action::Timeout`].

mod frames;
mod notice;
mod room_queue;
mod sending;
#[cfg(feature = "socketio")]
pub mod socketio;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::engine::{
    Config, Engine, Failure, FailureKind, From, LinkId, Now, OutboxFull, RoomId, Time, Timer,
    TokenAnswer, TokenRequest, TooMany, Wire,
};
use crate::wire::{WireError, binary, plain};
pub use notice::{Action, Body, ClientIdentity, Identity, Message, Notice, Refusal};
pub use room_queue::{Bounds, Item, RoomQueue, Taken};

#[derive(Debug)]
struct Pending {
    id: u32,
    room: Option<Arc<str>>,
    kind: String,
    body: Body,
}

#[derive(Debug)]
struct LinkState {
    id: LinkId,
    wire: Wire,
    /// What came last, if it was an `error` without an id: the reason of the close that follows.
    last_error: Option<Refusal>,
    /// The largest frame that the server takes.
    max_frame_bytes: usize,
}

/// A client connection without I/O. See the [module documentation](self).
#[derive(Debug)]
pub struct Connection {
    engine: Engine,
    identity: ClientIdentity,
    actions: VecDeque<Action>,
    links: Vec<LinkState>,
    /// Sorted by id, since ids only grow.
    rooms: Vec<(RoomId, Arc<str>)>,
    /// Sorted by id, since ids only grow.
    pending: VecDeque<Pending>,
    /// What the next failing room was refused with.
    refusal: Option<Refusal>,
    /// What turned out to be impossible to send.
    unsendable: Vec<u32>,
}

impl Connection {
    /// A connection that is not asked to connect yet.
    pub fn new(config: Config, identity: ClientIdentity, seed: u64) -> Self {
        Self {
            engine: Engine::new(config, seed),
            identity,
            actions: VecDeque::new(),
            links: Vec::new(),
            rooms: Vec::new(),
            pending: VecDeque::new(),
            refusal: None,
            unsendable: Vec::new(),
        }
    }

    // ---- Commands: see the engine's methods of the same names ----

    /// See [`Engine::connect`].
    pub fn connect(&mut self, now: Now) {
        self.engine.connect(now);
        self.drain();
    }

    /// See [`Engine::join`].
    pub fn join(&mut self, name: &str, from: From, now: Now) -> Result<RoomId, TooMany> {
        let room = self.engine.join(from, now)?;
        self.rooms.push((room, Arc::from(name)));
        self.drain();
        Ok(room)
    }

    /// See [`Engine::leave`].
    pub fn leave(&mut self, room: RoomId) {
        self.engine.leave(room);
        self.drain();
        self.forget_room(room);
    }

    /// See [`Engine::room_overflowed`].
    pub fn room_overflowed(&mut self, room: RoomId, epoch: &str, offset: u64) {
        self.engine.room_overflowed(room, epoch.into(), offset);
        self.drain();
    }

    /// See [`Engine::room_caught_up`].
    pub fn room_caught_up(&mut self, room: RoomId) {
        self.engine.room_caught_up(room);
        self.drain();
    }

    /// Calls `method`. See [`Engine::call`].
    pub fn call(
        &mut self,
        method: &str,
        body: impl Into<Body>,
        idempotent: bool,
        deadline: Option<Time>,
        now: Now,
    ) -> Result<u32, TooMany> {
        let id = self.engine.call(idempotent, deadline, now)?;
        self.keep(id, None, method, body.into());
        Ok(id)
    }

    /// See [`Engine::cancel_call`].
    pub fn cancel_call(&mut self, id: u32) {
        self.engine.cancel_call(id);
        self.take(id);
        self.drain();
    }

    /// Publishes an event in a room. See [`Engine::publish`].
    pub fn publish(
        &mut self,
        room: &str,
        kind: &str,
        body: Body,
        now: Now,
    ) -> Result<u32, OutboxFull> {
        let id = self.engine.publish(body.size() + kind.len(), now)?;
        self.keep(id, Some(Arc::from(room)), kind, body);
        Ok(id)
    }

    /// Sends an event to the server. See [`Engine::send_event`].
    pub fn send_event(
        &mut self,
        kind: &str,
        body: impl Into<Body>,
        now: Now,
    ) -> Result<u32, OutboxFull> {
        let body = body.into();
        let id = self.engine.send_event(body.size() + kind.len(), now)?;
        self.keep(id, None, kind, body);
        Ok(id)
    }

    /// See [`Engine::withdraw`].
    pub fn withdraw(&mut self, id: u32) -> bool {
        let withdrawn = self.engine.withdraw(id);
        if withdrawn {
            self.take(id);
        }
        withdrawn
    }

    /// See [`Engine::close`].
    pub fn close(&mut self) {
        self.engine.close();
        self.drain();
    }

    // ---- Inputs ----

    /// See [`Engine::handle_timeout`].
    pub fn handle_timeout(&mut self, now: Now) {
        self.engine.handle_timeout(now);
        self.drain();
    }

    /// See [`Engine::handle_wake`].
    pub fn handle_wake(&mut self, now: Now) {
        self.engine.handle_wake(now);
        self.drain();
    }

    /// See [`Engine::handle_network_changed`].
    pub fn handle_network_changed(&mut self, now: Now) {
        self.engine.handle_network_changed(now);
        self.drain();
    }

    /// See [`Engine::handle_online`].
    pub fn handle_online(&mut self, online: bool, now: Now) {
        self.engine.handle_online(online, now);
        self.drain();
    }

    /// See [`Engine::handle_token`].
    pub fn handle_token(&mut self, request: TokenRequest, answer: TokenAnswer, now: Now) {
        self.engine.handle_token(request, answer, now);
        self.drain();
    }

    /// See [`Engine::handle_opened`].
    pub fn handle_opened(&mut self, link: LinkId, wire: Wire, now: Now) {
        if self.has_link(link) {
            self.add_link(link, wire, usize::MAX);
        }
        self.engine.handle_opened(link, wire, now);
        self.drain();
    }

    /// See [`Engine::handle_open_failed`].
    pub fn handle_open_failed(&mut self, link: LinkId, failure: Failure, now: Now) {
        self.engine.handle_open_failed(link, failure, now);
        self.drain();
    }

    /// The same, with what the server said about it.
    pub fn handle_open_refused(
        &mut self,
        link: LinkId,
        failure: Failure,
        refusal: Option<Refusal>,
        now: Now,
    ) {
        if let Some(refusal) = refusal {
            self.notify(Notice::ServerError { refusal });
        }
        self.handle_open_failed(link, failure, now);
    }

    /// Whether this link was opened and is still wanted.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.engine.has_link(link)
    }

    /// The WebSocket closed with this close code (RFC 6455, 7.4), or broke without one.
    pub fn handle_closed(&mut self, link: LinkId, code: Option<u16>, now: Now) {
        self.handle_ended(link, kind_of_close(code), now);
    }

    /// The link ended for this reason.
    pub fn handle_ended(&mut self, link: LinkId, kind: FailureKind, now: Now) {
        let said = self
            .links
            .iter()
            .find(|known| known.id == link)
            .and_then(|known| known.last_error.as_ref())
            .and_then(|error| error.retry_after);
        self.forget_link(link);
        self.engine.handle_closed(link, Failure { kind, retry_after: said }, now);
        self.drain();
    }

    /// A ping or pong of the WebSocket layer arrived.
    pub fn handle_heard(&mut self, link: LinkId, now: Now) {
        self.engine.handle_heard(link, now);
    }

    /// What arrived is no WebSocket message, or one beyond the limit: the link can't go on.
    pub fn handle_unreadable(&mut self, link: LinkId, reason: String, now: Now) {
        if self.has_link(link) {
            self.settle(link, Err(WireError::NotAMessage { reason }), now);
        }
    }

    /// A text message arrived.
    pub fn handle_text(&mut self, link: LinkId, text: Bytes, now: Now) {
        let Some(wire) = self.hear(link, now) else {
            return;
        };
        match wire {
            Wire::Plain => match plain::decode(&text) {
                Ok(event) => self.unplaced(event),
                Err(error) => self.notify(Notice::Unreadable { error }),
            },
            // Its packets come as what they say.
            Wire::SocketIo => {}
            Wire::StaywireV1 => {
                let handled = self.handle_v1(link, text, now);
                self.settle(link, handled, now);
            }
        }
    }

    /// A binary message arrived.
    pub fn handle_binary(&mut self, link: LinkId, frame: &Bytes, now: Now) {
        let Some(wire) = self.hear(link, now) else {
            return;
        };
        match wire {
            Wire::Plain => {
                let reason = "it is binary, and plain events are text".to_owned();
                self.notify(Notice::Unreadable { error: WireError::NotAFrame { reason } });
            }
            Wire::SocketIo => {}
            Wire::StaywireV1 => {
                let handled = binary::decode_events(frame).map(|batches| {
                    for batch in batches {
                        self.handle_batch(link, batch, now);
                    }
                });
                self.settle(link, handled, now);
            }
        }
    }

    // ---- Output ----

    /// The next thing to do. [`Action::Timeout`] means that there is nothing more for now.
    pub fn poll(&mut self) -> Action {
        match self.next_action() {
            Some(action) => action,
            None => Action::Timeout(self.next_timeout()),
        }
    }

    /// The next thing to do but for waiting, where the caller doesn't need to know when to wake.
    pub(crate) fn next_action(&mut self) -> Option<Action> {
        // What the engine asked for after the last drain comes behind what is queued already.
        if self.actions.is_empty() {
            self.drain();
        }
        self.actions.pop_front()
    }

    /// When to wake, once there is nothing more to do.
    pub(crate) fn next_timeout(&self) -> Option<(Time, Timer)> {
        self.engine.next_timeout()
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    // ---- Tables ----

    fn notify(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notify(notice));
    }

    fn keep(&mut self, id: u32, room: Option<Arc<str>>, kind: &str, body: Body) {
        self.pending.push_back(Pending { id, room, kind: kind.to_owned(), body });
        self.drain();
    }

    fn find(&self, id: u32) -> Option<&Pending> {
        let index = self.pending.binary_search_by_key(&id, |pending| pending.id).ok()?;
        self.pending.get(index)
    }

    fn take(&mut self, id: u32) -> Option<Pending> {
        let index = self.pending.binary_search_by_key(&id, |pending| pending.id).ok()?;
        self.pending.remove(index)
    }

    /// The name that a room was joined by.
    pub fn room_name(&self, room: RoomId) -> Option<&str> {
        let index = self.rooms.binary_search_by_key(&room, |(id, _)| *id).ok()?;
        Some(&self.rooms[index].1)
    }

    fn forget_room(&mut self, room: RoomId) {
        if let Ok(index) = self.rooms.binary_search_by_key(&room, |(id, _)| *id) {
            self.rooms.remove(index);
        }
    }

    fn add_link(&mut self, id: LinkId, wire: Wire, max_frame_bytes: usize) {
        self.links.push(LinkState { id, wire, last_error: None, max_frame_bytes });
    }

    fn forget_link(&mut self, link: LinkId) {
        self.links.retain(|known| known.id != link);
    }

    /// Takes note that a link brought something; how to read it.
    fn hear(&mut self, link: LinkId, now: Now) -> Option<Wire> {
        let known = self.link(link)?;
        known.last_error = None;
        let wire = known.wire;
        self.engine.handle_heard(link, now);
        Some(wire)
    }

    fn link(&mut self, link: LinkId) -> Option<&mut LinkState> {
        self.links.iter_mut().find(|known| known.id == link)
    }
}

/// What a close code means. The codes from 4000 on are the server's, see docs/protocol.md.
pub(crate) fn kind_of_close(code: Option<u16>) -> FailureKind {
    match code {
        None => FailureKind::Network,
        Some(4400 | 4440 | 4404 | 4405 | 4413) => FailureKind::Violation,
        Some(4401 | 4441..=4443) => FailureKind::Unauthorized,
        Some(4403 | 4444..=4447) => FailureKind::Forbidden,
        Some(4429 | 4449 | 4450) => FailureKind::RateLimited,
        Some(1001 | 1012 | 1013 | 4453 | 4454 | 4503) => FailureKind::Unavailable,
        Some(_) => FailureKind::Closed,
    }
}
