//! One application's stay in one room, from its join to its end: the bounded queue between
//! connection and application, and the proof that what was handed over is the log, in order,
//! once, with every missing piece said.

use std::collections::VecDeque;
use std::sync::Arc;

use staywire::engine::{From, Gap, GapReason, RoomId};
use staywire::wire::Event;

use crate::model::{Truth, uid_of};

/// Where the application stands.
#[derive(Debug, Clone)]
enum At {
    /// Not joined yet.
    Nowhere,
    /// After this event.
    After { epoch: Arc<str>, offset: u64 },
    /// Told that the log began anew. All that the new log kept at that time must come.
    Anew { old: Arc<str>, epoch: Arc<str>, kept_from: u64 },
}

#[derive(Debug)]
enum Item {
    Event { epoch: Arc<str>, offset: u64, uid: u64 },
    Gap { gap: Gap, epoch: Arc<str>, kept_from: u64 },
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
    /// The epoch of what was queued last.
    queued_epoch: Arc<str>,
    queue: VecDeque<Item>,
    max_queue: usize,
    /// The last event that was queued, as a driver keeps it.
    last: (Arc<str>, u64),
    paused: bool,
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
        let (at, last) = match &begin {
            From::Position { epoch, offset } => {
                (At::After { epoch: epoch.clone(), offset: *offset }, (epoch.clone(), *offset))
            }
            From::Tip | From::History(_) => (At::Nowhere, (Arc::default(), 0)),
        };
        Self {
            room: room.to_owned(),
            id,
            active: true,
            joined: false,
            begin,
            asked: (known.epoch.clone(), known.truth.tip(room, &known.epoch)),
            at,
            queued_epoch: last.0.clone(),
            queue: VecDeque::new(),
            max_queue,
            last,
            paused: false,
            delivered: 0,
            gaps: 0,
            overflows: 0,
        }
    }

    /// The last event that the application has, to come back with later.
    pub(crate) fn position(&self) -> Option<(Arc<str>, u64)> {
        match &self.at {
            At::After { epoch, offset } => Some((epoch.clone(), *offset)),
            At::Nowhere | At::Anew { .. } => None,
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
        self.at = At::After { epoch: epoch.clone(), offset };
        self.last = (epoch.clone(), offset);
        self.queued_epoch = epoch;
        if late || early {
            return Err(format!(
                "{}: joined {:?} at {offset}, with tip {tip}, asked at {:?}",
                self.room, self.begin, self.asked
            ));
        }
        Ok(())
    }

    /// Queues events; the position to go on from if they don't fit.
    pub(crate) fn events(&mut self, epoch: &Arc<str>, events: &[Event]) -> Option<(Arc<str>, u64)> {
        if self.paused {
            return None;
        }
        let some = self.queue.iter().any(|item| matches!(item, Item::Event { .. }));
        if self.queue.len() + events.len() > self.max_queue && some {
            self.paused = true;
            self.overflows += 1;
            return Some(self.last.clone());
        }
        self.queued_epoch = epoch.clone();
        for event in events {
            let text = String::from_utf8_lossy(event.raw());
            let uid = uid_of(&text).unwrap_or(0);
            let offset = event.offset().unwrap_or(0);
            self.last = (epoch.clone(), offset);
            self.queue.push_back(Item::Event { epoch: epoch.clone(), offset, uid });
        }
        None
    }

    pub(crate) fn gap(&mut self, gap: Gap, engine_epoch: Arc<str>, known: &Known<'_>) {
        if self.paused {
            return;
        }
        let epoch = match gap.reason {
            GapReason::NewEpoch => engine_epoch,
            _ => self.queued_epoch.clone(),
        };
        let kept_from = known.truth.kept_from(&self.room, &epoch, known.now_ms);
        self.queued_epoch = epoch.clone();
        if gap.to > 0 {
            self.last.1 = gap.to;
        }
        self.queue.push_back(Item::Gap { gap, epoch, kept_from });
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    // ---- To the application ----

    /// Hands one item over. `None` when there is none.
    pub(crate) fn take(&mut self, truth: &Truth) -> Option<Result<(), String>> {
        let item = self.queue.pop_front()?;
        Some(match item {
            Item::Event { epoch, offset, uid } => {
                let checked = self.take_event(&epoch, offset, uid, truth);
                checked.map_err(|what| format!("{} {epoch}:{offset}: {what}", self.room))
            }
            Item::Gap { gap, epoch, kept_from } => {
                let checked = self.take_gap(gap, epoch, kept_from);
                checked.map_err(|what| format!("{} {gap:?}: {what}", self.room))
            }
        })
    }

    /// Whether everything is taken and the room waits to go on. Clears it.
    pub(crate) fn take_caught_up(&mut self) -> bool {
        self.queue.is_empty() && std::mem::take(&mut self.paused)
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
            At::Anew { old, epoch: told, kept_from } => {
                if old == *epoch {
                    return Err("a gap for a new epoch, and it is the old one".into());
                }
                if told == *epoch && offset > kept_from + 1 {
                    return Err(format!("the new log kept all since {kept_from}"));
                }
            }
        }
        match truth.uid_at(&self.room, epoch, offset) {
            Some(true_uid) if true_uid == uid => Ok(()),
            other => Err(format!("event {uid} was delivered, and the log has {other:?}")),
        }
    }

    fn take_gap(&mut self, gap: Gap, epoch: Arc<str>, kept_from: u64) -> Result<(), String> {
        self.gaps += 1;
        match (gap.reason, &self.at) {
            (GapReason::NewEpoch, At::After { epoch: old, .. }) => {
                let old = old.clone();
                let same = old == epoch;
                self.at = At::Anew { old, epoch, kept_from };
                if same { Err("the epoch didn't change".into()) } else { Ok(()) }
            }
            (GapReason::NewEpoch, At::Anew { old, .. }) => {
                let old = old.clone();
                self.at = At::Anew { old, epoch, kept_from };
                Ok(())
            }
            (GapReason::Expired, At::After { epoch: known, offset }) => {
                let (known, last) = (known.clone(), *offset);
                self.at = At::After { epoch: known.clone(), offset: gap.to };
                if known != epoch {
                    return Err(format!("it is of epoch {epoch}, and the room is in {known}"));
                }
                if gap.from != last + 1 || gap.to < gap.from {
                    return Err(format!("the last event was {last}"));
                }
                if gap.to > kept_from {
                    return Err(format!("the server keeps all since {kept_from}"));
                }
                Ok(())
            }
            // Trimmed again before the first event of the new log: nothing was promised below.
            (GapReason::Expired, At::Anew { epoch: told, .. }) if *told == epoch => {
                let kept_from = gap.to;
                let At::Anew { kept_from: known, .. } = &mut self.at else { return Ok(()) };
                *known = (*known).max(kept_from);
                Ok(())
            }
            _ => Err(format!("such a gap must not be, at {:?}", self.at)),
        }
    }

    // ---- At the end ----

    /// Whether the application has everything up to the tip.
    pub(crate) fn check_end(&self, known: &Known<'_>) -> Result<(), String> {
        let tip = known.truth.tip(&self.room, &known.epoch);
        match &self.at {
            At::After { epoch, offset } if *epoch == known.epoch && *offset == tip => Ok(()),
            At::Anew { epoch, kept_from, .. } if *epoch == known.epoch && *kept_from == tip => {
                Ok(())
            }
            at => {
                Err(format!("{}: ended at {at:?}, and the tip is {}:{tip}", self.room, known.epoch))
            }
        }
    }
}
