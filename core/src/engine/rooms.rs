//! Rooms are logs: where the application stands in each, and what a frame means from there.
//!
//! An event is named by (epoch, offset) for ever. A room's position moves forward only, and every
//! offset that it passes was either delivered or said to be missing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::time::Time;

/// Names a room in the engine; its text stays with the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub u32);

/// Names one life of a room's log. Opaque: only equality means anything.
pub type Epoch = Arc<str>;

/// How the server's names (of epochs, of stores, of this client) are held. Only their equality means
/// anything, so a caller for whom texts are dear, as they are in a browser, may number them instead.
pub trait Name: Clone + PartialEq {}

impl<N: Clone + PartialEq> Name for N {}

/// Offsets stay below this, so that a double holds each exactly (IEEE 754 binary64: 2^53).
pub const OFFSET_LIMIT: u64 = 1 << 53;

/// Where to begin in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From<N = Epoch> {
    /// With the next event.
    Tip,
    /// With at most this many past events.
    History(u32),
    /// After a known event.
    Position {
        /// The epoch that the offset belongs to.
        epoch: N,
        /// The last event that was seen.
        offset: u64,
    },
}

/// Why events are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum GapReason {
    /// The protocol has no means to tell whether anything was missed while there was no link.
    Unprovable = 1,
    /// The server no longer keeps the events.
    Expired = 2,
    /// The log began anew; how much was missed can't be known.
    NewEpoch = 3,
    /// The server skipped offsets without a word.
    Hole = 4,
    /// This client's queue overflowed, and the protocol can't fetch the events again.
    Overflow = 5,
}

/// Events that will never be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The room; `None` where the protocol has no rooms.
    pub room: Option<RoomId>,
    /// First missing offset; 0 if unknown.
    pub from: u64,
    /// Last missing offset; 0 if unknown.
    pub to: u64,
    /// Why.
    pub reason: GapReason,
}

/// What a data frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Hand the events over, without the first `skip`; say the gap first.
    Deliver {
        /// Whose events they are.
        room: RoomId,
        /// How many of them the application has seen.
        skip: u32,
        /// What is missing before them.
        gap: Option<Gap>,
    },
    /// All of it was seen before, or the subscription is over.
    Discard,
}

#[derive(Debug)]
pub(crate) struct Room<N> {
    pub(crate) id: RoomId,
    /// Not subscribed until then. The server asked to come back at that time, or the application fell
    /// behind, and its catching up is no time that the engine knows: [`Time::NEVER`].
    pub(crate) paused: Option<Time>,
    /// The position is the server's word, not only the caller's.
    pub(crate) answered: bool,
    pub(crate) epoch: Option<N>,
    pub(crate) position: u64,
    /// How many past events to begin with, while there is no epoch; `None` for the tip.
    history: Option<u32>,
}

impl<N: Name> Room<N> {
    /// Where to go on from.
    pub(crate) fn from(&self) -> From<N> {
        match (&self.epoch, self.history) {
            (Some(epoch), _) => From::Position { epoch: epoch.clone(), offset: self.position },
            (None, Some(count)) => From::History(count),
            (None, None) => From::Tip,
        }
    }

    /// The server bound a subscription to a log; returns what that proves to be missing.
    ///
    /// `asked_from` is the position that the subscription was asked with, `offset` the one that it
    /// goes on from, `tip` the log's last offset at that time.
    pub(crate) fn bind(
        &mut self,
        epoch: &N,
        asked_from: u64,
        offset: u64,
        tip: u64,
    ) -> Option<Gap> {
        self.answered = true;
        // A log that is shorter than what was read from it has rolled back, whatever it says.
        if self.epoch.as_ref() == Some(epoch) && tip >= asked_from {
            return self.lose(offset, GapReason::Expired);
        }
        self.position = offset;
        self.epoch.replace(epoch.clone()).map(|_| Gap {
            room: Some(self.id),
            from: 0,
            to: 0,
            reason: GapReason::NewEpoch,
        })
    }

    /// The server said that events up to `to` are gone.
    pub(crate) fn lose(&mut self, to: u64, reason: GapReason) -> Option<Gap> {
        (to > self.position).then(|| self.pass_over(to, reason))
    }

    /// `count` events from `first` on arrived under the room's epoch.
    pub(crate) fn take(&mut self, first: u64, count: u32) -> Verdict {
        let last = first + u64::from(count) - 1;
        if last <= self.position {
            return Verdict::Discard;
        }
        let expected = self.position + 1;
        let skip = expected.saturating_sub(first) as u32;
        let gap = (first > expected).then(|| self.pass_over(first - 1, GapReason::Hole));
        self.position = last;
        Verdict::Deliver { room: self.id, skip, gap }
    }

    fn pass_over(&mut self, to: u64, reason: GapReason) -> Gap {
        let from = self.position + 1;
        self.position = to;
        Gap { room: Some(self.id), from, to, reason }
    }
}

/// The rooms that the application is in, sorted by id, since ids only grow.
#[derive(Debug)]
pub(crate) struct Rooms<N> {
    rooms: Vec<Room<N>>,
    ids: u32,
}

impl<N> Default for Rooms<N> {
    fn default() -> Self {
        Self { rooms: Vec::new(), ids: 0 }
    }
}

impl<N: Name> Rooms<N> {
    pub(crate) fn len(&self) -> usize {
        self.rooms.len()
    }

    pub(crate) fn add(&mut self, begin: From<N>) -> RoomId {
        self.ids += 1;
        let id = RoomId(self.ids);
        let (epoch, position, history) = match begin {
            From::Tip => (None, 0, None),
            From::History(count) => (None, 0, Some(count)),
            From::Position { epoch, offset } => (Some(epoch), offset, None),
        };
        let answered = false;
        self.rooms.push(Room { id, paused: None, answered, epoch, position, history });
        id
    }

    pub(crate) fn get_mut(&mut self, id: RoomId) -> Option<&mut Room<N>> {
        let index = self.rooms.binary_search_by_key(&id, |room| room.id).ok()?;
        Some(&mut self.rooms[index])
    }

    pub(crate) fn get(&self, id: RoomId) -> Option<&Room<N>> {
        let index = self.rooms.binary_search_by_key(&id, |room| room.id).ok()?;
        Some(&self.rooms[index])
    }

    pub(crate) fn remove(&mut self, id: RoomId) -> bool {
        match self.rooms.binary_search_by_key(&id, |room| room.id) {
            Ok(index) => {
                self.rooms.remove(index);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn first(&self) -> Option<RoomId> {
        self.rooms.first().map(|room| room.id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Room<N>> {
        self.rooms.iter()
    }

    pub(crate) fn next_rejoin(&self) -> Time {
        let paused = self.rooms.iter().filter_map(|room| room.paused);
        paused.fold(Time::NEVER, Time::min)
    }

    /// One room whose time to come back is reached, now wished for again.
    pub(crate) fn rejoin_next(&mut self, now: Time) -> Option<RoomId> {
        let due = |room: &&mut Room<N>| room.paused.is_some_and(|until| until <= now);
        let room = self.rooms.iter_mut().find(due)?;
        room.paused = None;
        Some(room.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(name: &str) -> Epoch {
        Epoch::from(name)
    }

    fn room(begin: From) -> Room<Epoch> {
        let mut rooms = Rooms::default();
        rooms.add(begin);
        rooms.rooms.remove(0)
    }

    fn joined(at: u64) -> Room<Epoch> {
        let mut room = room(From::Tip);
        assert_eq!(room.bind(&epoch("a"), 0, at, at), None);
        room
    }

    fn deliver(skip: u32) -> Verdict {
        Verdict::Deliver { room: RoomId(1), skip, gap: None }
    }

    #[test]
    fn events_are_delivered_once() {
        let mut room = joined(10);
        assert_eq!(room.take(11, 2), deliver(0));
        assert_eq!(room.take(11, 2), Verdict::Discard);
        assert_eq!(room.take(12, 3), deliver(1), "the overlap of two links is skipped");
        assert_eq!(room.position, 14);
    }

    #[test]
    fn a_skipped_offset_is_a_gap_not_silence() {
        let mut room = joined(10);
        let gap = Gap { room: Some(RoomId(1)), from: 11, to: 14, reason: GapReason::Hole };
        assert_eq!(room.take(15, 1), Verdict::Deliver { room: RoomId(1), skip: 0, gap: Some(gap) });
    }

    #[test]
    fn a_resumed_log_that_lost_its_beginning_is_a_gap() {
        let mut room = joined(10);
        let gap = room.bind(&epoch("a"), 10, 20, 30);
        assert_eq!(
            gap,
            Some(Gap { room: Some(RoomId(1)), from: 11, to: 20, reason: GapReason::Expired })
        );
        assert_eq!(room.take(21, 1), deliver(0));
    }

    #[test]
    fn a_low_offset_of_a_new_epoch_is_new() {
        let mut room = joined(10);
        let gap = room.bind(&epoch("b"), 10, 0, 3);
        assert_eq!(gap.map(|gap| gap.reason), Some(GapReason::NewEpoch));
        assert_eq!(room.take(1, 3), deliver(0));
    }

    #[test]
    fn a_log_that_rolled_back_under_the_same_name_is_caught() {
        let mut room = joined(10);
        let gap = room.bind(&epoch("a"), 10, 7, 7);
        assert_eq!(gap.map(|gap| gap.reason), Some(GapReason::NewEpoch));
        assert_eq!(room.take(8, 1), deliver(0));
    }

    #[test]
    fn a_second_link_that_resumed_earlier_is_no_roll_back() {
        let mut room = joined(10);
        room.take(11, 5);
        assert_eq!(room.bind(&epoch("a"), 10, 10, 12), None);
        assert_eq!(room.take(11, 2), Verdict::Discard);
        assert_eq!(room.take(13, 4), deliver(3));
    }

    #[test]
    fn a_stored_position_is_proven_or_a_gap() {
        let from = || From::Position { epoch: epoch("a"), offset: 5 };
        let mut same = room(from());
        assert_eq!(same.bind(&epoch("a"), 5, 5, 9), None);
        assert_eq!(same.take(6, 1), deliver(0));

        let mut late = room(from());
        assert_eq!(late.bind(&epoch("a"), 5, 7, 9).map(|gap| (gap.from, gap.to)), Some((6, 7)));

        let mut other = room(from());
        let gap = other.bind(&epoch("b"), 5, 0, 2);
        assert_eq!(gap.map(|gap| gap.reason), Some(GapReason::NewEpoch));
    }
}
