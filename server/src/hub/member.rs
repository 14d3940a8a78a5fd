//! One connection's place in one room.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::outbound::Outbound;
use crate::bus::StoredEvent;

/// How a member gets its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// As they are appended.
    Live,
    /// From the log; `seen` is the last offset known to be there.
    Behind { seen: u64 },
}

#[derive(Debug)]
pub(super) struct Member {
    subscription: u32,
    pub(super) out: Arc<Outbound>,
    /// The log that it was told it is in; `None` until it was told.
    pub(super) epoch: Option<Arc<str>>,
    /// The last offset that was queued for it.
    pub(super) position: u64,
    pub(super) mode: Mode,
}

impl Member {
    pub(super) fn new(subscription: u32, out: Arc<Outbound>) -> Self {
        Self { subscription, out, epoch: None, position: 0, mode: Mode::Behind { seen: 0 } }
    }

    /// An event was appended to the room's log.
    pub(super) fn appended(&mut self, epoch: &Arc<str>, offset: u64, event: &Arc<StoredEvent>) {
        if self.mode == Mode::Live
            && self.epoch.as_ref() == Some(epoch)
            && offset == self.position + 1
            && self.out.event(self.subscription, offset, event)
        {
            self.position = offset;
        } else {
            self.noticed(epoch, offset);
        }
    }

    /// The log is known to reach `tip`.
    pub(super) fn noticed(&mut self, epoch: &Arc<str>, tip: u64) {
        let other_log = self.epoch.as_ref().is_some_and(|known| known != epoch);
        match &mut self.mode {
            Mode::Behind { seen } => *seen = tip.max(*seen),
            // A tip before the position is a log that rolled back: reading it will tell.
            Mode::Live if other_log || tip != self.position => {
                self.mode = Mode::Behind { seen: tip };
                self.out.fell_behind();
            }
            Mode::Live => {}
        }
    }

    /// An event was sent that isn't logged. It is dropped where it doesn't fit.
    pub(super) fn signalled(&mut self, event: &Arc<StoredEvent>) {
        if self.epoch.is_some() {
            self.out.event(self.subscription, 0, event);
        }
    }

    /// Whether all that is known to be in the log, up to `tip` at least, is queued.
    pub(super) fn reached(&self, tip: u64) -> bool {
        let seen = match self.mode {
            Mode::Live => 0,
            Mode::Behind { seen } => seen,
        };
        self.position >= tip && self.position >= seen
    }
}

/// The members of one room, by id.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<u64, Member>);

impl Members {
    pub(super) fn add(&mut self, id: u64, member: Member) {
        self.0.insert(id, member);
    }

    pub(super) fn remove(&mut self, id: u64) {
        self.0.remove(&id);
    }

    pub(super) fn get(&mut self, id: u64) -> Option<&mut Member> {
        self.0.get_mut(&id)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.0.values_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
