//! All tasks of a server: taken in, found, stopped, tried again and forgotten.
//!
//! What happens while a task lives is in `run.rs`; whose turn it is, in `schedule.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use staywire::events::{TaskState, TaskUpdated};
use tokio::sync::{Mutex as AsyncMutex, watch};

use super::kind::{End, Fault, Kind, Owner};
use super::record::Record;
use super::schedule::Schedule;
use crate::bus::RoomKey;
use crate::config::TasksConfig;
use crate::gateway::Refusal;
use crate::hub::Hub;
use crate::services::ai::{CancelHandle, CancelSignal, cancellation};
use crate::services::notifications::Notifications;
use crate::services::payload;
use crate::services::state_room::{Place, StateRoom};
use crate::session::Caller;
use crate::time::{iso8601, unix_ms};

/// A task's room.
pub(in crate::services) const ROOM_PREFIX: &str = "task:";

/// How long a server that stops waits for its tasks to be told that they are cancelled.
const FAREWELL: Duration = Duration::from_secs(2);

/// The tasks of one server.
pub struct Tasks {
    hub: Arc<Hub>,
    pub(super) config: TasksConfig,
    pub(super) notifications: Arc<Notifications>,
    pub(super) schedule: Arc<Schedule>,
    kinds: BTreeMap<&'static str, Arc<dyn Kind>>,
    table: Mutex<Table>,
    alive: watch::Sender<usize>,
}

#[derive(Default)]
struct Table {
    tasks: HashMap<String, Arc<Task>>,
    numbers: u64,
    /// No more tasks; when to come back, in ms.
    closed: Option<u64>,
}

/// One task, from its first day to when it is forgotten.
pub(super) struct Task {
    pub(super) id: String,
    pub(super) owner: Owner,
    pub(super) kind: Arc<dyn Kind>,
    pub(super) input: Value,
    pub(super) room: Arc<StateRoom<Record>>,
    pub(super) checkpoint: Arc<Mutex<Option<Value>>>,
    number: u64,
    control: Mutex<Control>,
    /// Held by whoever leads the task through its life, so that a retry follows the end.
    life: Arc<AsyncMutex<()>>,
}

struct Control {
    phase: Phase,
    cancel: CancelHandle,
}

enum Phase {
    Alive,
    /// Its cancellation was promised; the fault is the reason, where it is not the owner's wish.
    Cancelling(Option<Fault>),
    Ended {
        state: TaskState,
        retry_available: bool,
        at_ms: u64,
    },
}

/// The reply to a start: the place of the event that tells of it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::services) struct Started {
    pub(in crate::services) task_id: String,
    pub(in crate::services) room: String,
    pub(in crate::services) epoch: String,
    pub(in crate::services) offset: u64,
}

impl Tasks {
    /// A manager of these kinds.
    pub(in crate::services) fn new(
        hub: Arc<Hub>,
        config: TasksConfig,
        notifications: Arc<Notifications>,
        kinds: Vec<Arc<dyn Kind>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            hub,
            schedule: Schedule::new(config.clone()),
            config,
            notifications,
            kinds: kinds.into_iter().map(|kind| (kind.name(), kind)).collect(),
            table: Mutex::default(),
            alive: watch::Sender::new(0),
        })
    }

    /// Tasks that run, and tasks that wait.
    pub fn counts(&self) -> (usize, usize) {
        self.schedule.counts()
    }

    /// Tasks that are kept, finished ones included.
    pub fn kept(&self) -> usize {
        lock(&self.table).tasks.len()
    }

    /// Takes a task in. It goes on whatever becomes of the caller, and of this future.
    pub(in crate::services) async fn start(
        self: &Arc<Self>,
        owner: &Owner,
        kind: &str,
        input: Value,
    ) -> Result<Started, Refusal> {
        let kind = self.kind(kind)?;
        let (tasks, owner) = (self.clone(), owner.clone());
        let started = tokio::spawn(async move { tasks.take_in(owner, kind, input).await });
        started.await.unwrap_or(Err(Refusal::Internal))
    }

    /// The caller's own tasks, the newest first.
    pub(super) fn of(&self, owner: &Owner) -> Vec<Arc<Task>> {
        let table = lock(&self.table);
        let mut tasks: Vec<_> =
            table.tasks.values().filter(|task| task.owner == *owner).cloned().collect();
        drop(table);
        tasks.sort_by_key(|task| std::cmp::Reverse(task.number));
        tasks
    }

    /// The caller's own task. Others' are told apart from none at all by nobody.
    pub(super) fn find(&self, owner: &Owner, task_id: &str) -> Result<Arc<Task>, Refusal> {
        let found = lock(&self.table).tasks.get(task_id).cloned();
        found.filter(|task| task.owner == *owner).ok_or_else(|| {
            Refusal::NotFound("there is no such task of yours; see `tasks.list`".into())
        })
    }

    /// Whether the caller may be in a task's room.
    pub(in crate::services) fn may_join(
        &self,
        caller: &Caller,
        task_id: &str,
    ) -> Result<(), Refusal> {
        self.find(&Owner::of(caller), task_id).map(drop)
    }

    /// Stops a task; false if it has ended already.
    pub(in crate::services) fn cancel(
        &self,
        owner: &Owner,
        task_id: &str,
    ) -> Result<bool, Refusal> {
        Ok(self.find(owner, task_id)?.cancel(None))
    }

    /// Tries a failed task again, from its checkpoint.
    pub(in crate::services) async fn retry(
        self: &Arc<Self>,
        owner: &Owner,
        task_id: &str,
    ) -> Result<Started, Refusal> {
        let task = self.find(owner, task_id)?;
        let tasks = self.clone();
        let started = tokio::spawn(async move { tasks.take_back(task).await });
        started.await.unwrap_or(Err(Refusal::Internal))
    }

    /// Takes no more tasks; those there are go on.
    pub(crate) fn drain(&self, retry_after_ms: u64) {
        lock(&self.table).closed.get_or_insert(retry_after_ms);
    }

    /// Returns once no task is alive.
    pub(crate) async fn idle(&self) {
        let mut alive = self.alive.subscribe();
        // It fails when the sender is gone, and that is here.
        let _ = alive.wait_for(|alive| *alive == 0).await;
    }

    /// Cancels what is left, and returns when all of it was told, or has had time enough.
    pub(crate) async fn stop(&self) {
        self.drain(1_000);
        let tasks: Vec<_> = lock(&self.table).tasks.values().cloned().collect();
        for task in tasks {
            let fault = Fault::lasting("SHUTDOWN", "the server stops; start the task again later");
            task.cancel(Some(fault));
        }
        if tokio::time::timeout(FAREWELL, self.idle()).await.is_err() {
            tracing::warn!(left = *self.alive.borrow(), "tasks did not end in time");
        }
    }

    /// Forgets finished tasks that are too old.
    pub(crate) fn sweep(&self, now_ms: u64) {
        let max_age_ms = self.config.finished_max_age_ms;
        let mut table = lock(&self.table);
        let old: Vec<_> = table
            .tasks
            .values()
            .filter(|task| task.ended_ms().is_some_and(|end| end + max_age_ms <= now_ms))
            .map(|task| task.id.clone())
            .collect();
        old.iter().for_each(|id| _ = table.forget(id));
    }

    // ---- Private ----

    fn kind(&self, name: &str) -> Result<Arc<dyn Kind>, Refusal> {
        self.kinds.get(name).cloned().ok_or_else(|| {
            let known = self.kinds.keys().copied().collect::<Vec<_>>().join(", ");
            Refusal::NotFound(format!(
                "there is no kind of task {:?}; there are {known}",
                payload::shorten(name)
            ))
        })
    }

    async fn take_in(
        self: Arc<Self>,
        owner: Owner,
        kind: Arc<dyn Kind>,
        input: Value,
    ) -> Result<Started, Refusal> {
        let limit_bytes = self.config.max_input_bytes;
        if input.to_string().len() > limit_bytes {
            return Err(Refusal::TooLarge { what: "the task's input", limit_bytes });
        }
        lock(&self.table).check_open()?;
        let place = self.schedule.enter(&owner)?;
        let id = payload::random_id()?;
        let input = kind.admit(&owner, &id, input).await?;
        let task = self.add(id, owner, kind, input);
        let life = task.life.clone().lock_owned().await;
        let begun = match self.insert(&task) {
            Ok(()) => match task.room.open().await {
                Ok(_) => self.queue(&task).await,
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        match begun {
            Ok(begun) => {
                tokio::spawn(self.lead(task, place, life));
                Ok(started(&begun.0, &begun.1))
            }
            Err(refusal) => {
                let fault = Fault::on_request("UNAVAILABLE", refusal.to_string());
                task.kind.ended(&task.owner, &task.id, &task.input, &End::Failed(fault)).await;
                if lock(&self.table).forget(&task.id) {
                    self.alive.send_modify(|alive| *alive -= 1);
                }
                Err(refusal)
            }
        }
    }

    async fn take_back(self: Arc<Self>, task: Arc<Task>) -> Result<Started, Refusal> {
        lock(&self.table).check_open()?;
        task.check_failed()?;
        // Once its end was told.
        let life = task.life.clone().lock_owned().await;
        let place = {
            let mut control = lock(&task.control);
            control.phase.check_failed()?;
            let place = self.schedule.enter(&task.owner)?;
            task.kind.readmit(&task.owner, &task.id, &task.input)?;
            *control = Control::new();
            place
        };
        self.alive.send_modify(|alive| *alive += 1);
        let attempts = task.kind.max_attempts().unwrap_or(self.config.max_attempts);
        task.room.with(|Record { task, .. }| {
            task.max_attempts = task.attempt + attempts;
            task.attempt += 1;
        });
        let begun = self.queue(&task).await;
        tokio::spawn(self.clone().lead(task, place, life));
        begun.map(|begun| started(&begun.0, &begun.1))
    }

    fn add(&self, id: String, owner: Owner, kind: Arc<dyn Kind>, input: Value) -> Arc<Task> {
        let now = iso8601(unix_ms());
        let shown = TaskUpdated {
            task_id: id.clone(),
            kind: kind.name().to_owned(),
            attempt: 1,
            max_attempts: kind.max_attempts().unwrap_or(self.config.max_attempts),
            created_at: now.clone(),
            updated_at: now,
            ..TaskUpdated::default()
        };
        let key = RoomKey::new(&owner.tenant, &format!("{ROOM_PREFIX}{id}"));
        let mut table = lock(&self.table);
        table.numbers += 1;
        Arc::new(Task {
            room: StateRoom::new(self.hub.clone(), key, Record::new(shown)),
            id,
            owner,
            kind,
            input,
            checkpoint: Arc::default(),
            number: table.numbers,
            control: Mutex::new(Control::new()),
            life: Arc::default(),
        })
    }

    fn insert(&self, task: &Arc<Task>) -> Result<(), Refusal> {
        let mut table = lock(&self.table);
        table.check_open()?;
        table.tasks.insert(task.id.clone(), task.clone());
        self.alive.send_modify(|alive| *alive += 1);
        Ok(())
    }

    /// Tells that the task waits for its turn.
    async fn queue(&self, task: &Arc<Task>) -> Result<(Place, String), Refusal> {
        let place = self
            .tell(task, |shown| {
                shown.state = TaskState::Queued;
                shown.message = "waits for its turn".into();
                (shown.error, shown.retry_at) = (None, None);
            })
            .await?;
        Ok((place, task.room.key().room().to_owned()))
    }

    /// The task is over for now: the oldest finished ones make room.
    pub(super) fn settled(&self, task: &Task) {
        let mut table = lock(&self.table);
        let mut finished: Vec<_> = table
            .tasks
            .values()
            .filter_map(|task| Some((task.ended_ms()?, task.number, task.clone())))
            .collect();
        finished.sort_by_key(|(at, number, _)| (*at, *number));
        let mine = finished.iter().filter(|(_, _, kept)| kept.owner == task.owner);
        let mut surplus = mine.clone().count().saturating_sub(self.config.finished_per_subject);
        let mut gone: Vec<String> =
            mine.take(surplus).map(|(_, _, kept)| kept.id.clone()).collect();
        surplus = (finished.len() - gone.len()).saturating_sub(self.config.finished);
        let others = finished.iter().filter(|(_, _, kept)| !gone.contains(&kept.id));
        let more: Vec<_> = others.take(surplus).map(|(_, _, kept)| kept.id.clone()).collect();
        gone.extend(more);
        gone.iter().for_each(|id| _ = table.forget(id));
        drop(table);
        self.alive.send_modify(|alive| *alive -= 1);
    }
}

fn started(place: &Place, room: &str) -> Started {
    let task_id = room.strip_prefix(ROOM_PREFIX).unwrap_or(room).to_owned();
    Started { task_id, room: room.to_owned(), epoch: place.0.to_string(), offset: place.1 }
}

impl Owner {
    /// Who asks.
    pub(in crate::services) fn of(caller: &Caller) -> Self {
        let identity = &caller.identity;
        Self { tenant: identity.tenant.clone(), subject: identity.subject.clone() }
    }
}

impl Table {
    fn check_open(&self) -> Result<(), Refusal> {
        match self.closed {
            Some(retry_after_ms) => Err(Refusal::Draining { retry_after_ms }),
            None => Ok(()),
        }
    }

    fn forget(&mut self, id: &str) -> bool {
        let forgotten = self.tasks.remove(id);
        if let Some(task) = &forgotten {
            task.room.close();
        }
        forgotten.is_some()
    }
}

impl Control {
    fn new() -> Self {
        Self { phase: Phase::Alive, cancel: cancellation().0 }
    }
}

impl Phase {
    fn check_failed(&self) -> Result<(), Refusal> {
        match self {
            Self::Alive | Self::Cancelling(_) => {
                Err(Refusal::Busy("the task has not ended yet".into()))
            }
            Self::Ended { retry_available: true, .. } => Ok(()),
            Self::Ended { state, .. } => Err(Refusal::BadRequest(format!(
                "this task is {state}; only one whose error says `retry_available` can be tried again"
            ))),
        }
    }
}

impl Task {
    /// What it shows of itself.
    pub(super) fn shown(&self) -> TaskUpdated {
        self.room.with(|record| record.task.clone())
    }

    /// Raised when it is cancelled.
    pub(super) fn signal(&self) -> CancelSignal {
        lock(&self.control).cancel.signal()
    }

    /// Decides how it ends: from here on nobody can stop it any more, and it may be tried again.
    pub(super) fn settle(&self, end: End) -> End {
        let mut control = lock(&self.control);
        let end = match &control.phase {
            Phase::Cancelling(fault) => End::Cancelled(fault.clone()),
            Phase::Alive | Phase::Ended { .. } => end,
        };
        let (state, retry_available) = match &end {
            End::Done(_) => (TaskState::Done, false),
            End::Failed(fault) => (TaskState::Failed, fault.retry_available),
            End::Cancelled(_) => (TaskState::Cancelled, false),
        };
        control.phase = Phase::Ended { state, retry_available, at_ms: unix_ms() };
        end
    }

    fn cancel(&self, reason: Option<Fault>) -> bool {
        let mut control = lock(&self.control);
        match control.phase {
            Phase::Ended { .. } => return false,
            Phase::Cancelling(_) => {}
            Phase::Alive => control.phase = Phase::Cancelling(reason),
        }
        control.cancel.cancel();
        true
    }

    fn check_failed(&self) -> Result<(), Refusal> {
        lock(&self.control).phase.check_failed()
    }

    fn ended_ms(&self) -> Option<u64> {
        match lock(&self.control).phase {
            Phase::Ended { at_ms, .. } => Some(at_ms),
            Phase::Alive | Phase::Cancelling(_) => None,
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
