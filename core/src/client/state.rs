//! The state of a connection, to look at or to wait on.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::driver::Clock;
use crate::engine::State;

/// Follows the state of a connection. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StateWatch {
    receiver: watch::Receiver<State>,
    clock: Clock,
}

impl StateWatch {
    pub(super) fn new(receiver: watch::Receiver<State>, clock: Clock) -> Self {
        Self { receiver, clock }
    }

    /// The state now.
    pub fn get(&self) -> State {
        *self.receiver.borrow()
    }

    /// Waits for the next change and returns it; `None` once there can be none. Changes that
    /// follow each other faster than they are looked at are seen as the last of them.
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<State> {
        let closed = matches!(self.get(), State::Closed { .. });
        if closed && !self.receiver.has_changed().unwrap_or(true) {
            return None;
        }
        self.receiver.changed().await.ok()?;
        Some(*self.receiver.borrow_and_update())
    }

    /// Waits until the state is as wished; `None` if it never will be, since the client closed.
    ///
    /// Dropping the future loses nothing.
    pub async fn wait_for(&mut self, mut wish: impl FnMut(&State) -> bool) -> Option<State> {
        loop {
            // A copy, so that nothing is held while the wish looks at it.
            let state = *self.receiver.borrow_and_update();
            if wish(&state) {
                return Some(state);
            }
            if matches!(state, State::Closed { .. }) {
                return None;
            }
            self.receiver.changed().await.ok()?;
        }
    }

    /// When the next attempt starts, on tokio's clock; `None` while none is planned.
    pub fn retry_at(&self) -> Option<Instant> {
        match self.get() {
            State::Reconnecting { retry_at, .. } => Some(self.clock.instant(retry_at)),
            _ => None,
        }
    }
}
