//! Between the connection's task and the application: who waits for what.
//!
//! It runs in the connection's task, calls no code of the application, and hands everything over
//! through channels and queues.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::{CallError, JoinError, PublishError, SendError};
use super::events::ClientEvent;
use super::queue::{EventQueue, SharedRoomQueue};
use super::room::Room;
use super::token::Source;
use super::{Client, JoinFrom};
use crate::connection::{Body, Bounds, Connection, Identity, Notice, Refusal, RoomQueue};
use crate::driver::{App, Credential, ProviderError};
use crate::engine::{
    CallFailure, From, Now, OutboxFull, PublishFailure, RoomFailure, RoomId, State, Time,
};
#[cfg(feature = "socketio")]
use crate::wire::socketio::{Arguments, Ask};

/// What the application asks for. A `key` names a request that can be cancelled.
pub(super) enum Command {
    Connect,
    Close,
    Wake,
    NetworkChanged,
    Online(bool),
    Subscribe {
        queue: EventQueue,
    },
    Join {
        key: u64,
        name: String,
        from: JoinFrom,
        client: Client,
        joined: oneshot::Sender<Result<Room, JoinError>>,
    },
    Leave {
        room: RoomId,
    },
    CaughtUp {
        room: RoomId,
    },
    Call {
        key: u64,
        method: String,
        body: Body,
        idempotent: bool,
        timeout: Duration,
        answered: oneshot::Sender<Result<Answered, CallError>>,
    },
    Publish {
        key: u64,
        room: String,
        kind: String,
        body: Body,
        published: oneshot::Sender<Result<Box<RawValue>, PublishError>>,
    },
    Send {
        key: u64,
        kind: String,
        body: Body,
        sent: oneshot::Sender<Result<(), SendError>>,
    },
    #[cfg(feature = "socketio")]
    SendNow {
        kind: String,
        arguments: Arguments,
        sent: oneshot::Sender<bool>,
    },
    #[cfg(feature = "socketio")]
    Answer {
        ask: Ask,
        arguments: Arguments,
        answered: oneshot::Sender<bool>,
    },
    Cancel {
        key: u64,
    },
}

/// The application's end of a request: dropping it cancels.
pub(super) struct Request<T> {
    key: u64,
    commands: mpsc::UnboundedSender<Command>,
    answer: oneshot::Receiver<T>,
    answered: bool,
}

impl<T> Request<T> {
    pub(super) fn new(
        key: u64,
        commands: mpsc::UnboundedSender<Command>,
        answer: oneshot::Receiver<T>,
    ) -> Self {
        Self { key, commands, answer, answered: false }
    }

    /// The answer; `None` if the connection's task is gone.
    pub(super) async fn answer(mut self) -> Option<T> {
        let answer = (&mut self.answer).await.ok();
        self.answered = true;
        answer
    }
}

impl<T> Drop for Request<T> {
    fn drop(&mut self) {
        if !self.answered {
            let _ = self.commands.send(Command::Cancel { key: self.key });
        }
    }
}

/// What answered a call: its data, and the bytes that belong to it.
pub(super) type Answered = (Box<RawValue>, Vec<Bytes>);

/// Who waits for the end of a call, publish or event.
enum Waiter {
    Call(oneshot::Sender<Result<Answered, CallError>>),
    Publish(oneshot::Sender<Result<Box<RawValue>, PublishError>>),
    Send(oneshot::Sender<Result<(), SendError>>),
}

struct JoinedRoom {
    queue: SharedRoomQueue,
    /// Until the server answers.
    waiter: Option<Joining>,
}

/// A join that waits for its answer.
struct Joining {
    key: u64,
    room: Room,
    joined: oneshot::Sender<Result<Room, JoinError>>,
}

/// What a key stands for.
#[derive(Clone, Copy)]
enum Keyed {
    Room(RoomId),
    Message(u32),
}

pub(super) struct Dispatcher {
    source: Option<Source>,
    state: watch::Sender<State>,
    identity: watch::Sender<Option<Identity>>,
    bounds: Bounds,
    /// A lookup for each frame: a tree of small numbers is faster than a keyed hash.
    rooms: BTreeMap<RoomId, JoinedRoom>,
    waiters: HashMap<u32, (u64, Waiter)>,
    keys: HashMap<u64, Keyed>,
    subscribers: Vec<EventQueue>,
}

impl Dispatcher {
    pub(super) fn new(
        source: Option<Source>,
        state: watch::Sender<State>,
        identity: watch::Sender<Option<Identity>>,
        bounds: Bounds,
    ) -> Self {
        Self {
            source,
            state,
            identity,
            bounds,
            rooms: BTreeMap::new(),
            waiters: HashMap::new(),
            keys: HashMap::new(),
            subscribers: Vec::new(),
        }
    }

    fn join(
        &mut self,
        (key, name): (u64, String),
        from: JoinFrom,
        client: Client,
        joined: oneshot::Sender<Result<Room, JoinError>>,
        connection: &mut Connection,
        now: Now,
    ) {
        let from = match from {
            JoinFrom::Tip => From::Tip,
            JoinFrom::History(most) => From::History(most),
            JoinFrom::Position { epoch, offset } => From::Position { epoch: epoch.into(), offset },
        };
        match connection.join(&name, from, now) {
            Ok(id) => {
                let queue = SharedRoomQueue::new(self.bounds);
                let room = Room::new(id, name, client, queue.clone());
                self.keys.insert(key, Keyed::Room(id));
                self.rooms
                    .insert(id, JoinedRoom { queue, waiter: Some(Joining { key, room, joined }) });
            }
            Err(_) => {
                let _ = joined.send(Err(JoinError::TooManyRooms));
            }
        }
    }

    fn wait(&mut self, key: u64, id: u32, waiter: Waiter) {
        self.waiters.insert(id, (key, waiter));
        self.keys.insert(key, Keyed::Message(id));
    }

    fn waiter(&mut self, id: u32) -> Option<Waiter> {
        let (key, waiter) = self.waiters.remove(&id)?;
        self.keys.remove(&key);
        Some(waiter)
    }

    fn cancel(&mut self, key: u64, connection: &mut Connection) {
        match self.keys.remove(&key) {
            Some(Keyed::Room(room)) => {
                self.rooms.remove(&room);
                connection.leave(room);
            }
            Some(Keyed::Message(id)) => match self.waiters.remove(&id) {
                Some((_, Waiter::Call(_))) => connection.cancel_call(id),
                Some(_) => {
                    connection.withdraw(id);
                }
                None => {}
            },
            None => {}
        }
    }

    fn answered(&mut self, id: u32, result: Result<Box<RawValue>, Refusal>) {
        // A receiver that is gone has been cancelled, or will be: nobody is left to tell.
        match self.waiter(id) {
            Some(Waiter::Call(waiter)) => {
                let answer = result.map(|data| (data, Vec::new()));
                let _ = waiter.send(answer.map_err(CallError::Refused));
            }
            Some(Waiter::Publish(waiter)) => {
                let _ = waiter.send(result.map_err(PublishError::refused));
            }
            Some(Waiter::Send(waiter)) => {
                let _ = waiter.send(result.map(drop).map_err(SendError::Refused));
            }
            None => {}
        }
    }

    fn message_failed(&mut self, id: u32, reason: PublishFailure) {
        match self.waiter(id) {
            Some(Waiter::Publish(waiter)) => {
                let _ = waiter.send(Err(match reason {
                    PublishFailure::Uncertain => PublishError::Uncertain,
                    PublishFailure::Dropped => PublishError::Dropped,
                    PublishFailure::Unsupported => PublishError::Unsupported,
                    PublishFailure::Closed => PublishError::Closed,
                }));
            }
            Some(Waiter::Send(waiter)) => {
                let _ = waiter.send(Err(match reason {
                    PublishFailure::Dropped => SendError::Dropped,
                    PublishFailure::Uncertain => SendError::Uncertain,
                    PublishFailure::Unsupported | PublishFailure::Closed => SendError::Closed,
                }));
            }
            Some(Waiter::Call(_)) | None => {}
        }
    }

    fn room_failed(&mut self, id: RoomId, reason: RoomFailure, refusal: Option<Refusal>) {
        let Some(room) = self.rooms.remove(&id) else { return };
        let error = match (reason, refusal) {
            (RoomFailure::Refused, Some(refusal)) => JoinError::Refused(refusal),
            (RoomFailure::Refused, None) | (RoomFailure::Closed, _) => JoinError::Closed,
            (RoomFailure::Unsupported, _) => JoinError::Unsupported,
        };
        match room.waiter {
            Some(joining) => {
                self.keys.remove(&joining.key);
                let _ = joining.joined.send(Err(error));
            }
            None => room.queue.end(error),
        }
    }

    /// Queues something of a room, which goes back to the place returned if it didn't fit.
    fn fill(
        &self,
        room: RoomId,
        connection: &mut Connection,
        push: impl FnOnce(&mut RoomQueue) -> Option<(Arc<str>, u64)>,
    ) {
        if let Some(joined) = self.rooms.get(&room)
            && let Some((epoch, offset)) = joined.queue.fill(push)
        {
            connection.room_overflowed(room, &epoch, offset);
        }
    }

    fn tell_subscribers(&mut self, event: &ClientEvent) {
        self.subscribers.retain(EventQueue::is_read);
        for queue in &self.subscribers {
            queue.push(event.clone());
        }
    }

    fn show(&mut self, state: State) {
        self.state.send_replace(state);
        if matches!(state, State::Closed { .. }) {
            for queue in self.subscribers.drain(..) {
                queue.close();
            }
        }
    }
}

impl App for Dispatcher {
    type Command = Command;

    fn command(&mut self, command: Command, connection: &mut Connection, now: Now) {
        match command {
            Command::Connect => connection.connect(now),
            Command::Close => connection.close(),
            Command::Wake => connection.handle_wake(now),
            Command::NetworkChanged => connection.handle_network_changed(now),
            Command::Online(online) => connection.handle_online(online, now),
            Command::Subscribe { queue } => {
                if matches!(connection.engine().state(), State::Closed { .. }) {
                    queue.close();
                } else {
                    self.subscribers.push(queue);
                }
            }
            Command::Join { key, name, from, client, joined } => {
                self.join((key, name), from, client, joined, connection, now);
            }
            Command::Leave { room } => {
                self.rooms.remove(&room);
                connection.leave(room);
            }
            Command::CaughtUp { room } => {
                if let Some(joined) = self.rooms.get(&room) {
                    joined.queue.fill(RoomQueue::go_on);
                }
                connection.room_caught_up(room);
            }
            Command::Call { key, method, body, idempotent, timeout, answered } => {
                let deadline = after(now, timeout);
                match connection.call(&method, body, idempotent, Some(deadline), now) {
                    Ok(id) => self.wait(key, id, Waiter::Call(answered)),
                    Err(_) => {
                        let _ = answered.send(Err(CallError::TooManyCalls));
                    }
                }
            }
            Command::Publish { key, room, kind, body, published } => {
                match connection.publish(&room, &kind, body, now) {
                    Ok(id) => self.wait(key, id, Waiter::Publish(published)),
                    Err(OutboxFull { bytes }) => {
                        let _ = published.send(Err(PublishError::OutboxFull { bytes }));
                    }
                }
            }
            Command::Send { key, kind, body, sent } => {
                match connection.send_event(&kind, body, now) {
                    Ok(id) => self.wait(key, id, Waiter::Send(sent)),
                    Err(OutboxFull { bytes }) => {
                        let _ = sent.send(Err(SendError::OutboxFull { bytes }));
                    }
                }
            }
            #[cfg(feature = "socketio")]
            Command::SendNow { kind, arguments, sent } => {
                let _ = sent.send(connection.emit_volatile(&kind, arguments));
            }
            #[cfg(feature = "socketio")]
            Command::Answer { ask, arguments, answered } => {
                let _ = answered.send(connection.answer(&ask, arguments));
            }
            Command::Cancel { key } => self.cancel(key, connection),
        }
    }

    fn notice(&mut self, notice: Notice, connection: &mut Connection, _now: Now) {
        match notice {
            Notice::State { state, .. } => self.show(state),
            Notice::Greeted(identity) => {
                // A later link with another identity closes the client.
                self.identity.send_if_modified(|told| {
                    let first = told.is_none();
                    told.get_or_insert(identity);
                    first
                });
            }
            Notice::Joined { room, epoch, offset } => {
                let Some(joined) = self.rooms.get_mut(&room) else { return };
                joined.queue.fill(|queue| queue.begin(epoch, offset));
                if let Some(joining) = joined.waiter.take() {
                    self.keys.remove(&joining.key);
                    // A room that nobody takes is dropped, and so left.
                    let _ = joining.joined.send(Ok(joining.room));
                }
            }
            Notice::Snapshot { room, data } => {
                if let Some(room) = self.rooms.get(&room) {
                    room.queue.fill(|queue| queue.push_snapshot(data));
                }
            }
            Notice::Gap { gap, epoch, offset } => match gap.room {
                Some(id) => self.fill(id, connection, |queue| queue.push_gap(gap, epoch, offset)),
                None => self.tell_subscribers(&ClientEvent::Gap(gap)),
            },
            Notice::RoomFailed { room, reason, refusal } => self.room_failed(room, reason, refusal),
            Notice::Events { room: Some(id), epoch, events } => {
                self.fill(id, connection, |queue| queue.push(&epoch, events));
            }
            Notice::Events { room: None, events, .. } => {
                for event in events {
                    self.tell_subscribers(&ClientEvent::Event(event));
                }
            }
            Notice::Answered { id, result } => self.answered(id, result),
            #[cfg(feature = "socketio")]
            Notice::Acked { id, reply } => {
                if let Some(Waiter::Call(waiter)) = self.waiter(id) {
                    let _ = waiter.send(Ok((reply.data, reply.attachments)));
                }
            }
            Notice::CallFailed { id, reason } => {
                if let Some(Waiter::Call(waiter)) = self.waiter(id) {
                    let _ = waiter.send(Err(match reason {
                        CallFailure::Interrupted => CallError::Interrupted,
                        CallFailure::TimedOut => CallError::TimedOut,
                        CallFailure::Unsupported => CallError::Unsupported,
                        CallFailure::Closed => CallError::Closed,
                    }));
                }
            }
            Notice::PublishFailed { id, reason } => self.message_failed(id, reason),
            Notice::EventSent { id } => {
                if let Some(Waiter::Send(waiter)) = self.waiter(id) {
                    let _ = waiter.send(Ok(()));
                }
            }
            Notice::Unreadable { error } => {
                tracing::warn!(%error, "the server sent an unreadable frame");
                self.tell_subscribers(&ClientEvent::Unreadable(error));
            }
            Notice::ServerError { refusal } => {
                tracing::debug!(%refusal, "the server refused");
                self.tell_subscribers(&ClientEvent::ServerError(refusal));
            }
        }
    }

    fn token(&mut self) -> BoxFuture<'static, Result<Credential, ProviderError>> {
        match &self.source {
            Some(source) => source.ask(),
            None => Box::pin(std::future::ready(Err("no token provider is set".into()))),
        }
    }
}

fn after(now: Now, timeout: Duration) -> Time {
    now.time + crate::engine::Millis(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
}
