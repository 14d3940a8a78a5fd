//! The engine, its codecs and the payloads, put together: WebSocket messages in and out, events
//! out, still without a socket, a clock or a runtime.
//!
//! What runs on tokio and what runs in the simulation is this; both only add transport and time.
//! The rule is the engine's: one mutation, then [`Connection::poll`] until
//! [`Action::Timeout`].

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::value::RawValue;

use crate::engine::{
    Binding, CallFailure, Cause, Config, DataFrame, Engine, Failure, FailureKind, From, Gap,
    GapReason, HeartbeatConfig, LinkId, Millis, Now, OutboxFull, Outgoing, Output, PublishFailure,
    RoomFailure, RoomId, State, Subscribe, Time, Timer, TokenAnswer, TokenRequest, TooMany,
    Verdict, Welcome, Wire,
};
use crate::wire::control::{self, Bound, ErrorData, Hello, Join, Leave};
use crate::wire::{
    Batch, Event, ServerFrame, WireError, binary, encode_client, encode_frame, plain,
};

/// A WebSocket message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Bytes),
}

/// One thing to do, from [`Connection::poll`].
#[derive(Debug, Clone)]
pub enum Action {
    /// Open a WebSocket with the token fetched last; offer `staywire.v1` or no subprotocol.
    Open {
        /// Its name.
        link: LinkId,
        /// Whether to offer the subprotocol.
        offer_staywire: bool,
    },
    /// Send a message.
    Transmit {
        /// On which link.
        link: LinkId,
        /// What.
        message: Message,
    },
    /// Close a WebSocket, or stop opening it.
    Close {
        /// Which.
        link: LinkId,
        /// With a close handshake, or without.
        in_order: bool,
    },
    /// Ask the token provider.
    NeedToken {
        /// The question, for [`Connection::handle_token`].
        request: TokenRequest,
    },
    /// Cancel this question.
    DropToken {
        /// Which.
        request: TokenRequest,
    },
    /// Tell the application.
    Notify(Notice),
    /// Nothing until an input comes or this time is reached.
    Timeout(Option<(Time, Timer)>),
}

/// What the application is told.
#[derive(Debug, Clone)]
pub enum Notice {
    /// The state of the connection changed.
    State {
        /// The new state.
        state: State,
        /// Why.
        cause: Cause,
    },
    /// A join was answered: from here on nothing of the room is missed in silence.
    Joined {
        /// The room.
        room: RoomId,
        /// The log's epoch.
        epoch: Arc<str>,
        /// Deliveries begin after this offset.
        offset: u64,
    },
    /// The room's state as of the position that deliveries go on from.
    Snapshot {
        /// The room.
        room: RoomId,
        /// The state, as the server's service defines it.
        data: Box<RawValue>,
    },
    /// Events that will never be delivered.
    Gap(Gap),
    /// A room ended by no wish of the application.
    RoomFailed {
        /// The room.
        room: RoomId,
        /// Why.
        reason: RoomFailure,
        /// The server's words, where it said any.
        refusal: Option<Refusal>,
    },
    /// Events, in order.
    Events {
        /// The room; `None` for a plain server's, and for frames of an unknown type.
        room: Option<RoomId>,
        /// The epoch of their offsets; empty where they have none.
        epoch: Arc<str>,
        /// The events.
        events: Vec<Event>,
    },
    /// A call or publish was answered.
    Answered {
        /// Which.
        id: u32,
        /// The reply's data (`null` if it had none), or the refusal.
        result: Result<Box<RawValue>, Refusal>,
    },
    /// A call ended without an answer.
    CallFailed {
        /// Which.
        id: u32,
        /// Why.
        reason: CallFailure,
    },
    /// A publish ended without an answer.
    PublishFailed {
        /// Which.
        id: u32,
        /// Why.
        reason: PublishFailure,
    },
    /// An event was handed to an open link.
    EventSent {
        /// Which.
        id: u32,
    },
    /// The server sent something unreadable. A `plain` link goes on; a `staywire.v1` link is
    /// replaced, since continuity can't be proven over it.
    Unreadable {
        /// What was wrong.
        error: WireError,
    },
    /// The server refused the connection, or said why it is going to end it.
    ServerError {
        /// Its words.
        refusal: Refusal,
    },
}

/// The server's refusal, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub message: String,
    /// When to try again; `None`: not at all.
    pub retry_after: Option<Millis>,
}

impl core::convert::From<&ErrorData<'_>> for Refusal {
    fn from(error: &ErrorData<'_>) -> Self {
        Self {
            code: error.code.clone().into_owned(),
            message: error.message.clone().into_owned(),
            retry_after: error.retry_after_ms.map(Millis),
        }
    }
}

/// Who this client is, in the server's eyes.
#[derive(Debug, Clone)]
pub struct ClientIdentity {
    /// Names this client instance over all its links. Must be unguessable.
    pub instance: String,
    /// What its publishes are numbered under. Must be unguessable.
    pub producer: String,
}

/// The payload that a call, publish or event carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// JSON; `None` for no data.
    Json(Option<Box<RawValue>>),
    /// Raw bytes.
    Binary(Bytes),
}

impl Body {
    fn size(&self) -> usize {
        match self {
            Self::Json(data) => data.as_ref().map_or(0, |data| data.get().len()),
            Self::Binary(bytes) => bytes.len(),
        }
    }
}

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
    /// The last `error` without an id: the reason of the close that follows it.
    last_error: Option<Refusal>,
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
        self.engine.room_overflowed(room, epoch, offset);
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
        data: Option<Box<RawValue>>,
        idempotent: bool,
        deadline: Option<Time>,
        now: Now,
    ) -> Result<u32, TooMany> {
        let id = self.engine.call(idempotent, deadline, now)?;
        self.keep(id, None, method, Body::Json(data));
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
        data: Option<Box<RawValue>>,
        now: Now,
    ) -> Result<u32, OutboxFull> {
        let body = Body::Json(data);
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
            self.links.push(LinkState { id: link, wire, last_error: None });
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
        let said = self
            .links
            .iter()
            .find(|known| known.id == link)
            .and_then(|known| known.last_error.as_ref())
            .and_then(|error| error.retry_after);
        self.forget_link(link);
        let failure = Failure { kind: kind_of_close(code), retry_after: said };
        self.engine.handle_closed(link, failure, now);
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
    pub fn handle_text(&mut self, link: LinkId, text: &Bytes, now: Now) {
        let Some(wire) = self.wire_of(link) else {
            return;
        };
        self.engine.handle_heard(link, now);
        match wire {
            Wire::Plain => match plain::decode(text) {
                Ok(event) => self.unplaced(event),
                Err(error) => self.notify(Notice::Unreadable { error }),
            },
            Wire::StaywireV1 => {
                let handled = ServerFrame::decode(text)
                    .and_then(|frame| self.handle_frame(link, frame, text, now));
                self.settle(link, handled, now);
            }
        }
    }

    /// A binary message arrived.
    pub fn handle_binary(&mut self, link: LinkId, frame: &Bytes, now: Now) {
        let Some(wire) = self.wire_of(link) else {
            return;
        };
        self.engine.handle_heard(link, now);
        match wire {
            Wire::Plain => {
                let reason = "it is binary, and plain events are text".to_owned();
                self.notify(Notice::Unreadable { error: WireError::NotAFrame { reason } });
            }
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
        match self.actions.pop_front() {
            Some(action) => action,
            None => match self.engine.poll_output() {
                Output::Timeout(at) => Action::Timeout(at),
                output => {
                    self.perform(output);
                    self.drain();
                    self.poll()
                }
            },
        }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    // ---- Frames ----

    fn handle_frame(
        &mut self,
        link: LinkId,
        frame: ServerFrame<'_>,
        text: &Bytes,
        now: Now,
    ) -> Result<(), WireError> {
        match frame {
            ServerFrame::Batches(batches) => {
                for batch in batches {
                    if batch.subscription == 0 {
                        for event in &batch.events {
                            let object = Bytes::copy_from_slice(event.raw());
                            let frame = ServerFrame::decode_object(&object)?;
                            self.handle_frame(link, frame, &object, now)?;
                        }
                    } else {
                        self.handle_batch(link, batch, now);
                    }
                }
            }
            ServerFrame::Welcome(welcome) => {
                // A space can't be in either name's neighbour: tenants have none.
                let identity = format!("{} {}", welcome.tenant, welcome.subject);
                let welcome = Welcome {
                    heartbeat: welcome.heartbeat.map(|heartbeat| HeartbeatConfig {
                        interval: Millis(heartbeat.interval_ms.max(1)),
                        timeout: Millis(heartbeat.timeout_ms.max(1)),
                    }),
                    token_ends_in: welcome.token_expires_in_ms.map(Millis),
                    identity: &identity,
                    store: &welcome.store,
                    window: Millis(welcome.dedup_window_ms),
                };
                self.engine.handle_welcome(link, welcome, now);
            }
            ServerFrame::Joined(bound)
            | ServerFrame::Resumed(bound)
            | ServerFrame::Epoch(bound) => {
                self.handle_bound(link, &bound, now);
            }
            ServerFrame::Gap(gap) => self.handle_gap(link, &gap, now),
            ServerFrame::Refused(refused) => {
                self.refusal = Some(Refusal {
                    code: refused.code.into_owned(),
                    message: refused.message.into_owned(),
                    retry_after: refused.retry_after_ms.map(Millis),
                });
                let retry_after = refused.retry_after_ms.map(Millis);
                self.engine.handle_refused(link, refused.subscription, retry_after, now);
                self.drain();
                self.refusal = None;
            }
            ServerFrame::Goaway(goaway) => {
                self.engine.handle_goaway(link, Millis(goaway.reconnect_after_ms), now);
            }
            ServerFrame::Ping => self.engine.handle_ping(link),
            ServerFrame::Pong => {}
            ServerFrame::Reply { id, data } => {
                let data = data.unwrap_or(RawValue::NULL).to_owned();
                self.answered(link, id, Ok(data));
            }
            ServerFrame::Error { id: Some(id), error } => {
                self.answered(link, id, Err(Refusal::from(&error)));
            }
            ServerFrame::Error { id: None, error } => self.server_error(link, &error),
            ServerFrame::Other { .. } => self.unplaced(Event::json(text.clone(), 0)),
        }
        self.drain();
        Ok(())
    }

    fn handle_batch(&mut self, link: LinkId, batch: Batch, now: Now) {
        let count = u32::try_from(batch.events.len()).unwrap_or(u32::MAX);
        let frame = DataFrame { subscription: batch.subscription, first: batch.first, count };
        let verdict = self.engine.handle_data(link, frame, now);
        self.drain();
        let Verdict::Deliver { room, skip, gap } = verdict else {
            return;
        };
        if let Some(gap) = gap {
            self.notify(Notice::Gap(gap));
        }
        let mut events = batch.events;
        events.drain(..skip as usize);
        let epoch = match batch.first {
            0 => None,
            _ => self.engine.epoch(room),
        };
        let epoch = epoch.unwrap_or_default();
        self.notify(Notice::Events { room: Some(room), epoch, events });
    }

    fn handle_bound(&mut self, link: LinkId, bound: &Bound<'_>, now: Now) {
        let binding = Binding {
            subscription: bound.subscription,
            epoch: &bound.epoch,
            offset: bound.offset,
            tip: bound.tip,
        };
        let before = self.actions.len();
        self.engine.handle_bound(link, binding, now);
        self.drain();
        // A snapshot says where the room stands after a join or a gap; else it is known already.
        let Some(snapshot) = bound.snapshot else {
            return;
        };
        let room = self.actions.iter().skip(before).find_map(|action| match action {
            Action::Notify(Notice::Joined { room, .. }) => Some(*room),
            Action::Notify(Notice::Gap(gap)) => gap.room,
            _ => None,
        });
        if let Some(room) = room {
            self.notify(Notice::Snapshot { room, data: snapshot.to_owned() });
        }
    }

    fn handle_gap(&mut self, link: LinkId, gap: &control::Gap<'_>, now: Now) {
        let reason = match &*gap.reason {
            "unprovable" => GapReason::Unprovable,
            "epoch" => GapReason::NewEpoch,
            "overflow" => GapReason::Overflow,
            _ => GapReason::Expired,
        };
        self.engine.handle_gap(link, gap.subscription, gap.to, reason, now);
    }

    fn server_error(&mut self, link: LinkId, error: &ErrorData<'_>) {
        let refusal = Refusal::from(error);
        if let Some(known) = self.links.iter_mut().find(|known| known.id == link) {
            known.last_error = Some(refusal.clone());
        }
        self.notify(Notice::ServerError { refusal });
    }

    fn answered(&mut self, link: LinkId, id: u32, result: Result<Box<RawValue>, Refusal>) {
        if self.engine.handle_reply(link, id) {
            self.take(id);
            self.notify(Notice::Answered { id, result });
        }
    }

    fn settle(&mut self, link: LinkId, handled: Result<(), WireError>, now: Now) {
        if let Err(error) = handled {
            self.notify(Notice::Unreadable { error });
            self.engine.handle_violation(link, now);
        }
        self.drain();
    }

    fn unplaced(&mut self, event: Event) {
        self.notify(Notice::Events { room: None, epoch: Arc::default(), events: vec![event] });
    }

    // ---- What the engine asks for ----

    fn drain(&mut self) {
        loop {
            match self.engine.poll_output() {
                Output::Timeout(_) => return,
                output => self.perform(output),
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Open { link, offer_staywire } => {
                self.actions.push_back(Action::Open { link, offer_staywire });
            }
            Output::Send { link, message } => self.transmit(link, message),
            Output::Close { link, in_order } => {
                self.forget_link(link);
                self.actions.push_back(Action::Close { link, in_order });
            }
            Output::NeedToken { request } => self.actions.push_back(Action::NeedToken { request }),
            Output::DropToken { request } => self.actions.push_back(Action::DropToken { request }),
            Output::StateChanged { state, cause } => self.notify(Notice::State { state, cause }),
            Output::Joined { room } => {
                let epoch = self.engine.epoch(room).unwrap_or_default();
                let offset = self.engine.position(room).map_or(0, |(_, offset)| offset);
                self.notify(Notice::Joined { room, epoch, offset });
            }
            Output::RoomFailed { room, reason } => {
                let refusal = self.refusal.take();
                self.notify(Notice::RoomFailed { room, reason, refusal });
                self.forget_room(room);
            }
            Output::Gap(gap) => self.notify(Notice::Gap(gap)),
            Output::CallFailed { id, reason } => {
                self.take(id);
                self.notify(Notice::CallFailed { id, reason });
            }
            Output::PublishFailed { id, reason } => {
                self.take(id);
                self.notify(Notice::PublishFailed { id, reason });
            }
            Output::Timeout(_) => {}
        }
    }

    fn transmit(&mut self, link: LinkId, message: Outgoing) {
        let message = match message {
            Outgoing::Hello { rooms } => {
                let rooms = rooms.iter().filter_map(|room| self.join_frame(room)).collect();
                let hello = Hello {
                    instance: self.identity.instance.as_str().into(),
                    producer: self.identity.producer.as_str().into(),
                    client: Some(concat!("staywire-rust/", env!("CARGO_PKG_VERSION")).into()),
                    rooms,
                };
                encode_frame("hello", None, Some(&hello))
            }
            Outgoing::Join(subscribe) => match self.join_frame(&subscribe) {
                Some(join) => encode_frame("join", None, Some(&join)),
                None => return,
            },
            Outgoing::Leave { subscription } => {
                encode_frame("leave", None, Some(&Leave { subscription }))
            }
            Outgoing::Ping => encode_frame::<()>("ping", None, None),
            Outgoing::Pong => encode_frame::<()>("pong", None, None),
            Outgoing::Call { id } => match self.find(id) {
                Some(call) => encode_frame(&call.kind, Some(id), json_of(&call.body)),
                None => return,
            },
            Outgoing::Publish { id, sequence } => match self.find(id) {
                Some(publish) => {
                    let message = publish_message(publish, sequence);
                    self.actions.push_back(Action::Transmit { link, message });
                    return;
                }
                None => return,
            },
            Outgoing::Event { id } => match self.take(id) {
                Some(event) => {
                    self.notify(Notice::EventSent { id });
                    plain::encode(&event.kind, json_of(&event.body))
                }
                None => return,
            },
        };
        self.actions.push_back(Action::Transmit { link, message: Message::Text(message) });
    }

    fn join_frame(&self, subscribe: &Subscribe) -> Option<Join<'static>> {
        let name = self.room_name(subscribe.room)?.to_owned();
        let mut join = Join {
            subscription: subscribe.subscription,
            room: name.into(),
            epoch: None,
            offset: None,
            history: None,
        };
        match &subscribe.from {
            From::Tip => {}
            From::History(most) => join.history = Some(*most),
            From::Position { epoch, offset } => {
                join.epoch = Some(epoch.as_ref().to_owned().into());
                join.offset = Some(*offset);
            }
        }
        Some(join)
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

    fn forget_link(&mut self, link: LinkId) {
        self.links.retain(|known| known.id != link);
    }

    fn wire_of(&self, link: LinkId) -> Option<Wire> {
        self.links.iter().find(|known| known.id == link).map(|known| known.wire)
    }
}

fn json_of(body: &Body) -> Option<&RawValue> {
    match body {
        Body::Json(data) => data.as_deref(),
        Body::Binary(_) => None,
    }
}

fn publish_message(publish: &Pending, sequence: u64) -> Message {
    let event = plain::encode(&publish.kind, json_of(&publish.body));
    // `encode` wrote it: it is JSON.
    let Ok(event) = serde_json::from_str::<&RawValue>(&event) else {
        return Message::Text(String::new());
    };
    let data = control::Publish { sequence, event };
    let text = encode_client("publish", Some(publish.id), publish.room.as_deref(), Some(&data));
    match &publish.body {
        Body::Json(_) => Message::Text(text),
        Body::Binary(bytes) => {
            let mut frame = BytesMut::new();
            binary::write(&mut frame, &text, bytes);
            Message::Binary(frame.freeze())
        }
    }
}

/// What a close code means. The codes from 4000 on are the server's, see docs/protocol.md.
fn kind_of_close(code: Option<u16>) -> FailureKind {
    match code {
        None => FailureKind::Network,
        Some(4400 | 4440 | 4404 | 4405 | 4413) => FailureKind::Violation,
        Some(4401 | 4441..=4443) => FailureKind::Unauthorized,
        Some(4403 | 4444..=4447) => FailureKind::Forbidden,
        Some(4429 | 4449..=4452) => FailureKind::RateLimited,
        Some(1001 | 1012 | 1013 | 4453 | 4454 | 4503) => FailureKind::Unavailable,
        Some(_) => FailureKind::Closed,
    }
}
