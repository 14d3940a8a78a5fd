//! What a task shows of itself: its state, and the pieces of its result that are kept.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::Value;
use staywire::events::{TaskPartial, TaskUpdated};

use crate::config::TasksConfig;

/// A task as late joiners see it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Record {
    pub(super) task: TaskUpdated,
    partials: VecDeque<Value>,
    partials_from: u64,
    #[serde(skip)]
    sizes: VecDeque<usize>,
    #[serde(skip)]
    bytes: usize,
}

impl Record {
    pub(super) fn new(task: TaskUpdated) -> Self {
        let (partials, sizes) = (VecDeque::new(), VecDeque::new());
        Self { task, partials, partials_from: 0, sizes, bytes: 0 }
    }

    /// The place of the next piece, over all attempts.
    pub(super) fn next_index(&self) -> u64 {
        self.partials_from + self.partials.len() as u64
    }

    /// Adds a piece, and lets go of the oldest beyond the bounds.
    pub(super) fn push(&mut self, partial: TaskPartial, size: usize, config: &TasksConfig) {
        self.partials.push_back(partial.data);
        self.sizes.push_back(size);
        self.bytes += size;
        while self.partials.len() > config.partials_kept || self.bytes > config.partials_bytes {
            self.partials.pop_front();
            self.partials_from += 1;
            self.bytes -= self.sizes.pop_front().unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial(index: u64) -> TaskPartial {
        TaskPartial { index, data: Value::from(index), ..TaskPartial::default() }
    }

    #[test]
    fn pieces_are_bounded_by_number_and_by_bytes() {
        let config = TasksConfig { partials_kept: 3, partials_bytes: 10, ..TasksConfig::default() };
        let mut record = Record::new(TaskUpdated::default());
        for index in 0..5 {
            assert_eq!(record.next_index(), index);
            record.push(partial(index), 1, &config);
        }
        assert_eq!((record.partials_from, record.partials.len()), (2, 3));
        record.push(partial(5), 9, &config);
        assert_eq!((record.partials_from, record.partials.len(), record.bytes), (4, 2, 10));
    }
}
