//! A task in the background, and the pieces of its result.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Fold, read};
use crate::events::{DecodeError, EventData, TaskPartial, TaskUpdated, decode};

/// Where a task stands, and the latest pieces that it has brought.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskProgress {
    /// Where it stands.
    pub task: TaskUpdated,
    /// The latest pieces, in order: at most [`TaskProgress::MOST_PARTIALS`].
    pub partials: VecDeque<Value>,
    /// The place of the first of them, counted from 0.
    pub partials_from: u64,
}

impl TaskProgress {
    /// Pieces that are kept.
    pub const MOST_PARTIALS: usize = 1_024;
}

impl Fold for TaskProgress {
    fn apply(&mut self, kind: &str, data: &str) -> Result<bool, DecodeError> {
        match kind {
            TaskUpdated::TYPE => self.task = decode(data)?,
            TaskPartial::TYPE => {
                let partial: TaskPartial = decode(data)?;
                if self.partials.is_empty() {
                    self.partials_from = partial.index;
                }
                self.partials.push_back(partial.data);
                if self.partials.len() > Self::MOST_PARTIALS {
                    self.partials.pop_front();
                    self.partials_from += 1;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn restore(&mut self, snapshot: &str) -> Result<(), DecodeError> {
        *self = read(snapshot)?;
        Ok(())
    }
}
