//! What a stream of events comes to: the state of an answer, a generation, a task, a dashboard or
//! a room's people, as every language shows it.
//!
//! A fold is fed with the events of one room in their order, and begins anew with each snapshot
//! of it. The server's snapshots are their JSON: state and tail come to what all events would have
//! come to.
//!
//! Nothing here knows rooms, links or time, and nothing here fails on what it doesn't know: an
//! event of another kind changes nothing.

mod answer;
mod dashboard;
mod generation;
mod inbox;
mod people;
mod task;

pub use answer::{AnswerState, Turn};
pub use dashboard::{DashboardState, TileState};
pub use generation::{GenerationState, GenerationStatus, Preview, StepState};
pub use inbox::{Inbox, Notice};
pub use people::{People, Person};
pub use task::TaskProgress;

use crate::events::{DecodeError, decode_as};

/// A state that grows out of events.
pub trait Fold: Default + Send + 'static {
    /// Takes in an event of type `kind`; `data` is its JSON. True if the state is another now.
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError>;

    /// Begins anew from a snapshot of the room. Where it can't be read, nothing changes.
    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError>;
}

/// Reads a snapshot.
fn read<T: serde::de::DeserializeOwned>(snapshot: &str) -> Result<T, DecodeError> {
    decode_as("snapshot", snapshot)
}
