//! One transport connection, and the two places for it.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use super::outbox::Memory;
use super::output::Subscribe;
use super::rooms::{Name, Room, RoomId};
use super::time::Time;
use super::timers::Timer;

/// Names one transport connection for ever: a number that only grows. Every input from a
/// transport carries it, so that a late frame of an old link can't touch the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// How far a link has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The transport is being opened.
    Dialing,
    /// Open; the server has not greeted us yet.
    Greeting,
    /// Open and greeted.
    Live,
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// For nothing: the link of this place is gone, or never was.
    None,
    /// Carries what the application sends, and events without offsets.
    Primary,
    /// Is being made ready to replace the primary.
    Candidate,
    /// Was replaced; only finishes replies.
    Retiring,
}

/// What a subscription number of one link stands for.
#[derive(Debug)]
pub(crate) struct Subscription<N> {
    pub(crate) id: u32,
    pub(crate) room: RoomId,
    /// The server has answered; until then nothing on it can be placed.
    pub(crate) bound: bool,
    /// The log: of the position that was sent with it, then of the answer. `None` if it was asked for
    /// without a position and is not answered.
    pub(crate) epoch: Option<N>,
    /// How far this subscription has come in that log.
    pub(crate) reached: u64,
}

#[derive(Debug)]
pub(crate) struct Link<N> {
    pub(crate) id: LinkId,
    pub(crate) phase: Phase,
    pub(crate) role: Role,
    pub(crate) last_heard: Time,
    /// A ping is out, and nothing was heard since.
    pub(crate) pinged: bool,
    /// What the server remembers of publishes, as this link's greeting states it.
    pub(crate) memory: Option<Memory<N>>,
    /// Rooms asked for again because the log had moved on meanwhile.
    pub(crate) retries: u32,
    /// Sorted by id, since ids only grow.
    pub(crate) subscriptions: Vec<Subscription<N>>,
}

impl<N: Name> Link<N> {
    /// Subscribes to a room from where it stands; what the server is to be told.
    pub(crate) fn subscribe(&mut self, id: u32, room: &Room<N>) -> Subscribe<N> {
        self.subscriptions.push(Subscription {
            id,
            room: room.id,
            bound: false,
            epoch: room.epoch.clone(),
            reached: room.position,
        });
        Subscribe { subscription: id, room: room.id, from: room.from() }
    }

    pub(crate) fn subscription(&mut self, id: u32) -> Option<&mut Subscription<N>> {
        let index = self.subscriptions.binary_search_by_key(&id, |s| s.id).ok()?;
        Some(&mut self.subscriptions[index])
    }

    /// Forgets a subscription, and says which room it was for.
    pub(crate) fn unsubscribe(&mut self, id: u32) -> Option<RoomId> {
        let index = self.subscriptions.binary_search_by_key(&id, |s| s.id).ok()?;
        Some(self.subscriptions.remove(index).room)
    }

    /// Forgets the subscriptions of a room; returns one of them at a time until none is left.
    pub(crate) fn unsubscribe_next(&mut self, room: RoomId) -> Option<u32> {
        let index = self.subscriptions.iter().position(|s| s.room == room)?;
        Some(self.subscriptions.remove(index).id)
    }

    /// Whether the server still owes the answer to a subscription.
    pub(crate) fn resuming(&self) -> bool {
        self.subscriptions.iter().any(|s| !s.bound)
    }
}

/// The place of a link; its timers go with the place.
// As wide as the index that it is: narrower, every use of it would cut off what it isn't.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Slot {
    First,
    Second,
}

impl Slot {
    pub(crate) const BOTH: [Self; 2] = [Self::First, Self::Second];

    pub(crate) fn dial_timer(self) -> Timer {
        match self {
            Self::First => Timer::DialFirst,
            Self::Second => Timer::DialSecond,
        }
    }

    pub(crate) fn ping_timer(self) -> Timer {
        match self {
            Self::First => Timer::PingFirst,
            Self::Second => Timer::PingSecond,
        }
    }

    pub(crate) fn dead_timer(self) -> Timer {
        match self {
            Self::First => Timer::DeadFirst,
            Self::Second => Timer::DeadSecond,
        }
    }
}

/// At most two links; at most one of each role but [`Role::None`], the role of a free place.
#[derive(Debug)]
pub(crate) struct Links<N> {
    places: [Link<N>; 2],
    generations: u32,
}

// Derived, it would ask for names that have a default.
impl<N> Default for Links<N> {
    fn default() -> Self {
        let vacant = || Link {
            id: LinkId(0),
            phase: Phase::Dialing,
            role: Role::None,
            last_heard: Time(0),
            pinged: false,
            memory: None,
            retries: 0,
            subscriptions: Vec::new(),
        };
        Self { places: [vacant(), vacant()], generations: 0 }
    }
}

impl<N> Index<Slot> for Links<N> {
    type Output = Link<N>;

    fn index(&self, slot: Slot) -> &Link<N> {
        &self.places[slot as usize]
    }
}

impl<N> IndexMut<Slot> for Links<N> {
    fn index_mut(&mut self, slot: Slot) -> &mut Link<N> {
        &mut self.places[slot as usize]
    }
}

impl<N: Name> Links<N> {
    /// A new link in a free place; `None` if both are taken.
    pub(crate) fn open(&mut self, role: Role, now: Time) -> Option<Slot> {
        let slot = self.in_role(Role::None)?;
        self.generations = self.generations.wrapping_add(1);
        self[slot] = Link {
            id: LinkId(self.generations),
            phase: Phase::Dialing,
            role,
            last_heard: now,
            pinged: false,
            memory: None,
            retries: 0,
            subscriptions: Vec::new(),
        };
        Some(slot)
    }

    /// The place of a link; `None` once it is gone.
    pub(crate) fn find(&self, id: LinkId) -> Option<Slot> {
        self.slot_where(|link| link.id == id && link.role != Role::None)
    }

    pub(crate) fn in_role(&self, role: Role) -> Option<Slot> {
        self.slot_where(|link| link.role == role)
    }

    fn slot_where(&self, is: impl Fn(&Link<N>) -> bool) -> Option<Slot> {
        Slot::BOTH.into_iter().find(|slot| is(&self[*slot]))
    }

    /// The primary, once it is greeted.
    pub(crate) fn live_primary(&self) -> Option<Slot> {
        self.in_role(Role::Primary).filter(|slot| self[*slot].phase == Phase::Live)
    }
}
