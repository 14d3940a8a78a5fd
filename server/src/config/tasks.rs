//! How many tasks may run and wait, how often they are tried, and how long they are remembered.

use serde::Deserialize;

use super::{ConfigError, limits::at_least_one};

/// Work in the background.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TasksConfig {
    /// Tasks that run at a time, of all tenants together. Default 64.
    pub running: usize,
    /// Tasks of one tenant that run at a time. Default 16.
    pub running_per_tenant: usize,
    /// Tasks of one subject that run at a time. Default 4.
    pub running_per_subject: usize,
    /// Tasks of one tenant that wait for their turn or their next attempt. Default 500.
    pub queued_per_tenant: usize,
    /// Tasks of one subject that wait. Default 50.
    pub queued_per_subject: usize,
    /// The largest input, in bytes of JSON. Default 65,536.
    pub max_input_bytes: usize,
    /// The largest result or partial result, in bytes of JSON. Default 262,144.
    pub max_result_bytes: usize,
    /// Attempts at a task before it fails for good, where its kind says nothing else. Default 3.
    pub max_attempts: u32,
    /// The longest wait before a second attempt, in ms; it doubles with each further one. The wait
    /// is drawn evenly from 0 to that. Default 1,000.
    pub retry_base_ms: u64,
    /// The longest wait before any attempt, in ms. Default 60,000.
    pub retry_max_ms: u64,
    /// The shortest time between two reports of a task's progress, in ms. Default 100.
    pub progress_interval_ms: u64,
    /// Partial results of a task that late joiners get. Default 1,024.
    pub partials_kept: usize,
    /// Bytes of JSON of those. Default 262,144.
    pub partials_bytes: usize,
    /// Finished tasks of one subject that are remembered. Default 100.
    pub finished_per_subject: usize,
    /// Finished tasks that are remembered, of all subjects together. Default 10,000.
    pub finished: usize,
    /// How long a finished task is remembered, in ms. Default 3,600,000 (an hour).
    pub finished_max_age_ms: u64,
}

impl Default for TasksConfig {
    fn default() -> Self {
        Self {
            running: 64,
            running_per_tenant: 16,
            running_per_subject: 4,
            queued_per_tenant: 500,
            queued_per_subject: 50,
            max_input_bytes: 64 << 10,
            max_result_bytes: 256 << 10,
            max_attempts: 3,
            retry_base_ms: 1_000,
            retry_max_ms: 60_000,
            progress_interval_ms: 100,
            partials_kept: 1_024,
            partials_bytes: 256 << 10,
            finished_per_subject: 100,
            finished: 10_000,
            finished_max_age_ms: 3_600_000,
        }
    }
}

impl TasksConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("tasks.running", self.running as u64)?;
        at_least_one("tasks.running_per_tenant", self.running_per_tenant as u64)?;
        at_least_one("tasks.running_per_subject", self.running_per_subject as u64)?;
        at_least_one("tasks.queued_per_tenant", self.queued_per_tenant as u64)?;
        at_least_one("tasks.queued_per_subject", self.queued_per_subject as u64)?;
        at_least_one("tasks.max_attempts", u64::from(self.max_attempts))
    }
}
