//! What the server says, once a codec has made numbers of it.

use super::backoff::bounded_wait;
use super::dial::{Failure, FailureKind};
use super::link::{LinkId, Phase, Role, Slot, Subscription};
use super::outbox::Memory;
use super::output::{Outgoing, Output, RoomFailure};
use super::rooms::{Epoch, GapReason, OFFSET_LIMIT, Room, RoomId, Verdict};
use super::state::Cause;
use super::time::{Millis, Now};
use super::timers::Timer;
use super::{Engine, HeartbeatConfig, Name};

/// The server's greeting.
#[derive(Debug, Clone)]
pub struct Welcome<N = Epoch> {
    /// When it calls a silent peer dead, and wants to be judged itself.
    pub heartbeat: Option<HeartbeatConfig>,
    /// How long the token that opened this link will live.
    pub token_ends_in: Option<Millis>,
    /// Who the server takes this client for; any text that is equal for the same one.
    pub identity: N,
    /// Names the store that remembers publishes.
    pub store: N,
    /// How long it remembers them.
    pub window: Millis,
    /// How many of one producer's it remembers.
    pub entries: u32,
}

/// The answer to a subscription, or the news that its log began anew.
#[derive(Debug, Clone)]
pub struct Binding<N = Epoch> {
    /// The subscription.
    pub subscription: u32,
    /// The log's epoch.
    pub epoch: N,
    /// Deliveries go on after this offset.
    pub offset: u64,
    /// The log's last offset at that time.
    pub tip: u64,
}

/// Events on a subscription.
#[derive(Debug, Clone, Copy)]
pub struct DataFrame {
    /// The subscription.
    pub subscription: u32,
    /// The first event's offset; 0 if they have none.
    pub first: u64,
    /// How many.
    pub count: u32,
}

impl<N: Name> Engine<N> {
    /// Anything at all arrived on the link: the peer lives. Other inputs don't imply it.
    pub fn handle_heard(&mut self, link: LinkId, now: Now) {
        self.now = now;
        if let Some(slot) = self.links.find(link) {
            self.links[slot].last_heard = now.time;
            self.links[slot].pinged = false;
        }
    }

    /// The server greeted the link.
    pub fn handle_welcome(&mut self, link: LinkId, welcome: Welcome<N>, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        let entry = &mut self.links[slot];
        if entry.phase != Phase::Greeting {
            self.violated(slot);
            return;
        }
        entry.phase = Phase::Live;
        entry.memory = Some(Memory {
            store: welcome.store,
            window: welcome.window,
            entries: welcome.entries as usize,
        });
        match &self.identity {
            Some(known) if *known != welcome.identity => {
                self.shut(Cause::IdentityChanged);
                return;
            }
            Some(_) => {}
            None => self.identity = Some(welcome.identity),
        }
        self.heartbeat = Some(welcome.heartbeat.unwrap_or(self.config.heartbeat).bounded());
        if let Some(left) = welcome.token_ends_in {
            self.credentials.ends_in(left, self.now);
        }
        self.went_live(slot);
    }

    /// The server asks whether anybody is there.
    pub fn handle_ping(&mut self, link: LinkId) {
        if self.links.find(link).is_some() {
            self.send(link, Outgoing::Pong);
        }
    }

    /// The server answered a join or a resume, or a log began anew under a subscription.
    pub fn handle_bound(&mut self, link: LinkId, binding: Binding<N>, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        if binding.offset >= OFFSET_LIMIT || binding.tip >= OFFSET_LIMIT {
            self.violated(slot);
            return;
        }
        self.bind(slot, binding);
        // Where the room was left before its answer came, the link may have waited for nothing else.
        self.switch_when_resumed(slot);
    }

    /// The server refuses a subscription, or ends it. With `retry_after` it is asked for again.
    /// Returns the room that it was, so that a caller can say more.
    pub fn handle_refused(
        &mut self,
        link: LinkId,
        subscription: u32,
        retry_after: Option<Millis>,
        now: Now,
    ) -> Option<RoomId> {
        self.now = now;
        let slot = self.links.find(link)?;
        let room = self.links[slot].unsubscribe(subscription);
        // Whoever took its place answers for the room of a replaced link now.
        let room = room.filter(|_| self.links[slot].role != Role::Retiring);
        if let Some(room) = room {
            self.unsubscribe_everywhere(room);
            match retry_after {
                Some(wait) => {
                    if let Some(room) = self.rooms.get_mut(room) {
                        room.paused = Some(now.time + bounded_wait(wait));
                    }
                    self.arm_rejoin();
                }
                None => self.fail_room(room, RoomFailure::Refused),
            }
        }
        self.switch_when_resumed(slot);
        room
    }

    /// The server said that events up to `to` are gone.
    pub fn handle_gap(
        &mut self,
        link: LinkId,
        subscription: u32,
        to: u64,
        reason: GapReason,
        now: Now,
    ) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        if to >= OFFSET_LIMIT {
            self.violated(slot);
            return;
        }
        if let Some((_, room)) = self.placed(slot, subscription)
            && let (id, Some(epoch)) = (room.id, room.epoch.clone())
            && !self.ask_again(slot, id, true, &epoch, to)
            && let Some(room) = self.rooms.get_mut(id)
            && let Some(gap) = room.lose(to, reason)
        {
            self.lose(gap);
        }
    }

    /// Events arrived. Drain the outputs before handing them over.
    pub fn handle_data(&mut self, link: LinkId, frame: DataFrame, now: Now) -> Verdict {
        self.now = now;
        if frame.count == 0 {
            return Verdict::Discard;
        }
        let Some(slot) = self.links.find(link) else { return Verdict::Discard };
        if frame.first == 0 {
            return self.unlogged(slot, frame.subscription);
        }
        let last = frame.first.saturating_add(u64::from(frame.count) - 1);
        if last >= OFFSET_LIMIT {
            self.violated(slot);
            return Verdict::Discard;
        }
        let Some((subscription, room)) = self.placed(slot, frame.subscription) else {
            self.place_again(slot, frame.subscription);
            return Verdict::Discard;
        };
        subscription.reached = last;
        room.take(frame.first, frame.count)
    }

    /// The server answered a call or a publish. False if nobody waits for it any more.
    pub fn handle_reply(&mut self, link: LinkId, id: u32, now: Now) -> bool {
        self.now = now;
        if self.links.find(link).is_none() {
            return false;
        }
        if self.outbox.finish(id) {
            self.finish_retiring();
            self.flush();
            return true;
        }
        self.end_call(id)
    }

    /// The server wants this link gone, and says when to make another.
    pub fn handle_goaway(&mut self, link: LinkId, reconnect_after: Millis, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        let at = self.now.time + bounded_wait(reconnect_after);
        match self.links[slot].role {
            Role::Primary => {
                self.replacing = true;
                self.sent_away_until = at;
                self.timers.set(Timer::Make, at);
            }
            Role::Candidate => {
                self.end_link(slot, true);
                self.timers.set(Timer::Make, at);
            }
            Role::Retiring | Role::None => {}
        }
    }

    /// The peer broke the protocol: the link is dropped, and another is tried after a wait.
    pub fn handle_violation(&mut self, link: LinkId, now: Now) {
        self.now = now;
        if let Some(slot) = self.links.find(link) {
            self.violated(slot);
        }
    }

    // ---- Private ----

    fn violated(&mut self, slot: Slot) {
        self.close_link(self.links[slot].id, false);
        self.lose_link(slot, Failure { kind: FailureKind::Violation, retry_after: None });
    }

    fn bind(&mut self, slot: Slot, binding: Binding<N>) {
        let number = binding.subscription;
        let Some(subscription) = self.links[slot].subscription(number) else { return };
        let epoch = Some(binding.epoch.clone());
        // Only within one log can a position be held against a tip.
        let reached = if subscription.epoch == epoch { subscription.reached } else { 0 };
        let (id, placed) = (subscription.room, subscription.epoch.is_some());
        if self.ask_again(slot, id, placed, &binding.epoch, binding.offset) {
            return;
        }
        if let Some(subscription) = self.links[slot].subscription(number) {
            subscription.bound = true;
            subscription.epoch = epoch;
            subscription.reached = binding.offset;
        }
        let Some(room) = self.rooms.get_mut(id) else { return };
        let joined = !room.answered;
        let gap = room.bind(&binding.epoch, reached, binding.offset, binding.tip);
        if joined {
            self.outputs.push_back(Output::Joined { room: id });
        }
        if let Some(gap) = gap {
            self.lose(gap);
        }
    }

    /// Asks a link for a room again, from where the room stands now, rather than to take events
    /// for lost that another link still brings. True if it did. `placed`: the link was asked with
    /// a position.
    ///
    /// There are two such cases. A candidate finds the log trimmed behind what the primary has yet
    /// to bring; and one of two links answers a join at a later tip than the other. It is done a
    /// few times, before a gap is taken for true.
    fn ask_again(
        &mut self,
        slot: Slot,
        room: RoomId,
        placed: bool,
        epoch: &N,
        offset: u64,
    ) -> bool {
        const MOST_RETRIES: u32 = 256;
        let Some(known) = self.rooms.get(room).filter(|room| room.answered) else { return false };
        let same = known.epoch.as_ref() == Some(epoch);
        let ahead = same && offset > known.position;
        let primary_lives = self.links.live_primary().is_some();
        let link = &mut self.links[slot];
        let trimmed = ahead && primary_lives && link.role == Role::Candidate;
        let later = !placed && (ahead || !same);
        if !(trimmed || later) || link.retries >= MOST_RETRIES {
            return false;
        }
        link.retries += 1;
        self.unsubscribe_on(slot, room);
        self.subscribe_on(slot, room);
        true
    }

    /// A subscription and its room, if it speaks for the log that the room is in.
    fn placed(
        &mut self,
        slot: Slot,
        subscription: u32,
    ) -> Option<(&mut Subscription<N>, &mut Room<N>)> {
        let subscription = self.links[slot].subscription(subscription)?;
        let room = self.rooms.get_mut(subscription.room)?;
        let placed = subscription.bound && subscription.epoch == room.epoch;
        placed.then_some((subscription, room))
    }

    fn unlogged(&mut self, slot: Slot, subscription: u32) -> Verdict {
        let primary = self.links.live_primary();
        match self.links[slot].subscription(subscription) {
            Some(subscription) if primary == Some(slot) => {
                Verdict::Deliver { room: subscription.room, skip: 0, gap: None }
            }
            _ => Verdict::Discard,
        }
    }

    /// Events came that can't be placed. Before its answer a subscription must be silent; after
    /// the room moved to another log (which was said as a gap), the primary is asked again.
    fn place_again(&mut self, slot: Slot, subscription: u32) {
        let Some(subscription) = self.links[slot].subscription(subscription) else { return };
        let room = subscription.room;
        if !subscription.bound {
            self.violated(slot);
        } else if self.links[slot].role == Role::Primary
            && self.links.in_role(Role::Candidate).is_none()
        {
            self.unsubscribe_on(slot, room);
            self.subscribe_on(slot, room);
        }
    }
}
