//! A room's log: what was said in it, and from where it is kept.

use std::collections::VecDeque;

use serde_json::value::RawValue;

/// The events of one room.
#[derive(Debug)]
pub(super) struct Log {
    epoch: u64,
    events: VecDeque<String>,
    tip: u64,
    /// The state as of the tip.
    snapshot: Option<Box<RawValue>>,
}

impl Log {
    pub(super) fn new(epoch: u64) -> Self {
        Self { epoch, events: VecDeque::new(), tip: 0, snapshot: None }
    }

    pub(super) fn epoch(&self) -> String {
        format!("fake.{}", self.epoch)
    }

    pub(super) fn tip(&self) -> u64 {
        self.tip
    }

    /// The offset after which everything is kept.
    pub(super) fn kept_from(&self) -> u64 {
        self.tip - self.events.len() as u64
    }

    pub(super) fn append(&mut self, event: String) -> u64 {
        self.events.push_back(event);
        self.tip += 1;
        self.snapshot = None;
        self.tip
    }

    pub(super) fn after(&self, offset: u64) -> impl Iterator<Item = (u64, &str)> {
        let first = self.kept_from() + 1;
        let events = self.events.iter().enumerate();
        let placed = events.map(move |(index, event)| (first + index as u64, event.as_str()));
        placed.filter(move |(place, _)| *place > offset)
    }

    pub(super) fn forget(&mut self, up_to: u64) {
        while self.kept_from() < up_to && self.events.pop_front().is_some() {}
    }

    pub(super) fn begin_anew(&mut self) {
        *self = Self::new(self.epoch + 1);
    }

    pub(super) fn set_snapshot(&mut self, snapshot: Box<RawValue>) {
        self.snapshot = Some(snapshot);
    }

    pub(super) fn snapshot(&self) -> Option<&RawValue> {
        self.snapshot.as_deref()
    }
}
