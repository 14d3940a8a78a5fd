//! What the application published and the server hasn't answered yet: kept in order, sent again
//! after a lost link, and never sent again once the server could no longer tell a repeat.

use alloc::vec::Vec;

use super::SOCKET_IO;
use super::config::{OnOverflow, OutboxConfig};
use super::link::LinkId;
use super::rooms::Name;
use super::time::{Millis, Now};

#[derive(Debug)]
struct Entry {
    id: u32,
    bytes: usize,
    /// `None` for an event that asks for no answer.
    sequence: Option<u64>,
    sent: Sent,
    on: Option<LinkId>,
}

/// From the first sending on, only the server's memory tells a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Never,
    First(Now),
    /// Under a store that is gone.
    Forgotten,
}

/// What the server remembers of past publishes.
#[derive(Debug)]
pub(crate) struct Memory<N> {
    /// Names the store that remembers; another name means that it forgot.
    pub(crate) store: N,
    /// How long it remembers.
    pub(crate) window: Millis,
    /// How many of one producer's publishes it remembers.
    pub(crate) entries: usize,
}

/// What to do with the next entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Publish {
        id: u32,
        sequence: u64,
    },
    Event {
        id: u32,
    },
    /// It may have taken effect, and the server could not tell a repeat: never sent again.
    Uncertain {
        id: u32,
    },
}

/// Why a message can't be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxFull {
    /// Whether the bound on bytes was hit, not the one on entries.
    pub bytes: bool,
}

#[derive(Debug)]
pub(crate) struct Outbox<N> {
    entries: Vec<Entry>,
    bytes: usize,
    sequences: u64,
    memory: Option<Memory<N>>,
}

impl<N: Name> Outbox<N> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), bytes: 0, sequences: 0, memory: None }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes room for `bytes` more, dropping the oldest unsent entry if the policy says so:
    /// `Ok(Some(id))` names a dropped one, and asks for another call.
    pub(crate) fn make_room(
        &mut self,
        bytes: usize,
        bounds: &OutboxConfig,
    ) -> Result<Option<u32>, OutboxFull> {
        let too_many = self.entries.len() >= bounds.max_entries;
        let too_large = self.bytes.saturating_add(bytes) > bounds.max_bytes;
        if !too_many && !too_large {
            return Ok(None);
        }
        let full = OutboxFull { bytes: !too_many };
        if bounds.on_overflow == OnOverflow::Reject || bytes > bounds.max_bytes {
            return Err(full);
        }
        let oldest = self.entries.iter().position(|entry| entry.sent == Sent::Never);
        match oldest {
            Some(index) => Ok(self.take(index)),
            None => Err(full),
        }
    }

    pub(crate) fn add(&mut self, id: u32, bytes: usize, acknowledged: bool) {
        let sequence = acknowledged.then(|| {
            self.sequences += 1;
            self.sequences
        });
        self.bytes += bytes;
        self.entries.push(Entry { id, bytes, sequence, sent: Sent::Never, on: None });
    }

    /// The server's memory as its greeting states it. Entries sent under another store can't be
    /// told from repeats any more.
    pub(crate) fn greeted(&mut self, memory: Memory<N>) {
        let forgot = self.memory.as_ref().is_some_and(|old| old.store != memory.store);
        if forgot {
            for entry in self.entries.iter_mut().filter(|entry| entry.sent != Sent::Never) {
                entry.sent = Sent::Forgotten;
            }
        }
        self.memory = Some(memory);
    }

    /// The next entry that isn't on its way over `link`, in order. `keep`: an event waits until it
    /// is known to have arrived.
    pub(crate) fn send_next(&mut self, link: LinkId, keep: bool, now: Now) -> Option<Next> {
        let index = self.entries.iter().position(|entry| entry.on.is_none())?;
        let (window, most) =
            self.memory.as_ref().map_or((Millis(0), 1), |memory| (memory.window, memory.entries));
        // More on the way than the server remembers could not be told from repeats.
        if index >= most.max(1) {
            return None;
        }
        let entry = &mut self.entries[index];
        let id = entry.id;
        let Some(sequence) = entry.sequence else {
            if SOCKET_IO && keep {
                entry.sent = Sent::First(now);
                entry.on = Some(link);
            } else {
                self.take(index);
            }
            return Some(Next::Event { id });
        };
        let repeatable = match entry.sent {
            Sent::Never => true,
            // In sleep one of the clocks may stand still while the server forgets.
            Sent::First(first) => now.since(first) < window,
            Sent::Forgotten => false,
        };
        if !repeatable {
            self.take(index);
            return Some(Next::Uncertain { id });
        }
        if entry.sent == Sent::Never {
            entry.sent = Sent::First(now);
        }
        entry.on = Some(link);
        Some(Next::Publish { id, sequence })
    }

    /// The link is gone, or another has taken its place: what it carried is sent again.
    /// An event is not: nobody could tell a repeat of it.
    pub(crate) fn resend(&mut self) {
        for entry in &mut self.entries {
            if !SOCKET_IO || entry.sequence.is_some() {
                entry.on = None;
            }
        }
    }

    /// Whether anything on its way over `link` has yet to arrive.
    pub(crate) fn any_on(&self, link: LinkId) -> bool {
        SOCKET_IO && self.entries.iter().any(|entry| entry.on == Some(link))
    }

    /// The link is gone, and with it the events whose arrival it didn't tell; returns one of them
    /// at a time until none is left.
    pub(crate) fn lose_next(&mut self, link: LinkId) -> Option<u32> {
        if !SOCKET_IO {
            return None;
        }
        let lost = |entry: &Entry| entry.sequence.is_none() && entry.on == Some(link);
        let index = self.entries.iter().position(lost)?;
        self.take(index)
    }

    /// An event that was handed to a link never left it.
    pub(crate) fn unsend(&mut self, id: u32) {
        if let Ok(index) = self.entries.binary_search_by_key(&id, |entry| entry.id) {
            self.entries[index].sent = Sent::Never;
            self.entries[index].on = None;
        }
    }

    /// The server answered. False if no such entry is open.
    pub(crate) fn finish(&mut self, id: u32) -> bool {
        match self.entries.binary_search_by_key(&id, |entry| entry.id) {
            Ok(index) => self.take(index).is_some(),
            Err(_) => false,
        }
    }

    /// Takes an entry back if it was never sent.
    pub(crate) fn withdraw(&mut self, id: u32) -> bool {
        match self.entries.binary_search_by_key(&id, |entry| entry.id) {
            Ok(index) if self.entries[index].sent == Sent::Never => self.take(index).is_some(),
            _ => false,
        }
    }

    /// Ends one entry, whichever; whether it may have taken effect; `None` when there is none.
    pub(crate) fn abandon_next(&mut self) -> Option<(u32, bool)> {
        let sent = self.entries.first()?.sent != Sent::Never;
        self.take(0).map(|id| (id, sent))
    }

    fn take(&mut self, index: usize) -> Option<u32> {
        let entry = self.entries.remove(index);
        self.bytes -= entry.bytes;
        Some(entry.id)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rooms::Epoch;
    use super::super::time::{Time, WallTime};
    use super::*;

    const REJECT: OutboxConfig =
        OutboxConfig { max_entries: 2, max_bytes: 100, on_overflow: OnOverflow::Reject };
    const DROP: OutboxConfig = OutboxConfig { on_overflow: OnOverflow::DropOldest, ..REJECT };

    fn at(ms: u64) -> Now {
        Now { time: Time(ms), wall: WallTime(1_000_000 + ms) }
    }

    fn greet(outbox: &mut Outbox<Epoch>, store: &str) {
        outbox.greeted(Memory { store: store.into(), window: Millis(1_000), entries: 1_000 });
    }

    #[test]
    fn entries_go_out_in_order_and_again_in_order_after_a_lost_link() {
        let mut outbox = Outbox::new();
        greet(&mut outbox, "s");
        outbox.add(1, 10, true);
        outbox.add(2, 10, true);
        for link in [LinkId(1), LinkId(2)] {
            let now = at(u64::from(link.0));
            assert_eq!(
                outbox.send_next(link, false, now),
                Some(Next::Publish { id: 1, sequence: 1 })
            );
            assert_eq!(
                outbox.send_next(link, false, now),
                Some(Next::Publish { id: 2, sequence: 2 })
            );
            assert_eq!(outbox.send_next(link, false, now), None);
            outbox.resend();
        }
        assert!(outbox.finish(1) && !outbox.finish(1));
        assert_eq!(outbox.bytes(), 10);
    }

    #[test]
    fn a_repeat_that_the_server_can_not_tell_is_uncertain() {
        let mut late = Outbox::new();
        greet(&mut late, "s");
        late.add(1, 10, true);
        late.send_next(LinkId(1), false, at(0));
        late.resend();
        assert_eq!(late.send_next(LinkId(2), false, at(1_000)), Some(Next::Uncertain { id: 1 }));

        let mut slept = Outbox::new();
        greet(&mut slept, "s");
        slept.add(1, 10, true);
        slept.send_next(LinkId(1), false, at(0));
        slept.resend();
        let woken = Now { time: Time(1), wall: WallTime(9_000_000) };
        assert_eq!(slept.send_next(LinkId(2), false, woken), Some(Next::Uncertain { id: 1 }));

        let mut lost = Outbox::new();
        greet(&mut lost, "s");
        lost.add(1, 10, true);
        lost.add(2, 10, true);
        lost.send_next(LinkId(1), false, at(0));
        lost.resend();
        greet(&mut lost, "another");
        assert_eq!(lost.send_next(LinkId(2), false, at(1)), Some(Next::Uncertain { id: 1 }));
        assert_eq!(
            lost.send_next(LinkId(2), false, at(1)),
            Some(Next::Publish { id: 2, sequence: 2 }),
            "what was never sent is safe to send"
        );
    }

    #[test]
    fn the_bounds_hold_whatever_the_policy() {
        let mut reject = Outbox::<Epoch>::new();
        reject.add(1, 60, true);
        assert_eq!(reject.make_room(41, &REJECT), Err(OutboxFull { bytes: true }));
        assert_eq!(reject.make_room(40, &REJECT), Ok(None));
        reject.add(2, 0, true);
        assert_eq!(reject.make_room(0, &REJECT), Err(OutboxFull { bytes: false }));

        let mut drop = Outbox::new();
        greet(&mut drop, "s");
        drop.add(1, 10, true);
        drop.add(2, 10, true);
        drop.send_next(LinkId(1), false, at(0));
        assert_eq!(
            drop.make_room(10, &DROP),
            Ok(Some(2)),
            "a sent one may have taken effect: it stays"
        );
        drop.add(3, 10, true);
        drop.send_next(LinkId(1), false, at(0));
        assert_eq!(drop.make_room(10, &DROP), Err(OutboxFull { bytes: false }));
        assert_eq!(drop.make_room(101, &DROP), Err(OutboxFull { bytes: false }));
    }
}
