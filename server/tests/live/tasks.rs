//! Tasks in the background: they outlive whoever asked, tell all devices, stop, are tried again,
//! keep to their limits, and are nobody else's affair.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use staywire::{CallError, Client, JoinError, JoinFrom, Room, RoomEvent};
use staywire_chaos::Proxy;
use staywire_server::Server;
use staywire_server::bus::memory::{DedupBounds, HistoryBounds, MemoryBus};
use staywire_server::config::Config;
use staywire_server::gateway::Refusal;
use staywire_server::services::tasks::{Context, Fault, Kind, Owner};

use crate::support::{builder, config, connect, serve, token_for, until, within};

/// Hands over pieces, one every few milliseconds; waits at the last one while it is told to.
struct Steady {
    /// Works that are alive.
    alive: Arc<AtomicUsize>,
    /// Signals of cancellation that were seen.
    signals: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Kind for Steady {
    fn name(&self) -> &'static str {
        "steady"
    }

    fn admit<'a>(
        &'a self,
        _owner: &'a Owner,
        _task_id: &'a str,
        input: Value,
    ) -> BoxFuture<'a, Result<Value, Refusal>> {
        let refusal = || Refusal::BadRequest("`pieces` must be a number".into());
        std::future::ready(input["pieces"].as_u64().map(|_| input.clone()).ok_or_else(refusal))
            .boxed()
    }

    fn run(&self, input: Value, context: Context) -> BoxFuture<'static, Result<Value, Fault>> {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let (alive, signals) = (Alive(self.alive.clone()), self.signals.clone());
        async move {
            let _alive = alive;
            let mut signal = context.cancel().clone();
            tokio::spawn(async move {
                signal.cancelled().await;
                signals.fetch_add(1, Ordering::SeqCst);
            });
            if u64::from(context.attempt()) < input["works_at"].as_u64().unwrap_or(1) {
                return Err(Fault::passing("NOT_YET", "comes later"));
            }
            let pieces = input["pieces"].as_u64().unwrap_or(0);
            for piece in 0..pieces {
                context.partial(json!({"piece": piece})).await;
                context.progress(u8::try_from(piece * 100 / pieces).unwrap_or(0), "at it");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            if input["endless"] == json!(true) {
                std::future::pending::<()>().await;
            }
            Ok(json!({"pieces": pieces}))
        }
        .boxed()
    }
}

struct Rig {
    server: Server,
    alive: Arc<AtomicUsize>,
    signals: Arc<AtomicUsize>,
}

async fn rig(change: impl FnOnce(&mut Config)) -> Rig {
    let mut config = config();
    config.tasks.retry_base_ms = 5;
    config.tasks.progress_interval_ms = 20;
    change(&mut config);
    let history = HistoryBounds { events: 10_000, bytes: 1 << 24, max_age_ms: 1 << 32 };
    let dedup = DedupBounds { entries: 64, max_age_ms: 60_000 };
    let bus = Arc::new(MemoryBus::new("tasks", history, dedup));
    let (alive, signals) = (Arc::default(), Arc::default());
    let steady = Steady { alive: Arc::clone(&alive), signals: Arc::clone(&signals) };
    let server = Server::start_with(config, bus, vec![Arc::new(steady)]).await.unwrap();
    Rig { server, alive, signals }
}

async fn call(client: &Client, method: &str, data: Value) -> Result<Value, CallError> {
    within(method, client.call::<_, Value>(method, &data)).await
}

/// Starts a task; its id and its room.
async fn start(client: &Client, kind: &str, input: Value) -> (String, String) {
    let started = call(client, "tasks.start", json!({"kind": kind, "input": input})).await.unwrap();
    let text = |name: &str| started[name].as_str().unwrap().to_owned();
    assert_eq!(text("room"), format!("task:{}", text("task_id")));
    assert_eq!(text("task_id").len(), 32);
    assert!(started["offset"].as_u64().unwrap() >= 1 && !text("epoch").is_empty());
    (text("task_id"), text("room"))
}

fn code(refused: Result<Value, CallError>) -> String {
    match refused {
        Err(CallError::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// What a device makes of a task's room: the snapshot, and every event since.
#[derive(Debug, Default, Clone, PartialEq)]
struct Fold {
    task: Value,
    partials: Vec<Value>,
    from: u64,
    states: Vec<String>,
    offset: u64,
}

impl Fold {
    fn take(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Snapshot(state) => {
                let mut state: Value = serde_json::from_str(state.get()).unwrap();
                if state.get("task").is_none() {
                    return; // The state of another sort of room.
                }
                self.task = state["task"].take();
                self.partials = state["partials"].as_array().unwrap().clone();
                self.from = state["partials_from"].as_u64().unwrap();
            }
            RoomEvent::Event(event) => {
                let offset = event.offset().unwrap();
                assert!(self.offset == 0 || offset == self.offset + 1, "lost or doubled");
                self.offset = offset;
                let data: Value = event.data().unwrap();
                if &*event.kind().unwrap() == "task:partial" {
                    let next = self.from + self.partials.len() as u64;
                    assert_eq!(data["index"], json!(next), "lost or doubled");
                    self.partials.push(data["data"].clone());
                    return;
                }
                let state = data["state"].as_str().unwrap().to_owned();
                if self.states.last() != Some(&state) {
                    self.states.push(state);
                }
                self.task = data;
            }
            RoomEvent::Gap(gap) => panic!("a gap: {gap:?}"),
        }
    }

    fn has_ended(&self) -> bool {
        matches!(self.task["state"].as_str(), Some("done" | "failed" | "cancelled"))
    }

    async fn until_the_end(mut self, room: &mut Room) -> Self {
        while !self.has_ended() {
            let event = within("the next event", room.next()).await;
            self.take(event.unwrap_or_else(|| panic!("the room ended: {:?}", room.error())));
        }
        self
    }
}

async fn whole(client: &Client, room: &str) -> Fold {
    let mut room = client.join_from(room, JoinFrom::History(10_000)).await.unwrap();
    Fold::default().until_the_end(&mut room).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_outlives_the_one_who_asked_and_another_device_sees_its_end() {
    let Rig { server, .. } = rig(|_| {}).await;
    let phone = connect(&server, server.address(), "ada").await;
    let laptop = connect(&server, server.address(), "ada").await;
    let mut mine = laptop.join("user:ada").await.unwrap();
    let (id, room) = start(&phone, "steady", json!({"pieces": 100})).await;
    within("closing", phone.close()).await;
    let mut joined = laptop.join(&room).await.unwrap();
    let fold = Fold::default().until_the_end(&mut joined).await;
    assert_eq!(
        (&fold.task["state"], &fold.task["result"]),
        (&json!("done"), &json!({"pieces": 100}))
    );
    assert_eq!(fold.from + fold.partials.len() as u64, 100);
    let told = Fold::default().until_the_end(&mut mine).await;
    assert_eq!(told.states, ["queued", "running", "done"]);
    assert_eq!(told.task, fold.task, "the same to all devices");
    let got = call(&laptop, "tasks.get", json!({"task_id": id})).await.unwrap();
    assert_eq!((&got["state"], &got["input"]), (&json!("done"), &json!({"pieces": 100})));
    let listed = call(&laptop, "tasks.list", json!({"state": "done"})).await.unwrap();
    assert_eq!(listed["tasks"][0], fold.task, "as it was told, without its input");
    let none = call(&laptop, "tasks.list", json!({"state": "failed"})).await.unwrap();
    assert_eq!(none, json!({"tasks": []}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_reaches_the_work() {
    let Rig { server, alive, signals } = rig(|_| {}).await;
    let client = connect(&server, server.address(), "ada").await;
    let (id, room) = start(&client, "steady", json!({"pieces": 1, "endless": true})).await;
    until("it works", || alive.load(Ordering::SeqCst) == 1).await;
    let cancelled = call(&client, "tasks.cancel", json!({"task_id": id})).await.unwrap();
    assert_eq!(cancelled, json!({"cancelled": true}));
    until("the work is gone", || alive.load(Ordering::SeqCst) == 0).await;
    until("its signal was raised", || signals.load(Ordering::SeqCst) == 1).await;
    let fold = whole(&client, &room).await;
    assert_eq!(fold.states, ["queued", "running", "cancelled"]);
    assert!(fold.task.get("result").is_none() && fold.task.get("error").is_none());
    let again = call(&client, "tasks.cancel", json!({"task_id": id})).await.unwrap();
    assert_eq!(again, json!({"cancelled": false}));
    assert_eq!(code(call(&client, "tasks.retry", json!({"task_id": id})).await), "bad_request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_told_and_tried_again_unasked_and_asked() {
    let Rig { server, .. } = rig(|config| config.tasks.max_attempts = 2).await;
    let client = connect(&server, server.address(), "ada").await;
    let (id, room) = start(&client, "steady", json!({"pieces": 3, "works_at": 3})).await;
    let failed = whole(&client, &room).await;
    assert_eq!(failed.states, ["queued", "running", "queued", "running", "failed"]);
    let error = json!({"code": "NOT_YET", "message": "comes later", "retry_available": true});
    assert_eq!(failed.task["error"], error);
    assert_eq!((&failed.task["attempt"], &failed.task["max_attempts"]), (&json!(2), &json!(2)));
    let again = call(&client, "tasks.retry", json!({"task_id": id})).await.unwrap();
    let (epoch, offset) = (again["epoch"].as_str().unwrap().to_owned(), again["offset"].as_u64());
    let from = JoinFrom::Position { epoch, offset: offset.unwrap() - 1 };
    let mut joined = client.join_from(&room, from).await.unwrap();
    let done = Fold::default().until_the_end(&mut joined).await;
    assert_eq!(done.states, ["queued", "running", "done"]);
    assert_eq!((&done.task["attempt"], done.partials.len()), (&json!(3), 3));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_has_its_limit_and_others_are_not_held_up_by_it() {
    let rig = rig(|config| {
        config.tasks.running_per_tenant = 1;
        config.tasks.queued_per_tenant = 1;
    });
    let Rig { server, alive, .. } = rig.await;
    let ada = connect(&server, server.address(), "ada").await;
    let bob = connect(&server, server.address(), "bob").await;
    let endless = || json!({"pieces": 1, "endless": true});
    let (running, _) = start(&ada, "steady", endless()).await;
    until("it works", || alive.load(Ordering::SeqCst) == 1).await;
    let (_, queued) = start(&bob, "steady", endless()).await;
    let input = json!({"kind": "steady", "input": endless()});
    let Err(CallError::Refused(refusal)) = call(&ada, "tasks.start", input).await else {
        panic!("the tenant is full")
    };
    assert_eq!(refusal.code, "too_many_tasks");
    assert!(refusal.retry_after.is_some());
    let elsewhere = token_for(&server, "ada", "other", Duration::from_secs(600));
    let elsewhere = builder(server.address()).token(elsewhere).build().unwrap();
    elsewhere.connect().await.unwrap();
    start(&elsewhere, "steady", endless()).await;
    until("the other tenant's works", || alive.load(Ordering::SeqCst) == 2).await;
    call(&ada, "tasks.cancel", json!({"task_id": running})).await.unwrap();
    let mut room = bob.join_from(&queued, JoinFrom::History(100)).await.unwrap();
    let mut fold = Fold::default();
    while fold.states.last().map(String::as_str) != Some("running") {
        fold.take(within("its turn", room.next()).await.unwrap());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_nobody_elses_affair() {
    let Rig { server, .. } = rig(|_| {}).await;
    let ada = connect(&server, server.address(), "ada").await;
    let (id, room) = start(&ada, "steady", json!({"pieces": 1, "endless": true})).await;
    let eve = connect(&server, server.address(), "eve").await;
    let elsewhere = token_for(&server, "ada", "other", Duration::from_secs(600));
    let elsewhere = builder(server.address()).token(elsewhere).build().unwrap();
    elsewhere.connect().await.unwrap();
    for stranger in [&eve, &elsewhere] {
        for method in ["tasks.get", "tasks.cancel", "tasks.retry"] {
            let theirs = call(stranger, method, json!({"task_id": id})).await;
            let none = call(stranger, method, json!({"task_id": "0".repeat(32)})).await;
            assert_eq!(theirs, none, "as if there were none");
            assert_eq!(code(theirs), "not_found");
        }
        let refused = stranger.join(&room).await.unwrap_err();
        assert!(matches!(refused, JoinError::Refused(refusal) if refusal.code == "not_found"));
        let listed = call(stranger, "tasks.list", json!({})).await.unwrap();
        assert_eq!(listed, json!({"tasks": []}));
    }
    let refused = ada.publish(&room, "task:updated", &json!({})).await;
    assert!(refused.is_err(), "only the server writes there");
    assert_eq!(code(call(&ada, "tasks.start", json!({"kind": "x"})).await), "not_found");
    let wrong = json!({"kind": "steady", "input": {"pieces": "many"}});
    assert_eq!(code(call(&ada, "tasks.start", wrong).await), "bad_request");
    let wrong = call(&ada, "tasks.list", json!({"state": "bored"})).await;
    assert_eq!(code(wrong), "bad_request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_lose_nothing_and_double_nothing() {
    let Rig { server, .. } = rig(|_| {}).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let client = connect(&server, proxy.address(), "ada").await;
    let (_, room) = start(&client, "steady", json!({"pieces": 200})).await;
    let mut joined = client.join_from(&room, JoinFrom::History(10_000)).await.unwrap();
    let mut fold = Fold::default();
    while !fold.has_ended() {
        fold.take(within("the next event", joined.next()).await.unwrap());
        if fold.offset.is_multiple_of(40) {
            proxy.cut();
        }
    }
    assert!(proxy.accepted() > 3, "it was cut");
    let expected: Vec<_> = (0..200).map(|piece| json!({"piece": piece})).collect();
    assert_eq!((fold.from, fold.partials), (0, expected));
    assert_eq!(fold.states, ["queued", "running", "done"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_gets_the_state_and_the_rest() {
    let Rig { server, .. } = rig(|_| {}).await;
    let phone = connect(&server, server.address(), "ada").await;
    let laptop = connect(&server, server.address(), "ada").await;
    let (_, room) = start(&phone, "steady", json!({"pieces": 100})).await;
    let mut first = phone.join_from(&room, JoinFrom::History(10_000)).await.unwrap();
    let (mut full, mut late) = (Fold::default(), Vec::new());
    for _ in 0..10 {
        for _ in 0..8 {
            full.take(within("the next event", first.next()).await.unwrap());
        }
        late.push(laptop.join(&room).await.unwrap());
    }
    let full = full.until_the_end(&mut first).await;
    let mut in_the_middle = 0;
    for mut room in late {
        let first = within("the state", room.next()).await.unwrap();
        assert!(matches!(first, RoomEvent::Snapshot(_)), "{first:?}");
        let mut fold = Fold::default();
        fold.take(first);
        in_the_middle += usize::from(!fold.has_ended());
        let fold = fold.until_the_end(&mut room).await;
        assert_eq!((&fold.task, fold.from, &fold.partials), (&full.task, 0, &full.partials));
    }
    assert!(in_the_middle > 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_made_in_the_background() {
    let server = serve(config()).await;
    let client = connect(&server, server.address(), "ada").await;
    let (_, room) =
        start(&client, "answer", json!({"prompt": "Show revenue by region in 2025"})).await;
    let fold = whole(&client, &room).await;
    let result = &fold.task["result"];
    let text: String = fold.partials.iter().map(|p| p["token"].as_str().unwrap()).collect();
    assert_eq!(result["text"], json!(text));
    assert!(text.contains("Europe") && result["sql"].as_str().unwrap().starts_with("SELECT"));
    assert!(result["chartConfig"]["data"].is_object(), "{result}");
    let empty = json!({"kind": "answer", "input": {"prompt": " "}});
    assert_eq!(code(call(&client, "tasks.start", empty).await), "bad_request");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_says_so_to_its_tasks() {
    let Rig { server, alive, .. } = rig(|_| {}).await;
    let client = connect(&server, server.address(), "ada").await;
    let (_, room) = start(&client, "steady", json!({"pieces": 1, "endless": true})).await;
    until("it works", || alive.load(Ordering::SeqCst) == 1).await;
    let mut joined = client.join_from(&room, JoinFrom::History(100)).await.unwrap();
    let (fold, ()) = tokio::join!(Fold::default().until_the_end(&mut joined), server.stop());
    assert_eq!(
        (&fold.task["state"], &fold.task["error"]["code"]),
        (&json!("cancelled"), &json!("SHUTDOWN"))
    );
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}
