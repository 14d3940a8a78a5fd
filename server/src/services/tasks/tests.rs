//! The manager in virtual time, with kinds that do as they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use staywire::events::{TaskPartial, TaskState, TaskUpdated};
use staywire::wire::control::History;
use tokio::time::{Instant, sleep};

use super::kind::{Context, Fault, Kind, Owner};
use super::manager::{Started, Tasks};
use crate::bus::memory::{DedupBounds, HistoryBounds, MemoryBus};
use crate::bus::{Bus, RoomKey};
use crate::config::TasksConfig;
use crate::gateway::Refusal;
use crate::hub::{Hub, SnapshotSource};
use crate::services::notifications::Notifications;
use crate::time::unix_ms;

type Script =
    dyn Fn(Value, Context) -> BoxFuture<'static, Result<Value, Fault>> + Send + Sync + 'static;

/// A kind that is one function.
struct Scripted(&'static str, Box<Script>);

impl Kind for Scripted {
    fn name(&self) -> &'static str {
        self.0
    }

    fn admit<'a>(
        &'a self,
        _owner: &'a Owner,
        _task_id: &'a str,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, Refusal>> {
        let refused = input == json!("nonsense");
        let refusal = || Refusal::BadRequest("that is nonsense".into());
        std::future::ready(if refused { Err(refusal()) } else { Ok(input) }).boxed()
    }

    fn run(&self, input: Value, context: Context) -> BoxFuture<'static, Result<Value, Fault>> {
        (self.1)(input, context)
    }
}

fn kind<F>(
    name: &'static str,
    run: impl Fn(Value, Context) -> F + Send + Sync + 'static,
) -> Scripted
where
    F: Future<Output = Result<Value, Fault>> + Send + 'static,
{
    Scripted(name, Box::new(move |input, context| run(input, context).boxed()))
}

struct Rig {
    tasks: Arc<Tasks>,
    bus: Arc<MemoryBus>,
}

fn rig(config: TasksConfig, kinds: Vec<Scripted>) -> Rig {
    let bounds = HistoryBounds { events: 10_000, bytes: 1 << 24, max_age_ms: 1 << 40 };
    let dedup = DedupBounds { entries: 8, max_age_ms: 1_000 };
    let bus = Arc::new(MemoryBus::new("s", bounds, dedup));
    let history = History { max_events: 10_000, max_age_ms: 1 << 40 };
    let hub = Arc::new(Hub::new(bus.clone() as Arc<dyn Bus>, history));
    let kinds = kinds.into_iter().map(|kind| Arc::new(kind) as Arc<dyn Kind>).collect();
    Rig { tasks: Tasks::new(hub.clone(), config, Arc::new(Notifications::new(hub)), kinds), bus }
}

fn ada() -> Owner {
    Owner { tenant: "acme".into(), subject: "ada".into() }
}

impl Rig {
    async fn start(&self, kind: &str, input: Value) -> Started {
        self.tasks.start(&ada(), kind, input).await.unwrap()
    }

    /// Type and data of all events of a room.
    async fn events(&self, room: &str) -> Vec<(String, Value)> {
        let key = RoomKey::new("acme", room);
        let slice = self.bus.read(&key, 0, 10_000, unix_ms()).await.unwrap();
        let read = |json: &str| {
            let mut event: Value = serde_json::from_str(json).unwrap();
            (event["type"].as_str().unwrap().to_owned(), event["data"].take())
        };
        slice.events.iter().map(|event| read(&event.json)).collect()
    }

    async fn updates(&self, room: &str) -> Vec<TaskUpdated> {
        let events = self.events(room).await;
        let updates = events.into_iter().filter(|(kind, _)| kind == "task:updated");
        updates.map(|(_, data)| serde_json::from_value(data).unwrap()).collect()
    }

    /// States, each once for a row of them.
    async fn states(&self, room: &str) -> Vec<TaskState> {
        let mut states: Vec<_> = self.updates(room).await.into_iter().map(|u| u.state).collect();
        states.dedup();
        states
    }

    async fn last(&self, room: &str) -> TaskUpdated {
        self.updates(room).await.pop().unwrap()
    }

    fn snapshot(&self, task_id: &str) -> (u64, Value) {
        let task = self.tasks.find(&ada(), task_id).unwrap();
        let snapshot = task.room.snapshot().unwrap();
        (snapshot.offset, serde_json::from_str(snapshot.data.get()).unwrap())
    }
}

use TaskState::{Cancelled, Done, Failed, Queued, Running};

#[tokio::test(start_paused = true)]
async fn a_task_tells_its_life_and_its_snapshot_is_the_sum_of_it() {
    let work = kind("work", async |input, context: Context| {
        for percent in [20, 40, 60] {
            sleep(Duration::from_millis(150)).await;
            context.progress(percent, "working");
            context.partial(json!(percent)).await;
        }
        Ok(json!({"was": input}))
    });
    let rig = rig(TasksConfig::default(), vec![work]);
    let started = rig.start("work", json!({"n": 1})).await;
    assert_eq!((started.offset, started.room), (1, format!("task:{}", started.task_id)));
    rig.tasks.idle().await;
    let room = format!("task:{}", started.task_id);
    assert_eq!(rig.states(&room).await, [Queued, Running, Done]);
    assert_eq!(rig.states("user:ada").await, [Queued, Running, Done]);
    assert_eq!(rig.updates("user:ada").await.len(), 3, "of changes of state alone");
    let progress: Vec<_> = rig.updates(&room).await.iter().map(|u| u.progress).collect();
    assert_eq!(progress, [0, 0, 20, 40, 60, 100]);
    let events = rig.events(&room).await;
    let pieces: Vec<TaskPartial> = events
        .iter()
        .filter(|(kind, _)| kind == "task:partial")
        .map(|(_, data)| serde_json::from_value(data.clone()).unwrap())
        .collect();
    let told: Vec<_> = pieces.iter().map(|piece| (piece.index, piece.data.clone())).collect();
    assert_eq!(told, [(0, json!(20)), (1, json!(40)), (2, json!(60))]);
    let (offset, state) = rig.snapshot(&started.task_id);
    assert_eq!(offset, events.len() as u64);
    let last = &events.last().unwrap().1;
    assert_eq!(state, json!({"task": last, "partials": [20, 40, 60], "partials_from": 0}));
    assert_eq!(last["result"], json!({"was": {"n": 1}}));
    assert!(last.get("input").is_none() && last.get("error").is_none(), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_chatty_task_does_not_flood_its_room() {
    let chatty = kind("chatty", async |_, context: Context| {
        for number in 0_u32..1_000 {
            context.progress(u8::try_from(number / 10).unwrap(), &number.to_string());
            sleep(Duration::from_millis(1)).await;
        }
        Ok(Value::Null)
    });
    let rig = rig(TasksConfig::default(), vec![chatty]);
    let started = rig.start("chatty", Value::Null).await;
    rig.tasks.idle().await;
    let updates = rig.updates(&started.room).await;
    assert!((10..=14).contains(&updates.len()), "{}", updates.len());
    assert!(updates.windows(2).all(|two| two[0].progress <= two[1].progress));
    assert_eq!(rig.states(&started.room).await, [Queued, Running, Done]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_its_task_and_nothing_else() {
    let bad = kind("bad", async |_, _| panic!("on purpose"));
    let good = kind("good", async |_, _| Ok(json!(1)));
    let rig = rig(TasksConfig::default(), vec![bad, good]);
    let bad = rig.start("bad", Value::Null).await;
    rig.tasks.idle().await;
    let last = rig.last(&bad.room).await;
    let error = last.error.unwrap();
    assert_eq!(
        (last.state, error.code.as_str(), error.retry_available),
        (Failed, "INTERNAL", true)
    );
    assert!(!error.message.contains("purpose"), "the details are for the log alone");
    let good = rig.start("good", Value::Null).await;
    rig.tasks.idle().await;
    assert_eq!(rig.last(&good.room).await.state, Done);
    assert_eq!(rig.tasks.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_drops_the_work_and_raises_its_signal() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    static SIGNALLED: AtomicUsize = AtomicUsize::new(0);
    struct Held;
    impl Drop for Held {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    let endless = kind("endless", async |_, context: Context| {
        let _held = Held;
        let mut signal = context.cancel().clone();
        tokio::spawn(async move {
            signal.cancelled().await;
            SIGNALLED.fetch_add(1, Ordering::SeqCst);
        });
        context.progress(7, "for ever");
        std::future::pending().await
    });
    let config = TasksConfig { running: 1, ..TasksConfig::default() };
    let rig = rig(config, vec![endless]);
    let first = rig.start("endless", Value::Null).await;
    let second = rig.start("endless", Value::Null).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(rig.last(&first.room).await.progress, 7);
    assert_eq!(rig.states(&second.room).await, [Queued]);
    assert!(rig.tasks.cancel(&ada(), &first.task_id).unwrap());
    sleep(Duration::from_millis(1)).await;
    assert_eq!((DROPPED.load(Ordering::SeqCst), SIGNALLED.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(rig.states(&first.room).await, [Queued, Running, Cancelled]);
    assert!(!rig.tasks.cancel(&ada(), &first.task_id).unwrap(), "it has ended");
    assert_eq!(rig.states(&second.room).await, [Queued, Running], "its turn is given on");
    let third = rig.start("endless", Value::Null).await;
    assert!(rig.tasks.cancel(&ada(), &third.task_id).unwrap());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(rig.states(&third.room).await, [Queued, Cancelled], "it never ran");
    let refused = rig.tasks.retry(&ada(), &third.task_id).await.unwrap_err();
    assert_eq!(refused.code(), "bad_request");
    assert!(rig.tasks.cancel(&ada(), &second.task_id).unwrap());
    rig.tasks.idle().await;
    assert_eq!(rig.tasks.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_passing_fault_is_tried_again_with_its_reason_and_a_growing_wait() {
    let flaky = kind("flaky", async |input: Value, context: Context| {
        if u64::from(context.attempt()) < input.as_u64().unwrap() {
            return Err(Fault::passing("FLAKY", "not yet"));
        }
        Ok(json!(context.attempt()))
    });
    let config =
        TasksConfig { retry_base_ms: 1_000, retry_max_ms: 1_500, ..TasksConfig::default() };
    let rig = rig(config, vec![flaky]);
    let begun = Instant::now();
    let started = rig.start("flaky", json!(3)).await;
    rig.tasks.idle().await;
    assert!(begun.elapsed() <= Duration::from_millis(2_600), "{:?}", begun.elapsed());
    let updates = rig.updates(&started.room).await;
    let told: Vec<_> = updates.iter().map(|u| (u.state.clone(), u.attempt)).collect();
    assert_eq!(
        told,
        [
            (Queued, 1),
            (Running, 1),
            (Queued, 1),
            (Running, 2),
            (Queued, 2),
            (Running, 3),
            (Done, 3)
        ]
    );
    for waiting in [&updates[2], &updates[4]] {
        let error = waiting.error.as_ref().unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("FLAKY", "not yet"));
        assert!(waiting.retry_at.as_ref().unwrap() >= &waiting.updated_at);
    }
    assert!([1, 3, 5, 6].map(|at| &updates[at]).iter().all(|u| u.retry_at.is_none()));

    let hopeless = rig.start("flaky", json!(9)).await;
    rig.tasks.idle().await;
    let last = rig.last(&hopeless.room).await;
    assert_eq!((last.state, last.attempt, last.max_attempts), (Failed, 3, 3));
    assert!(last.error.unwrap().retry_available);
}

#[tokio::test(start_paused = true)]
async fn a_wait_can_be_cancelled_and_a_lasting_fault_has_none() {
    let bad = kind("bad", async |input: Value, _| match input.as_bool() {
        Some(true) => Err(Fault { retry_after_ms: 1 << 30, ..Fault::passing("LATER", "later") }),
        _ => Err(Fault::lasting("NEVER", "never")),
    });
    let rig = rig(TasksConfig::default(), vec![bad]);
    let waiting = rig.start("bad", json!(true)).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!((rig.last(&waiting.room).await.state, rig.tasks.counts()), (Queued, (0, 1)));
    let refused = rig.tasks.retry(&ada(), &waiting.task_id).await.unwrap_err();
    assert_eq!(refused.code(), "busy");
    assert!(rig.tasks.cancel(&ada(), &waiting.task_id).unwrap());
    rig.tasks.idle().await;
    assert_eq!(rig.last(&waiting.room).await.state, Cancelled);
    let lasting = rig.start("bad", json!(false)).await;
    rig.tasks.idle().await;
    let last = rig.last(&lasting.room).await;
    assert_eq!((last.state, last.attempt, last.error.unwrap().retry_available), (Failed, 1, false));
    let refused = rig.tasks.retry(&ada(), &lasting.task_id).await.unwrap_err();
    assert_eq!(refused.code(), "bad_request");
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_on_from_the_checkpoint() {
    let steps = kind("steps", async |input: Value, context: Context| {
        let done = context.checkpoint().and_then(|done| done.as_u64()).unwrap_or(0);
        for step in done..4 {
            if step == 2 && context.attempt() == 1 {
                return Err(Fault::on_request("HALFWAY", "stuck"));
            }
            context.partial(json!(step)).await;
            if input == json!("saves") {
                context.save(json!(step + 1));
            }
        }
        Ok(json!(done))
    });
    let rig = rig(TasksConfig::default(), vec![steps]);
    for (input, from, partials) in
        [("saves", 2, json!([0, 1, 2, 3])), ("forgets", 0, json!([0, 1, 0, 1, 2, 3]))]
    {
        let started = rig.start("steps", json!(input)).await;
        rig.tasks.idle().await;
        let last = rig.last(&started.room).await;
        assert_eq!((last.state, last.attempt, last.max_attempts), (Failed, 1, 3), "{input}");
        let again = rig.tasks.retry(&ada(), &started.task_id).await.unwrap();
        assert_eq!((&again.task_id, &again.room), (&started.task_id, &started.room));
        rig.tasks.idle().await;
        let events = rig.events(&again.room).await;
        let at = usize::try_from(again.offset).unwrap() - 1;
        assert_eq!(
            (&events[at].1["state"], &events[at].1["attempt"]),
            (&json!("queued"), &json!(2))
        );
        assert_eq!(events[at - 1].1["state"], "failed", "it follows the end");
        let last = rig.last(&again.room).await;
        assert_eq!((last.state, last.attempt, last.max_attempts), (Done, 2, 4), "{input}");
        assert_eq!(last.result, Some(json!(from)));
        let (_, state) = rig.snapshot(&started.task_id);
        assert_eq!((&state["partials"], &state["partials_from"]), (&partials, &json!(0)));
    }
}

#[tokio::test(start_paused = true)]
async fn limits_are_refused_with_when_to_come_back() {
    let endless = kind("endless", async |_, _| std::future::pending().await);
    let config = TasksConfig {
        running_per_subject: 1,
        queued_per_subject: 1,
        max_input_bytes: 20,
        ..TasksConfig::default()
    };
    let rig = rig(config, vec![endless]);
    let running = rig.start("endless", Value::Null).await;
    sleep(Duration::from_millis(1)).await;
    let queued = rig.start("endless", Value::Null).await;
    let refused = rig.tasks.start(&ada(), "endless", Value::Null).await.unwrap_err();
    assert_eq!(refused.code(), "too_many_tasks");
    assert!(refused.retry_after_ms().is_some());
    let refused = rig.tasks.start(&ada(), "endless", json!("x".repeat(20))).await.unwrap_err();
    assert_eq!(refused.code(), "too_large");
    let refused = rig.tasks.start(&ada(), "other", Value::Null).await.unwrap_err();
    assert_eq!(refused.code(), "not_found");
    // What is refused leaves no place behind.
    assert!(rig.tasks.cancel(&ada(), &queued.task_id).unwrap());
    sleep(Duration::from_millis(1)).await;
    let refused = rig.tasks.start(&ada(), "endless", json!("nonsense")).await.unwrap_err();
    assert_eq!(refused.code(), "bad_request");
    rig.start("endless", Value::Null).await;

    let eve = Owner { tenant: "acme".into(), subject: "eve".into() };
    let elsewhere = Owner { tenant: "other".into(), subject: "ada".into() };
    for stranger in [eve, elsewhere] {
        let theirs = rig.tasks.find(&stranger, &running.task_id).err().unwrap();
        let none = rig.tasks.find(&stranger, "0").err().unwrap();
        assert_eq!((theirs.code(), &theirs), ("not_found", &none), "as if there were none");
        assert!(rig.tasks.of(&stranger).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_large_fails_the_task() {
    let large = kind("large", async |input: Value, context: Context| {
        let large = json!("x".repeat(200));
        if input == json!("partial") {
            context.partial(large).await;
            return Ok(Value::Null);
        }
        Ok(large)
    });
    let rig = rig(TasksConfig { max_result_bytes: 100, ..TasksConfig::default() }, vec![large]);
    for input in ["partial", "result"] {
        let started = rig.start("large", json!(input)).await;
        rig.tasks.idle().await;
        let last = rig.last(&started.room).await;
        assert_eq!((last.state, last.error.unwrap().code.as_str()), (Failed, "RESULT_TOO_LARGE"));
        assert!(last.result.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn finished_tasks_are_kept_for_a_time_and_in_a_number() {
    let quick = kind("quick", async |_, _| Ok(Value::Null));
    let config = TasksConfig { finished_per_subject: 2, finished: 3, ..TasksConfig::default() };
    let rig = rig(config, vec![quick]);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(rig.start("quick", Value::Null).await.task_id);
        rig.tasks.idle().await;
    }
    let kept = || rig.tasks.of(&ada()).iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    assert_eq!(kept(), [ids[3].clone(), ids[2].clone()], "the newest, the newest first");
    for subject in ["bob", "eve"] {
        let owner = Owner { tenant: "acme".into(), subject: subject.into() };
        rig.tasks.start(&owner, "quick", Value::Null).await.unwrap();
        rig.tasks.idle().await;
    }
    assert_eq!(kept(), [ids[3].clone()], "three of all subjects together");
    rig.tasks.sweep(unix_ms());
    assert_eq!(rig.tasks.kept(), 3);
    rig.tasks.sweep(unix_ms() + 3_600_001);
    assert_eq!(rig.tasks.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drains_takes_no_more_and_one_that_stops_cancels_the_rest() {
    let slow = kind("slow", async |input: Value, _| {
        sleep(Duration::from_secs(input.as_u64().unwrap())).await;
        Ok(Value::Null)
    });
    let rig = rig(TasksConfig { running: 2, ..TasksConfig::default() }, vec![slow]);
    let soon = rig.start("slow", json!(1)).await;
    let never = rig.start("slow", json!(1_000)).await;
    let behind = rig.start("slow", json!(1_000)).await;
    rig.tasks.drain(77);
    let refused = rig.tasks.start(&ada(), "slow", json!(1)).await.unwrap_err();
    assert_eq!(refused, Refusal::Draining { retry_after_ms: 77 });
    sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.last(&soon.room).await.state, Done, "what runs goes on");
    assert_eq!(rig.last(&behind.room).await.state, Running, "and what waits is begun");
    rig.tasks.stop().await;
    for room in [never.room, behind.room] {
        let last = rig.last(&room).await;
        assert_eq!((last.state, last.error.unwrap().code.as_str()), (Cancelled, "SHUTDOWN"));
    }
}
