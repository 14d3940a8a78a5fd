//! One application's stay in one room, from its join to its end: the queue between connection and
//! application, and the proof that what was handed over is the log, in order, once, with every
//! missing piece said.

use std::sync::Arc;

use staywire::connection::{Bounds, Item, RoomQueue, Taken};
use staywire::engine::{From, Gap, GapReason, RoomId};
use staywire::wire::Events;

use crate::model::{Truth, uid_of};

/// Where the application stands.
#[derive(Debug, Clone)]
enum At {
    /// Not joined yet.
    Nowhere,
    /// After this event.
    After { epoch: Arc<str>, offset: u64 },
}

/// What a room is known to be, past all faults.
pub(crate) struct Known<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) epoch: Arc<str>,
    pub(crate) now_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) room: String,
    pub(crate) id: RoomId,
    pub(crate) active: bool,
    pub(crate) joined: bool,
    begin: From,
    /// The room's epoch and tip when the application asked.
    asked: (Arc<str>, u64),
    at: At,
    queue: RoomQueue,
    pub(crate) delivered: u64,
    pub(crate) gaps: u64,
    pub(crate) overflows: u64,
}

impl Stay {
    pub(crate) fn new(
        room: &str,
        id: RoomId,
        begin: From,
        max_queue: usize,
        known: &Known<'_>,
    ) -> Self {
        let at = match &begin {
            From::Position { epoch, offset } => At::After { epoch: epoch.clone(), offset: *offset },
            From::Tip | From::History(_) => At::Nowhere,
        };
        let bounds = Bounds { events: max_queue, bytes: usize::MAX };
        Self {
            room: room.to_owned(),
            id,
            active: true,
            joined: false,
            begin,
            asked: (known.epoch.clone(), known.truth.tip(room, &known.epoch)),
            at,
            queue: RoomQueue::new(bounds),
            delivered: 0,
            gaps: 0,
            overflows: 0,
        }
    }

    /// The last event that the application has, to come back with later.
    pub(crate) fn position(&self) -> Option<(Arc<str>, u64)> {
        match &self.at {
            At::After { epoch, offset } => Some((epoch.clone(), *offset)),
            At::Nowhere => None,
        }
    }

    // ---- From the connection ----

    pub(crate) fn joined(
        &mut self,
        epoch: Arc<str>,
        offset: u64,
        known: &Known<'_>,
    ) -> Result<(), String> {
        if std::mem::replace(&mut self.joined, true) {
            return Err(format!("{}: joined twice", self.room));
        }
        self.queue.begin(epoch.clone(), offset);
        if matches!(self.begin, From::Position { .. }) {
            return Ok(());
        }
        let truth = known.truth;
        let (tip, kept) =
            (truth.tip(&self.room, &epoch), truth.kept_from(&self.room, &epoch, known.now_ms));
        let late = match self.begin {
            From::History(most) => offset > tip.saturating_sub(u64::from(most)).max(kept),
            _ => offset > tip,
        };
        let early = match self.begin {
            From::History(most) => epoch == self.asked.0 && offset + u64::from(most) < self.asked.1,
            _ => epoch == self.asked.0 && offset < self.asked.1,
        };
        self.at = At::After { epoch, offset };
        if late || early {
            return Err(format!(
                "{}: joined {:?} at {offset}, with tip {tip}, asked at {:?}",
                self.room, self.begin, self.asked
            ));
        }
        Ok(())
    }

    /// Queues events; the position to go on from if they don't fit.
    pub(crate) fn events(&mut self, epoch: &Arc<str>, events: Events) -> Option<(Arc<str>, u64)> {
        let back_to = self.queue.push(epoch, events);
        self.overflows += u64::from(back_to.is_some());
        back_to
    }

    /// Queues a gap, in the same way. Nothing that the server keeps may be in it.
    pub(crate) fn gap(
        &mut self,
        gap: Gap,
        (epoch, offset): (Arc<str>, u64),
        known: &Known<'_>,
    ) -> Result<Option<(Arc<str>, u64)>, String> {
        let kept_from = known.truth.kept_from(&self.room, &epoch, known.now_ms);
        let back_to = self.queue.push_gap(gap, epoch.clone(), offset);
        self.overflows += u64::from(back_to.is_some());
        if offset > kept_from {
            let room = &self.room;
            return Err(format!(
                "{room} {gap:?} to {epoch}:{offset}: the server keeps all since {kept_from}"
            ));
        }
        Ok(back_to)
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.waiting()
    }

    // ---- To the application ----

    /// Takes all that waits, and writes down what is wrong. True if the room waits to go on.
    pub(crate) fn take(&mut self, truth: &Truth, violations: &mut Vec<String>) -> bool {
        loop {
            match self.queue.take() {
                Taken::Item(Item::Events { epoch, rows }) => {
                    for event in rows.into_iter().flatten() {
                        let text = String::from_utf8_lossy(event.raw());
                        let uid = uid_of(&text).unwrap_or(0);
                        let offset = event.offset().unwrap_or(0);
                        if let Err(what) = self.take_event(&epoch, offset, uid, truth) {
                            violations.push(format!("{} {epoch}:{offset}: {what}", self.room));
                        }
                    }
                }
                Taken::Item(Item::Gap { gap, epoch, offset }) => {
                    if let Err(what) = self.take_gap(gap, epoch, offset) {
                        violations.push(format!("{} {gap:?}: {what}", self.room));
                    }
                }
                Taken::Item(Item::Snapshot(_)) => violations.push("nobody sends states".into()),
                Taken::CaughtUp => return true,
                Taken::Nothing => return false,
            }
        }
    }

    pub(crate) fn go_on(&mut self) {
        self.queue.go_on();
    }

    fn take_event(
        &mut self,
        epoch: &Arc<str>,
        offset: u64,
        uid: u64,
        truth: &Truth,
    ) -> Result<(), String> {
        self.delivered += 1;
        let before = std::mem::replace(&mut self.at, At::After { epoch: epoch.clone(), offset });
        match before {
            At::Nowhere => return Err("an event before the join was answered".into()),
            At::After { epoch: known, offset: last } => {
                if known != *epoch {
                    return Err(format!("the epoch changed from {known} without a gap"));
                }
                if offset <= last {
                    return Err(format!("delivered again, or out of order, after {last}"));
                }
                if offset != last + 1 {
                    return Err(format!("offsets since {last} are missing in silence"));
                }
            }
        }
        match truth.uid_at(&self.room, epoch, offset) {
            Some(true_uid) if true_uid == uid => Ok(()),
            other => Err(format!("event {uid} was delivered, and the log has {other:?}")),
        }
    }

    fn take_gap(&mut self, gap: Gap, epoch: Arc<str>, offset: u64) -> Result<(), String> {
        self.gaps += 1;
        let behind = At::After { epoch: epoch.clone(), offset };
        let At::After { epoch: known, offset: last } = std::mem::replace(&mut self.at, behind)
        else {
            return Err("a gap before the join was answered".into());
        };
        match gap.reason {
            GapReason::NewEpoch if known == epoch => Err("the epoch didn't change".into()),
            GapReason::NewEpoch => Ok(()),
            GapReason::Expired if known != epoch => {
                Err(format!("it is of epoch {epoch}, and the room is in {known}"))
            }
            GapReason::Expired if gap.from != last + 1 || gap.to < gap.from || gap.to != offset => {
                Err(format!("the last event was {last}, and it ends at {offset}"))
            }
            GapReason::Expired => Ok(()),
            _ => Err("such a gap must not be".into()),
        }
    }

    // ---- At the end ----

    /// Whether the application has everything up to the tip.
    pub(crate) fn check_end(&self, known: &Known<'_>) -> Result<(), String> {
        let tip = known.truth.tip(&self.room, &known.epoch);
        match &self.at {
            At::After { epoch, offset } if *epoch == known.epoch && *offset == tip => Ok(()),
            at => {
                Err(format!("{}: ended at {at:?}, and the tip is {}:{tip}", self.room, known.epoch))
            }
        }
    }
}
