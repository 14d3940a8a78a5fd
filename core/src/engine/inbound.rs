//! What the server says, once a codec has made numbers of it.

use super::backoff::bounded_wait;
use super::dial::{Failure, FailureKind};
use super::link::{LinkId, Phase, Role, Slot, Subscription};
use super::outbox::Memory;
use super::output::{Outgoing, Output, RoomFailure};
use super::rooms::{Epoch, GapReason, OFFSET_LIMIT, Room, RoomId, Verdict, Wish};
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
        if let Some(slot) = self.links.find(link)
            && let Some(link) = self.links.get_mut(slot)
        {
            link.last_heard = self.now.time;
            link.pinged = false;
        }
    }

    /// The server greeted the link.
    pub fn handle_welcome(&mut self, link: LinkId, welcome: Welcome<N>, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        let Some(entry) = self.links.get_mut(slot) else { return };
        if entry.phase != Phase::Greeting {
            self.violated(link);
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
            self.violated(link);
            return;
        }
        let Some(subscription) = self.links.subscription(link, binding.subscription) else {
            // The room was left before its answer came: the link may have waited for nothing else.
            self.switch_when_resumed(slot);
            return;
        };
        let epoch = binding.epoch;
        let id = subscription.room;
        // Only within one log can a position be held against a tip.
        let reached = match &subscription.reached {
            Some((log, offset)) if *log == epoch => *offset,
            _ => 0,
        };
        let placed = subscription.reached.is_some();
        if self.ask_again(slot, id, placed, &epoch, binding.offset) {
            return;
        }
        let Some(subscription) = self.links.subscription(link, binding.subscription) else {
            return;
        };
        subscription.epoch = Some(epoch.clone());
        subscription.reached = Some((epoch.clone(), binding.offset));
        if let Some(room) = self.rooms.get_mut(id) {
            let joined = room.epoch.is_none();
            let gap = room.bind(&epoch, reached, binding.offset, binding.tip);
            if joined {
                self.outputs.push_back(Output::Joined { room: id });
            }
            if let Some(gap) = gap {
                self.lose(gap);
            }
        }
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
        let entry = self.links.get_mut(slot)?;
        let Some(id) = entry.subscription(subscription).map(|known| known.room) else {
            self.switch_when_resumed(slot);
            return None;
        };
        entry.subscriptions.retain(|known| known.id != subscription);
        // Whoever took its place answers for the room now.
        if entry.role == Role::Retiring {
            return None;
        }
        self.unsubscribe_everywhere(id);
        match retry_after {
            Some(wait) => {
                if let Some(room) = self.rooms.get_mut(id) {
                    room.wish = Wish::Later(self.now.time + bounded_wait(wait));
                }
                self.arm_rejoin();
            }
            None => self.fail_room(id, RoomFailure::Refused),
        }
        self.switch_when_resumed(slot);
        Some(id)
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
        if to >= OFFSET_LIMIT {
            self.violated(link);
            return;
        }
        if let Some((_, room)) = self.placed(link, subscription)
            && let (id, Some(epoch)) = (room.id, room.epoch.clone())
            && let Some(slot) = self.links.find(link)
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
        if frame.first == 0 {
            return self.unlogged(link, frame.subscription);
        }
        let last = frame.first.saturating_add(u64::from(frame.count) - 1);
        if last >= OFFSET_LIMIT {
            self.violated(link);
            return Verdict::Discard;
        }
        let Some((subscription, room)) = self.placed(link, frame.subscription) else {
            self.place_again(link, frame.subscription);
            return Verdict::Discard;
        };
        if let Some((_, reached)) = &mut subscription.reached {
            *reached = last;
        }
        room.take(frame.first, frame.count)
    }

    /// The server answered a call or a publish. False if nobody waits for it any more.
    pub fn handle_reply(&mut self, link: LinkId, id: u32, now: Now) -> bool {
        self.now = now;
        if self.links.find(link).is_none() {
            return false;
        }
        if self.outbox.finish(id) {
            self.flush();
            return true;
        }
        let Some(sent_on) = self.calls.finish(id) else { return false };
        self.arm_calls();
        if let Some(link) = sent_on {
            self.finish_retiring(link);
        }
        true
    }

    /// The server wants this link gone, and says when to make another.
    pub fn handle_goaway(&mut self, link: LinkId, reconnect_after: Millis, now: Now) {
        self.now = now;
        let Some(slot) = self.links.find(link) else { return };
        let at = self.now.time + bounded_wait(reconnect_after);
        match self.links.get(slot).map(|link| link.role) {
            Some(Role::Primary) => {
                self.replacing = true;
                self.sent_away_until = at;
                self.timers.set(Timer::Make, at);
            }
            Some(Role::Candidate) => {
                self.end_link(slot, true);
                self.timers.set(Timer::Make, at);
            }
            Some(Role::Retiring) | None => {}
        }
    }

    /// The peer broke the protocol: the link is dropped, and another is tried after a wait.
    pub fn handle_violation(&mut self, link: LinkId, now: Now) {
        self.now = now;
        self.violated(link);
    }

    // ---- Private ----

    fn violated(&mut self, link: LinkId) {
        if self.links.find(link).is_some() {
            self.close_link(link, false);
            let failure = Failure { kind: FailureKind::Violation, retry_after: None };
            self.lose_link(link, failure);
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
        let Some(known) = self.rooms.get(room) else { return false };
        let same = known.epoch.as_ref() == Some(epoch);
        let ahead = same && offset > known.position;
        let elsewhere = known.epoch.is_some() && !same;
        let primary_lives = self.links.live_primary().is_some();
        let Some(link) = self.links.get_mut(slot) else { return false };
        let trimmed = ahead && primary_lives && link.role == Role::Candidate;
        let later = !placed && (ahead || elsewhere);
        if !(trimmed || later) || link.retries >= MOST_RETRIES {
            return false;
        }
        link.retries += 1;
        let id = link.id;
        self.unsubscribe_on(slot, room);
        self.subscribe_on(id, room);
        true
    }

    /// A subscription and its room, if it speaks for the log that the room is in.
    fn placed(
        &mut self,
        link: LinkId,
        subscription: u32,
    ) -> Option<(&mut Subscription<N>, &mut Room<N>)> {
        let subscription = self.links.subscription(link, subscription)?;
        let room = self.rooms.get_mut(subscription.room)?;
        let bound = subscription.epoch.is_some() && subscription.epoch == room.epoch;
        bound.then_some((subscription, room))
    }

    fn unlogged(&mut self, link: LinkId, subscription: u32) -> Verdict {
        if self.links.live_primary() != Some(link) {
            return Verdict::Discard;
        }
        match self.links.subscription(link, subscription) {
            Some(subscription) => Verdict::Deliver { room: subscription.room, skip: 0, gap: None },
            None => Verdict::Discard,
        }
    }

    /// Events came that can't be placed. Before its answer a subscription must be silent; after
    /// the room moved to another log (which was said as a gap), the primary is asked again.
    fn place_again(&mut self, link: LinkId, subscription: u32) {
        let Some(slot) = self.links.find(link) else { return };
        let Some(entry) = self.links.get_mut(slot) else { return };
        let role = entry.role;
        let Some(subscription) = entry.subscription(subscription) else { return };
        let room = subscription.room;
        if subscription.epoch.is_none() {
            self.violated(link);
        } else if role == Role::Primary && self.links.in_role(Role::Candidate).is_none() {
            self.unsubscribe_on(slot, room);
            self.subscribe_on(link, room);
        }
    }
}
