//! Rooms that tell of one thing until it has ended, such as a task.

use super::live::{LiveEvent, LiveRoom};
use super::room::Room;
use crate::folds::Fold;

/// A state that says whether there is more to come.
pub(super) trait Ends {
    fn has_ended(&self) -> bool;
}

/// A room whose events are taken until its state has ended.
#[derive(Debug)]
pub(super) struct Ending<F> {
    live: LiveRoom<F>,
    ended: bool,
}

impl<F: Fold + Ends> Ending<F> {
    pub(super) fn new(room: Room) -> Self {
        Self { live: LiveRoom::new(room), ended: false }
    }

    pub(super) fn state(&self) -> &F {
        self.live.state()
    }

    /// What happens next; `None` after the end.
    pub(super) async fn next(&mut self) -> Option<LiveEvent> {
        if self.ended {
            return None;
        }
        let event = self.live.next().await?;
        self.ended = self.live.state().has_ended();
        Some(event)
    }

    /// Takes what comes until the end; the state then.
    pub(super) async fn finish(&mut self) -> &F {
        while self.next().await.is_some() {}
        self.live.state()
    }

    /// More is to come after all.
    pub(super) fn go_on(&mut self) {
        self.ended = false;
    }
}
