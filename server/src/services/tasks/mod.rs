//! Work in the background: tasks with a state that all devices of their owner see, which go on
//! when the one who asked is gone.
//!
//! The manager knows no kind of task in particular, and no connections; kinds know neither rooms
//! nor the manager.

mod answer;
mod calls;
mod kind;
mod manager;
mod record;
mod run;
mod schedule;
#[cfg(test)]
mod tests;

pub use answer::AnswerKind;
pub(super) use calls::{cancel, get, list, retry, start};
pub use kind::{Context, End, Fault, Kind, Owner};
pub(super) use manager::ROOM_PREFIX;
pub use manager::Tasks;
