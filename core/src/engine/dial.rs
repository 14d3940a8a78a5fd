//! The life of links: dialling, replacing one by another, losing them, probing them.
//!
//! Everything here is driven by one question, asked after every mutation, when all that it led to
//! is said: does what is wanted differ from what is there? ([`advance`](Engine::advance)). A
//! missed step can't wedge the client, because the next mutation asks again.

use core::mem;

use super::credentials::Readiness;
use super::link::{Link, LinkId, Phase, Role, Slot};
use super::outbox::Memory;
use super::output::{CallFailure, Output, PublishFailure, RoomFailure};
use super::rooms::{Epoch, Gap, GapReason};
use super::state::{Cause, State};
use super::time::{Millis, Now, Time, WallTime};
use super::timers::Timer;
use super::{
    CredentialsMode, Engine, HeartbeatConfig, Name, ProtocolChoice, SOCKET_IO, TokenRequest,
};

/// The protocol that an open link speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// `{"type", "data"}` messages.
    Plain,
    /// `staywire.v1`.
    StaywireV1,
    /// Socket.IO: see [`Engine::handle_session`].
    SocketIo,
}

/// What a Socket.IO server said when it let a link in.
#[derive(Debug, Clone)]
pub struct Session<N = Epoch> {
    /// When its own pings are missed.
    pub heartbeat: HeartbeatConfig,
    /// It goes on with the session before, and sends what that one missed.
    pub restored: bool,
    /// Names the session.
    pub name: N,
}

/// What the token provider answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAnswer {
    /// A token, which the caller keeps for the next link; when it ends, if it says so.
    Token {
        /// The end of its life.
        ends: Option<WallTime>,
    },
    /// It failed.
    Failed,
}

/// What kind of failure ended a link, or kept it from opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// See [`Cause::NetworkFailed`].
    Network,
    /// See [`Cause::TlsFailed`].
    Tls,
    /// See [`Cause::ClosedByServer`].
    Closed,
    /// See [`Cause::Unauthorized`].
    Unauthorized,
    /// See [`Cause::Forbidden`]; the client closes.
    Forbidden,
    /// See [`Cause::RateLimited`].
    RateLimited,
    /// See [`Cause::Unavailable`].
    Unavailable,
    /// The handshake failed in a way that an unknown subprotocol explains.
    Subprotocol,
    /// See [`Cause::ProtocolViolation`].
    Violation,
    /// See [`Cause::Dismissed`]; the client closes.
    Dismissed,
    /// See [`Cause::TokenFailed`].
    Token,
}

impl FailureKind {
    fn cause(self) -> Cause {
        match self {
            Self::Network => Cause::NetworkFailed,
            Self::Tls => Cause::TlsFailed,
            Self::Closed => Cause::ClosedByServer,
            Self::Unauthorized => Cause::Unauthorized,
            Self::Forbidden => Cause::Forbidden,
            Self::RateLimited => Cause::RateLimited,
            Self::Unavailable => Cause::Unavailable,
            Self::Subprotocol => Cause::ProtocolRefused,
            Self::Violation => Cause::ProtocolViolation,
            Self::Dismissed => Cause::Dismissed,
            Self::Token => Cause::TokenFailed,
        }
    }
}

/// How a link ended, or why it didn't open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The server's word on when to come back.
    pub retry_after: Option<Millis>,
}

impl<N: Name> Engine<N> {
    // ---- Inputs of the transport ----

    /// The transport is open, and this is what the peer agreed to speak.
    pub fn handle_opened(&mut self, link: LinkId, wire: Wire, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        let entry = &mut self.links[slot];
        if entry.phase != Phase::Dialing {
            return;
        }
        entry.last_heard = self.now.time;
        self.proven = Some(wire);
        match wire {
            Wire::StaywireV1 => {
                entry.phase = Phase::Greeting;
                self.say_hello(slot);
            }
            Wire::Plain | Wire::SocketIo => {
                entry.phase = Phase::Live;
                self.heartbeat = self.config.plain_heartbeat.then_some(self.config.heartbeat);
                self.went_live(slot);
            }
        }
    }

    /// The transport is open, and a Socket.IO server has let us in: there is nothing to greet.
    pub fn handle_session(&mut self, link: LinkId, session: Session<N>, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        let entry = &mut self.links[slot];
        if entry.phase != Phase::Dialing {
            return;
        }
        entry.last_heard = self.now.time;
        entry.phase = Phase::Live;
        // It knows no repeats: what was sent once is never sent again.
        entry.memory = Some(Memory { store: session.name, window: Millis(0), entries: usize::MAX });
        self.proven = Some(Wire::SocketIo);
        self.heartbeat = Some(session.heartbeat.bounded());
        if session.restored {
            self.had_plain_link = false;
        }
        self.went_live(slot);
    }

    /// The transport could not be opened.
    pub fn handle_open_failed(&mut self, link: LinkId, failure: Failure, now: Now) {
        self.handle_closed(link, failure, now);
    }

    /// The transport closed, or broke.
    pub fn handle_closed(&mut self, link: LinkId, failure: Failure, now: Now) {
        self.now = now;
        if let Some(slot) = self.links.find(link) {
            self.lose_link(slot, failure);
        }
    }

    /// The token provider answered.
    pub fn handle_token(&mut self, request: TokenRequest, answer: TokenAnswer, now: Now) {
        self.now = now;
        match answer {
            TokenAnswer::Token { ends } => {
                if self.credentials.answered(request, ends, self.now) {
                    self.timers.clear(Timer::Token);
                }
            }
            TokenAnswer::Failed => self.token_failed(request, Cause::TokenFailed),
        }
    }

    // ---- What is wanted against what is there ----

    /// Starts whatever is missing. Safe to call at any time.
    pub(super) fn advance(&mut self) {
        if !self.wanted || !self.online {
            return;
        }
        let role = match self.links.in_role(Role::Primary) {
            None if self.timers.is_set(Timer::Backoff) => return,
            None => Role::Primary,
            Some(slot) => {
                let live = self.links[slot].phase == Phase::Live;
                let making = self.links.in_role(Role::Candidate).is_some();
                if !live || making || !self.replacing || self.timers.is_set(Timer::Make) {
                    return;
                }
                Role::Candidate
            }
        };
        match self.credentials.readiness(self.now) {
            Readiness::Ready => self.dial(role),
            Readiness::Pending => {}
            Readiness::Ask(request) => {
                self.timers.set(Timer::Token, self.now.time + self.config.token_deadline);
                self.outputs.push_back(Output::NeedToken { request });
            }
        }
    }

    fn dial(&mut self, role: Role) {
        // A retiring link must not keep a new one from its place.
        if let Some(retiring) = self.links.in_role(Role::Retiring) {
            self.end_link(retiring, true);
            self.flush();
        }
        let Some(slot) = self.links.open(role, self.now.time) else { return };
        let link = self.links[slot].id;
        self.timers.set(slot.dial_timer(), self.now.time + self.config.connect_deadline);
        // Only `auto` ever falls back.
        let offer_staywire = self.config.protocol != ProtocolChoice::Plain && !self.fallen_back;
        self.outputs.push_back(Output::Open { link, offer_staywire });
    }

    /// Asks for a second link that takes the first one's place, and for it at once: of the timers that
    /// are due together, the next may find the first link dead.
    pub(super) fn replace(&mut self) {
        self.replacing = true;
        self.timers.clear(Timer::Make);
        self.advance();
    }

    /// The link is open and greeted.
    pub(super) fn went_live(&mut self, slot: Slot) {
        if let Some(heartbeat) = self.heartbeat {
            self.timers.set(slot.ping_timer(), self.now.time + heartbeat.interval);
        }
        match self.links[slot].role {
            Role::Primary => {
                self.timers.clear(slot.dial_timer());
                self.became_primary(slot);
            }
            Role::Candidate => self.switch_when_resumed(slot),
            Role::Retiring | Role::None => {}
        }
    }

    fn became_primary(&mut self, slot: Slot) {
        let stock = SOCKET_IO && self.proven == Some(Wire::SocketIo);
        let plain = stock || self.proven == Some(Wire::Plain);
        if plain && self.had_plain_link {
            self.outputs.push_back(Output::Gap(Gap {
                room: None,
                from: 0,
                to: 0,
                reason: GapReason::Unprovable,
            }));
        }
        self.had_plain_link = plain;
        self.sent_away_until = Time::default();
        self.timers.clear(Timer::Probe);
        self.timers.set(Timer::Stable, self.now.time + self.config.stable_after);
        if let Some(memory) = self.links[slot].memory.take() {
            self.outbox.greeted(memory);
        }
        self.arm_refresh();
        self.set_state(State::Connected, Cause::Opened);
        if plain {
            self.fail_rooms(RoomFailure::Unsupported);
        }
        self.flush();
    }

    /// Lets the candidate take over once every room goes on there.
    pub(super) fn switch_when_resumed(&mut self, slot: Slot) {
        let link = &self.links[slot];
        if link.role != Role::Candidate || link.phase != Phase::Live || link.resuming() {
            return;
        }
        if let Some(old) = self.links.in_role(Role::Primary) {
            self.links[old].role = Role::Retiring;
            self.timers.set(Timer::Retire, self.now.time + self.config.retire_after);
        }
        self.promote(slot);
        self.became_primary(slot);
        self.finish_retiring();
    }

    fn promote(&mut self, slot: Slot) {
        self.timers.clear(slot.dial_timer());
        self.timers.clear(Timer::Make);
        self.replacing = false;
        self.links[slot].role = Role::Primary;
        // Repeats are told by their sequence, so that nothing has to wait for the old link.
        self.outbox.resend();
    }

    /// Closes a replaced link that owes no more answers.
    pub(super) fn finish_retiring(&mut self) {
        if let Some(slot) = self.links.in_role(Role::Retiring)
            && !self.calls.any_on(self.links[slot].id)
            && !self.outbox.any_on(self.links[slot].id)
        {
            self.end_link(slot, true);
        }
    }

    // ---- Loss ----

    pub(super) fn lose_link(&mut self, slot: Slot, failure: Failure) {
        let Link { role, phase, .. } = self.links[slot];
        self.forget_link(slot);
        let retry_after = failure.retry_after.unwrap_or_default();
        // A retiring link may have been opened with an older token than the one that is held.
        if failure.kind == FailureKind::Unauthorized && role != Role::Retiring {
            self.credentials.reject();
        }
        let fixed = self.config.credentials != CredentialsMode::Provider;
        let fatal = failure.kind == FailureKind::Forbidden
            || (SOCKET_IO && failure.kind == FailureKind::Dismissed)
            || (failure.kind == FailureKind::Unauthorized && fixed);
        // Only what refuses the primary is final: a make that fails keeps the old link.
        if fatal && role == Role::Primary && self.links.in_role(Role::Candidate).is_none() {
            self.shut(failure.kind.cause());
            return;
        }
        if role == Role::Primary && phase == Phase::Dialing && self.fall_back(failure.kind) {
            return;
        }
        self.go_on_without(role, failure.kind.cause(), retry_after);
    }

    /// What the loss of a link in this role asks for.
    fn go_on_without(&mut self, role: Role, cause: Cause, retry_after: Millis) {
        match role {
            Role::Primary => self.primary_lost(cause, retry_after),
            Role::Candidate => self.put_off_replacing(retry_after),
            // Idempotent calls that it owed an answer go to the primary.
            Role::Retiring => self.flush(),
            Role::None => {}
        }
    }

    /// `auto` met a server that doesn't pick our subprotocol: once, without, and at once.
    fn fall_back(&mut self, kind: FailureKind) -> bool {
        if self.config.protocol != ProtocolChoice::Auto || self.proven.is_some() {
            return false;
        }
        // Whatever a dial without subprotocols met, the next one offers them again: falling back
        // for good takes a server that answered.
        self.fallen_back = kind == FailureKind::Subprotocol && !self.fallen_back;
        self.fallen_back
    }

    pub(super) fn primary_lost(&mut self, cause: Cause, retry_after: Millis) {
        self.timers.clear(Timer::Refresh);
        self.timers.clear(Timer::Stable);
        self.timers.clear(Timer::Probe);
        self.outbox.resend();
        if let Some(slot) = self.links.in_role(Role::Candidate) {
            self.promote(slot);
            if self.links[slot].phase == Phase::Live {
                self.became_primary(slot);
            } else {
                self.timers.set(slot.dial_timer(), self.now.time + self.config.connect_deadline);
                self.show_reconnecting(self.now.time, cause);
            }
            return;
        }
        self.replacing = false;
        self.timers.clear(Timer::Make);
        // A server that sent us away and then died still told us when to come back.
        let away = mem::take(&mut self.sent_away_until).since(self.now.time);
        self.retry_later(cause, retry_after.max(away));
    }

    fn retry_later(&mut self, cause: Cause, retry_after: Millis) {
        if !self.online {
            self.set_state(State::Offline, Cause::WentOffline);
            return;
        }
        if self.backoff.gives_up(&self.config.backoff) {
            self.shut(Cause::GaveUp);
            return;
        }
        let (policy, now) = (&self.config.backoff, self.now.time);
        let retry_at = self.backoff.next(policy, retry_after, now, &mut self.rng);
        self.timers.set(Timer::Backoff, retry_at);
        self.show_reconnecting(retry_at, cause);
    }

    pub(super) fn show_reconnecting(&mut self, retry_at: Time, cause: Cause) {
        let attempt = self.backoff.attempts();
        self.set_state(State::Reconnecting { attempt, retry_at, cause }, cause);
    }

    /// The second link didn't come about: the first stays, and another is tried later.
    fn put_off_replacing(&mut self, retry_after: Millis) {
        if !self.replacing {
            return;
        }
        let (policy, now) = (&self.config.backoff, self.now.time);
        let at = self.replace_backoff.next(policy, retry_after, now, &mut self.rng);
        self.timers.set(Timer::Make, at);
    }

    pub(super) fn token_failed(&mut self, request: TokenRequest, cause: Cause) {
        if !self.credentials.failed(request) {
            return;
        }
        self.timers.clear(Timer::Token);
        if self.links.in_role(Role::Primary).is_some() {
            self.put_off_replacing(Millis(0));
        } else if !self.credentials.settle_for_held(self.now) {
            self.retry_later(cause, Millis(0));
        }
    }

    /// Takes a link out of its place, with its timers, calls and outbox entries.
    fn forget_link(&mut self, slot: Slot) {
        let link = &mut self.links[slot];
        let (id, role) = (link.id, mem::replace(&mut link.role, Role::None));
        link.subscriptions.clear();
        self.timers.clear(slot.dial_timer());
        self.timers.clear(slot.ping_timer());
        self.timers.clear(slot.dead_timer());
        if role == Role::Retiring {
            self.timers.clear(Timer::Retire);
        }
        while let Some(call) = self.calls.interrupt_next(id) {
            self.fail_call(call, CallFailure::Interrupted);
        }
        while let Some(event) = self.outbox.lose_next(id) {
            self.fail_publish(event, PublishFailure::Uncertain);
        }
        self.arm_calls();
    }

    pub(super) fn end_link(&mut self, slot: Slot, in_order: bool) {
        if self.links[slot].role != Role::None {
            self.forget_link(slot);
            self.close_link(self.links[slot].id, in_order);
        }
    }

    /// Drops a link that the peer would not, and goes on as if it had closed.
    pub(super) fn drop_link(&mut self, slot: Slot, cause: Cause) {
        let role = self.links[slot].role;
        self.end_link(slot, false);
        self.go_on_without(role, cause, Millis(0));
    }

    pub(super) fn shut(&mut self, reason: Cause) {
        if matches!(self.state, State::Closed { .. }) {
            return;
        }
        self.wanted = false;
        self.replacing = false;
        self.end_link(Slot::First, true);
        self.end_link(Slot::Second, true);
        if let Some(request) = self.credentials.open_request()
            && self.credentials.failed(request)
        {
            self.outputs.push_back(Output::DropToken { request });
        }
        while let Some(id) = self.calls.abandon_next() {
            self.fail_call(id, CallFailure::Closed);
        }
        while let Some((id, sent)) = self.outbox.abandon_next() {
            let reason = if sent { PublishFailure::Uncertain } else { PublishFailure::Closed };
            self.fail_publish(id, reason);
        }
        self.fail_rooms(RoomFailure::Closed);
        self.timers.clear_all();
        self.set_state(State::Closed { reason }, reason);
    }
}
