//! The behaviour of a client as one synchronous state machine, without I/O.
//!
//! # How to drive it
//!
//! There are three kinds of methods:
//! - *commands* of the application: [`connect`](Engine::connect), [`join`](Engine::join),
//!   [`publish`](Engine::publish), [`call`](Engine::call), [`close`](Engine::close), …;
//! - *inputs* from the world: `handle_*`;
//! - one *output*: [`poll_output`](Engine::poll_output).
//!
//! **One mutation, drain fully, next mutation**: after each command or input, call `poll_output`
//! until it yields [`Output::Timeout`], which also says when to call
//! [`handle_timeout`](Engine::handle_timeout). Every input is accepted in every state, and inputs
//! of a link that is gone are ignored.
//!
//! # What it never does
//!
//! It reads no clock, opens no socket, spawns nothing, parses nothing and holds no payload: it
//! knows numbers and ids. Time comes in with each call and randomness from a seed, so that a run
//! is repeatable. It needs `alloc` alone.

mod backoff;
mod calls;
mod config;
mod credentials;
mod dial;
mod inbound;
mod link;
mod outbox;
mod output;
mod passing;
mod rng;
mod rooms;
mod sending;
mod state;
mod time;
mod timers;

#[cfg(test)]
mod tests;

pub use backoff::BackoffConfig;
pub use config::{
    Config, CredentialsMode, HeartbeatConfig, OnOverflow, OutboxConfig, ProtocolChoice,
};
pub use credentials::TokenRequest;
pub use dial::{Failure, FailureKind, Session, TokenAnswer, Wire};
pub use inbound::{Binding, DataFrame, Welcome};
pub use link::LinkId;
pub use outbox::OutboxFull;
pub use output::{CallFailure, Outgoing, Output, PublishFailure, RoomFailure, Subscribe};
pub use rooms::{Epoch, From, Gap, GapReason, Name, OFFSET_LIMIT, RoomId, Verdict};
pub use state::{Cause, State};
pub use time::{Millis, Now, Time, WallTime};
pub use timers::Timer;

use core::mem;

use backoff::Backoff;
use calls::Calls;
use credentials::Credentials;
use link::{Links, Role};
use outbox::Outbox;
use output::Outputs;
use rng::Rng;
use rooms::Rooms;
use time::SleepWatch;
use timers::Timers;

/// Whether there can be links of Socket.IO: the browser's module has no bytes to spare for what never
/// comes there.
const SOCKET_IO: bool = cfg!(feature = "socketio");

/// More are open, or joined, than the configuration allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// The engine. See the [module documentation](self) for how to drive it.
#[derive(Debug)]
pub struct Engine<N = Epoch> {
    config: Config,
    /// The time of the input that is being handled.
    now: Now,
    rng: Rng,
    timers: Timers,
    outputs: Outputs<N>,
    state: State,
    /// The application wants a connection.
    wanted: bool,
    online: bool,
    sleep: SleepWatch,
    links: Links<N>,
    subscriptions: u32,
    heartbeat: Option<HeartbeatConfig>,
    backoff: Backoff,
    credentials: Credentials,
    identity: Option<N>,
    /// What the server last proved to speak; `None` until a link opened.
    proven: Option<Wire>,
    /// `auto` is trying without subprotocols.
    fallen_back: bool,
    /// A second link is wanted, to replace the first.
    replacing: bool,
    replace_backoff: Backoff,
    /// When the server that sent us away wants us back; in the past if none did.
    sent_away_until: Time,
    /// A link that proves nothing was open before: what came in between can't be known.
    had_plain_link: bool,
    rooms: Rooms<N>,
    outbox: Outbox<N>,
    calls: Calls,
    ids: u32,
}

impl<N: Name> Engine<N> {
    /// A new engine. The same configuration, seed and inputs give the same outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            now: Now::default(),
            rng: Rng::new(seed),
            timers: Timers::new(),
            outputs: Outputs::default(),
            state: State::Idle,
            wanted: false,
            online: true,
            sleep: SleepWatch::default(),
            links: Links::default(),
            subscriptions: 0,
            heartbeat: None,
            backoff: Backoff::default(),
            credentials: Credentials::new(config.credentials),
            identity: None,
            proven: None,
            fallen_back: false,
            replacing: false,
            replace_backoff: Backoff::default(),
            sent_away_until: Time::default(),
            had_plain_link: false,
            rooms: Rooms::default(),
            outbox: Outbox::new(),
            calls: Calls::default(),
            ids: 0,
            config,
        }
    }

    // ---- Commands ----

    /// Asks for a connection, and keeps asking until [`close`](Self::close). Idempotent.
    pub fn connect(&mut self, now: Now) {
        self.now = now;
        if self.wanted || matches!(self.state, State::Closed { .. }) {
            return;
        }
        self.wanted = true;
        // The first look at the clocks, to tell a later one from.
        self.sleep.slept(self.now, Time::NEVER);
        if self.online {
            self.set_state(State::Connecting, Cause::Requested);
        } else {
            self.set_state(State::Offline, Cause::WentOffline);
        }
    }

    /// Joins a room. It stays joined over any number of links until [`leave`](Self::leave).
    pub fn join(&mut self, from: From<N>, now: Now) -> Result<RoomId, TooMany> {
        self.now = now;
        if self.rooms.len() >= self.config.max_rooms {
            return Err(TooMany);
        }
        let room = self.rooms.add(from);
        if matches!(self.state, State::Closed { .. }) {
            self.fail_room(room, RoomFailure::Closed);
        }
        self.subscribe_everywhere(room);
        Ok(room)
    }

    /// Leaves a room; what it still sends is discarded.
    pub fn leave(&mut self, room: RoomId) {
        self.unsubscribe_everywhere(room);
        self.rooms.remove(room);
    }

    /// The application fell behind, and its queue for this room takes no more. `epoch` and `offset`
    /// name the last event that was handed over; the room goes on from there after
    /// [`room_caught_up`](Self::room_caught_up).
    pub fn room_overflowed(&mut self, room: RoomId, epoch: N, offset: u64) {
        if let Some(entry) = self.rooms.get_mut(room) {
            entry.paused = Some(Time::NEVER);
            entry.answered = true;
            entry.epoch = Some(epoch);
            entry.position = offset;
            self.unsubscribe_everywhere(room);
        }
    }

    /// The application has taken all that was queued for this room.
    pub fn room_caught_up(&mut self, room: RoomId) {
        if let Some(entry) = self.rooms.get_mut(room)
            && entry.paused == Some(Time::NEVER)
        {
            entry.paused = None;
            self.subscribe_everywhere(room);
        }
    }

    /// Opens a call and names it. An idempotent one may be sent again after a lost link; the
    /// other ends as interrupted then. `deadline` is a point in time, or none.
    pub fn call(
        &mut self,
        idempotent: bool,
        deadline: Option<Time>,
        now: Now,
    ) -> Result<u32, TooMany> {
        self.now = now;
        if self.calls.len() >= self.config.max_calls {
            return Err(TooMany);
        }
        let id = self.next_id().ok_or(TooMany)?;
        if matches!(self.state, State::Closed { .. }) {
            self.fail_call(id, CallFailure::Closed);
            return Ok(id);
        }
        self.calls.add(id, idempotent, deadline.unwrap_or(Time::NEVER));
        self.arm_calls();
        self.flush();
        Ok(id)
    }

    /// Forgets a call; its answer is ignored.
    pub fn cancel_call(&mut self, id: u32) {
        self.end_call(id);
    }

    /// Puts a publish of `bytes` payload bytes in the outbox and names it. It is sent in order,
    /// and again after a lost link, until the server answers.
    pub fn publish(&mut self, bytes: usize, now: Now) -> Result<u32, OutboxFull> {
        self.now = now;
        self.enqueue(bytes, true)
    }

    /// The same for an event that the server doesn't answer: it is sent at most once.
    pub fn send_event(&mut self, bytes: usize, now: Now) -> Result<u32, OutboxFull> {
        self.now = now;
        self.enqueue(bytes, false)
    }

    /// Ends a call or a publish that turned out to be impossible to send.
    pub fn abandon(&mut self, id: u32) {
        if !self.outbox.finish(id) {
            self.end_call(id);
        }
    }

    /// An event that was sent never left: it goes out again, in its place.
    pub fn handle_unsent(&mut self, id: u32) {
        self.outbox.unsend(id);
    }

    /// Takes a message out of the outbox if it was never sent; tells whether it was.
    pub fn withdraw(&mut self, id: u32) -> bool {
        self.outbox.withdraw(id)
    }

    /// Closes for good. Idempotent.
    pub fn close(&mut self) {
        self.shut(Cause::ClosedByCaller);
    }

    // ---- Inputs that are no link's ----

    /// The time of the last [`Output::Timeout`] is reached, or any time at all.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        let due = self.timers.next().map_or(Time::NEVER, |(at, _)| at);
        if self.sleep.slept(self.now, due) {
            self.woke();
        }
        while let Some(timer) = self.timers.pop_due(self.now.time) {
            self.fire(timer);
        }
    }

    /// The platform says that the machine or the application woke up.
    pub fn handle_wake(&mut self, now: Now) {
        self.now = now;
        // What the platform said need not be found out again at the next wake-up.
        self.sleep.slept(self.now, Time::NEVER);
        self.woke();
    }

    /// The platform says that the way to the network changed: a second link is made at once.
    pub fn handle_network_changed(&mut self, now: Now) {
        self.now = now;
        if self.links.live_primary().is_some() {
            // One that was being made goes over the old network.
            if let Some(slot) = self.links.in_role(Role::Candidate) {
                self.end_link(slot, false);
            }
            self.replace();
        } else {
            self.woke();
        }
    }

    /// The platform says whether there is a network.
    pub fn handle_online(&mut self, online: bool, now: Now) {
        self.now = now;
        if self.online == online {
            return;
        }
        self.online = online;
        if online {
            self.came_online();
        } else {
            self.went_offline();
        }
    }

    // ---- Output ----

    /// The next thing to do. [`Output::Timeout`] means that there is nothing more for now.
    pub fn poll_output(&mut self) -> Output<N> {
        self.next_output().unwrap_or_else(|| Output::Timeout(self.next_timeout()))
    }

    /// When to wake, and for what.
    pub(crate) fn next_timeout(&self) -> Option<(Time, Timer)> {
        self.timers.next()
    }

    /// The next thing to do but for waiting, where the caller doesn't need to know when to wake.
    /// When all is said that the last mutation led to, whatever is still missing is started.
    pub(crate) fn next_output(&mut self) -> Option<Output<N>> {
        if self.outputs.is_empty() {
            self.advance();
        }
        self.outputs.pop_front()
    }

    /// The state of the connection.
    pub fn state(&self) -> State {
        self.state
    }

    /// The position in a room, once the server has given one.
    pub fn position(&self, room: RoomId) -> Option<(&N, u64)> {
        let room = self.rooms.get(room).filter(|room| room.answered)?;
        room.epoch.as_ref().map(|epoch| (epoch, room.position))
    }

    /// Whether this link is still wanted.
    pub fn has_link(&self, link: LinkId) -> bool {
        self.links.find(link).is_some()
    }

    /// The link that carries what the application sends.
    pub fn primary(&self) -> Option<LinkId> {
        self.links.live_primary().map(|slot| self.links[slot].id)
    }

    /// The epoch that a room's position belongs to.
    pub fn epoch(&self, room: RoomId) -> Option<N> {
        self.position(room).map(|(epoch, _)| epoch.clone())
    }

    /// Messages and payload bytes in the outbox.
    pub fn outbox_usage(&self) -> (usize, usize) {
        (self.outbox.len(), self.outbox.bytes())
    }

    // ---- Private ----

    /// A fresh id; `None` after four billion, since an id is never used twice.
    fn next_id(&mut self) -> Option<u32> {
        self.ids = self.ids.checked_add(1)?;
        Some(self.ids)
    }

    fn set_state(&mut self, state: State, cause: Cause) {
        // While it lasts, only reconnecting has news.
        let lasts = mem::discriminant(&self.state) == mem::discriminant(&state);
        if !lasts || matches!(state, State::Reconnecting { .. }) {
            self.state = state;
            self.outputs.push_back(Output::StateChanged { state, cause });
        }
    }

    fn close_link(&mut self, link: LinkId, in_order: bool) {
        self.outputs.push_back(Output::Close { link, in_order });
    }

    fn fail_call(&mut self, id: u32, reason: CallFailure) {
        self.outputs.push_back(Output::CallFailed { id, reason });
    }

    fn fail_publish(&mut self, id: u32, reason: PublishFailure) {
        self.outputs.push_back(Output::PublishFailed { id, reason });
    }

    fn lose(&mut self, gap: Gap) {
        self.outputs.push_back(Output::Gap(gap));
    }

    fn send(&mut self, link: LinkId, message: Outgoing<N>) {
        self.outputs.push_back(Output::Send { link, message });
    }

    fn enqueue(&mut self, bytes: usize, acknowledged: bool) -> Result<u32, OutboxFull> {
        while let Some(id) = self.outbox.make_room(bytes, &self.config.outbox)? {
            self.fail_publish(id, PublishFailure::Dropped);
        }
        let id = self.next_id().ok_or(OutboxFull { bytes: false })?;
        if matches!(self.state, State::Closed { .. }) {
            self.fail_publish(id, PublishFailure::Closed);
            return Ok(id);
        }
        self.outbox.add(id, bytes, acknowledged);
        self.flush();
        Ok(id)
    }

    /// False if no such call is open.
    fn end_call(&mut self, id: u32) -> bool {
        let known = self.calls.finish(id);
        if known {
            self.finish_retiring();
            self.arm_calls();
        }
        known
    }

    fn fail_room(&mut self, room: RoomId, reason: RoomFailure) {
        if self.rooms.remove(room) {
            self.outputs.push_back(Output::RoomFailed { room, reason });
        }
    }

    fn arm_calls(&mut self) {
        self.timers.set(Timer::Calls, self.calls.next_deadline());
    }

    fn arm_rejoin(&mut self) {
        self.timers.set(Timer::Rejoin, self.rooms.next_rejoin());
    }
}
