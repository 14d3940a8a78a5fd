//! Whose task starts next: the tenants in turn, each in the order of asking, nobody beyond its
//! limits.
//!
//! It knows no tasks, only places in the queue and turns; both are given back when dropped.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::kind::Owner;
use crate::config::TasksConfig;
use crate::gateway::Refusal;

/// What a wait is taken for before any task has run.
const UNMEASURED: Duration = Duration::from_secs(5);

/// The queue of all tasks.
pub(super) struct Schedule {
    limits: TasksConfig,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    tenants: BTreeMap<String, Tenant>,
    subjects: HashMap<Owner, Counts>,
    running: usize,
    queued: usize,
    /// The tenant that a turn was given to last.
    last: String,
    numbers: u64,
    /// How long tasks run, the last ones counting most.
    mean: Option<Duration>,
}

#[derive(Default)]
struct Tenant {
    waiting: VecDeque<Waiting>,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    queued: usize,
    running: usize,
}

struct Waiting {
    number: u64,
    owner: Owner,
    granted: oneshot::Sender<Turn>,
}

/// A place in the queue.
pub(super) struct Place {
    schedule: Arc<Schedule>,
    owner: Owner,
    number: Option<u64>,
}

/// The right to run.
pub(super) struct Turn {
    schedule: Arc<Schedule>,
    owner: Owner,
    since: Instant,
}

impl Schedule {
    pub(super) fn new(limits: TasksConfig) -> Arc<Self> {
        Arc::new(Self { limits, inner: Mutex::default() })
    }

    /// Tasks that run, and tasks that wait.
    pub(super) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.running, inner.queued)
    }

    /// A place for a new task, if there is one.
    pub(super) fn enter(self: &Arc<Self>, owner: &Owner) -> Result<Place, Refusal> {
        let mut inner = self.lock();
        let subject = inner.subjects.get(owner).copied().unwrap_or_default();
        let tenant = inner.tenants.get(&owner.tenant).map_or(0, |tenant| tenant.counts.queued);
        let limits = &self.limits;
        let mean = inner.mean.unwrap_or(UNMEASURED);
        let refuse = |whose, limit| {
            let wait = mean.clamp(Duration::from_secs(1), Duration::from_secs(60));
            let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Err(Refusal::TooManyTasks { whose, limit, retry_after_ms })
        };
        if subject.queued >= limits.queued_per_subject {
            return refuse("subject", limits.queued_per_subject);
        }
        if tenant >= limits.queued_per_tenant {
            return refuse("tenant", limits.queued_per_tenant);
        }
        inner.count(owner, |counts| counts.queued += 1);
        inner.queued += 1;
        Ok(Place { schedule: self.clone(), owner: owner.clone(), number: None })
    }

    /// A place for a task that was let in before, and is to be tried again.
    pub(super) fn reenter(self: &Arc<Self>, owner: &Owner) -> Place {
        let mut inner = self.lock();
        inner.count(owner, |counts| counts.queued += 1);
        inner.queued += 1;
        Place { schedule: self.clone(), owner: owner.clone(), number: None }
    }

    /// Hands out all turns that there are.
    fn grant(self: &Arc<Self>) {
        let mut granted = Vec::new();
        let mut inner = self.lock();
        while let Some(next) = inner.next(&self.limits) {
            inner.count(&next.owner, |counts| counts.running += 1);
            inner.running += 1;
            granted.push(next);
        }
        drop(inner);
        for Waiting { owner, granted, .. } in granted {
            let turn = Turn { schedule: self.clone(), owner, since: Instant::now() };
            // Whoever no longer waits for it gives it back by dropping it.
            drop(granted.send(turn));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes the next that may run out of the queue.
    fn next(&mut self, limits: &TasksConfig) -> Option<Waiting> {
        if self.running >= limits.running {
            return None;
        }
        let after = (Bound::Excluded(self.last.clone()), Bound::Unbounded);
        let subjects = &self.subjects;
        let first_of = |tenant: &Tenant| {
            if tenant.counts.running >= limits.running_per_tenant {
                return None;
            }
            tenant.waiting.iter().position(|waiting| {
                let running = subjects.get(&waiting.owner).map_or(0, |counts| counts.running);
                running < limits.running_per_subject
            })
        };
        let (name, at) = self
            .tenants
            .range::<String, _>(after)
            .chain(self.tenants.range(..=self.last.clone()))
            .find_map(|(name, tenant)| Some((name.clone(), first_of(tenant)?)))?;
        let next = self.tenants.get_mut(&name)?.waiting.remove(at);
        self.last = name;
        next
    }

    fn count(&mut self, owner: &Owner, change: impl Fn(&mut Counts)) {
        let tenant = self.tenants.entry(owner.tenant.clone()).or_default();
        change(&mut tenant.counts);
        let counts = tenant.counts;
        if counts.queued + counts.running == 0 {
            self.tenants.remove(&owner.tenant);
        }
        let subject = self.subjects.entry(owner.clone()).or_default();
        change(subject);
        if subject.queued + subject.running == 0 {
            self.subjects.remove(owner);
        }
    }
}

impl Place {
    /// Waits for the turn. The place counts as taken until then.
    pub(super) async fn turn(mut self) -> Turn {
        let turn = self.line_up();
        self.schedule.grant();
        match turn.await {
            Ok(turn) => turn,
            // The sender lives in the queue until it grants, and the queue as long as this.
            Err(_) => std::future::pending().await,
        }
    }

    fn line_up(&mut self) -> oneshot::Receiver<Turn> {
        let (granted, turn) = oneshot::channel();
        let mut inner = self.schedule.lock();
        inner.numbers += 1;
        let number = inner.numbers;
        self.number = Some(number);
        let waiting = Waiting { number, owner: self.owner.clone(), granted };
        inner.tenants.entry(self.owner.tenant.clone()).or_default().waiting.push_back(waiting);
        turn
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.schedule.lock();
        if let (Some(number), Some(tenant)) =
            (self.number, inner.tenants.get_mut(&self.owner.tenant))
        {
            tenant.waiting.retain(|waiting| waiting.number != number);
        }
        inner.count(&self.owner, |counts| counts.queued -= 1);
        inner.queued -= 1;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let ran = self.since.elapsed();
        let mut inner = self.schedule.lock();
        inner.count(&self.owner, |counts| counts.running -= 1);
        inner.running -= 1;
        inner.mean = Some(inner.mean.map_or(ran, |mean| (mean * 7 + ran) / 8));
        drop(inner);
        self.schedule.grant();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    use super::*;

    fn owner(tenant: &str, subject: &str) -> Owner {
        Owner { tenant: tenant.into(), subject: subject.into() }
    }

    fn schedule(limits: TasksConfig) -> Arc<Schedule> {
        Schedule::new(limits)
    }

    /// Waits in line; the future is polled once, so that its place is behind the earlier ones.
    fn wait(schedule: &Arc<Schedule>, owner: &Owner) -> Result<Waiter, Refusal> {
        let mut future = schedule.enter(owner)?.turn().boxed();
        let turn = (&mut future).now_or_never();
        Ok(Waiter { future, turn })
    }

    struct Waiter {
        future: BoxFuture<'static, Turn>,
        turn: Option<Turn>,
    }

    impl Waiter {
        fn runs(&mut self) -> bool {
            if self.turn.is_none() {
                self.turn = (&mut self.future).now_or_never();
            }
            self.turn.is_some()
        }
    }

    #[tokio::test]
    async fn tenants_take_turns_however_much_one_of_them_asks() {
        let limits = TasksConfig { running: 1, ..TasksConfig::default() };
        let schedule = schedule(limits);
        let (greedy, modest) = (owner("a", "u"), owner("b", "u"));
        let first = wait(&schedule, &greedy).unwrap();
        let mut greedy: Vec<_> = (0..3).map(|_| wait(&schedule, &greedy).unwrap()).collect();
        let mut modest: Vec<_> = (0..2).map(|_| wait(&schedule, &modest).unwrap()).collect();
        assert!(first.turn.is_some() && !greedy[0].runs() && !modest[0].runs());
        drop(first);
        assert!(modest[0].runs() && !greedy[0].runs(), "the other tenant is next");
        drop(modest.remove(0));
        assert!(greedy[0].runs() && !modest[0].runs());
        drop(greedy.remove(0));
        assert!(modest[0].runs() && !greedy[0].runs());
        drop(modest.remove(0));
        assert!(greedy[0].runs() && !greedy[1].runs(), "one at a time, in the order of asking");
    }

    #[tokio::test]
    async fn a_full_subject_lets_others_of_its_tenant_pass() {
        let limits = TasksConfig {
            running_per_tenant: 2,
            running_per_subject: 1,
            queued_per_subject: 2,
            queued_per_tenant: 3,
            ..TasksConfig::default()
        };
        let schedule = schedule(limits);
        let (ada, bob, eve) = (owner("a", "ada"), owner("a", "bob"), owner("a", "eve"));
        let first = wait(&schedule, &ada).unwrap();
        let mut second = wait(&schedule, &ada).unwrap();
        let mut bobs = wait(&schedule, &bob).unwrap();
        let mut third = wait(&schedule, &ada).unwrap();
        assert!(first.turn.is_some() && !second.runs() && bobs.runs() && !third.runs());
        let refused = wait(&schedule, &ada).err().unwrap();
        assert!(matches!(refused, Refusal::TooManyTasks { whose: "subject", limit: 2, .. }));
        let mut eves = wait(&schedule, &eve).unwrap();
        assert!(!eves.runs(), "the tenant is full");
        let refused = wait(&schedule, &eve).err().unwrap();
        assert!(matches!(refused, Refusal::TooManyTasks { whose: "tenant", limit: 3, .. }));
        assert!((1_000..=60_000).contains(&refused.retry_after_ms().unwrap()));
        drop(bobs);
        assert!(eves.runs() && !second.runs());
        drop(first);
        assert!(second.runs() && !third.runs());
        assert!(wait(&schedule, &owner("b", "ada")).unwrap().runs(), "another tenant's affair");
    }

    #[tokio::test]
    async fn whoever_gives_up_leaves_nothing_behind() {
        let schedule = schedule(TasksConfig { running: 1, ..TasksConfig::default() });
        let ada = owner("a", "ada");
        let first = wait(&schedule, &ada).unwrap();
        let gone = wait(&schedule, &ada).unwrap();
        let mut last = wait(&schedule, &ada).unwrap();
        drop(gone);
        // This one is granted the turn, and is gone before it takes it.
        let granted = wait(&schedule, &owner("b", "bob")).unwrap();
        drop(first);
        drop(granted);
        assert!(last.runs());
        drop(last);
        assert_eq!(schedule.counts(), (0, 0));
        let inner = schedule.lock();
        assert!(inner.tenants.is_empty() && inner.subjects.is_empty());
    }
}
