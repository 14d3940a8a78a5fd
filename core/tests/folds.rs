//! What streams of events come to, whether from their beginning or from a snapshot and the rest.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use std::fmt::Debug;

use serde::Serialize;
use serde_json::{Value, json};
use staywire::folds::{
    AnswerState, DashboardState, Fold, GenerationState, GenerationStatus, Inbox, People,
    TaskProgress,
};

const TIME: &str = "2026-11-22T09:30:00.123Z";

type Events = Vec<(&'static str, Value)>;

fn fold<F: Fold>(state: &mut F, events: &[(&str, Value)]) {
    for (kind, data) in events {
        assert!(state.apply(kind, &data.to_string()).unwrap(), "{kind} changes the state");
    }
}

/// Folds all events, and proves that it makes no difference where a snapshot was taken.
fn folded<F: Fold + Serialize + PartialEq + Debug>(start: &Value, events: &Events) -> F {
    let begin = || {
        let mut state = F::default();
        state.restore(&start.to_string()).unwrap();
        state
    };
    let mut whole = begin();
    fold(&mut whole, events);
    for split in 0..=events.len() {
        let mut early = begin();
        fold(&mut early, &events[..split]);
        let mut late = F::default();
        late.restore(&serde_json::to_string(&early).unwrap()).unwrap();
        fold(&mut late, &events[split..]);
        assert_eq!(late, whole, "with a snapshot after {split} events");
    }
    assert!(!whole.apply("of:tomorrow", "{}").unwrap(), "an unknown event changes nothing");
    let mut same = begin();
    assert!(same.restore("{").is_err());
    assert_eq!(same, begin(), "a snapshot that can't be read changes nothing");
    whole
}

fn step(id: &str, number: u64, status: &str, progress: f64) -> (&'static str, Value) {
    let data = json!({
        "session_id": "s1", "step_id": id, "step_number": number, "total_steps": 2,
        "status": status, "progress": progress, "message": format!("{id} is {status}"),
        "estimated_remaining": 1, "timestamp": TIME,
    });
    ("generation:step", data)
}

fn started() -> (&'static str, Value) {
    let data = json!({
        "session_id": "s1", "project_id": "p1", "total_steps": 2, "estimated_time": 2,
        "timestamp": TIME,
    });
    ("generation:started", data)
}

fn generation_error(code: &str) -> (&'static str, Value) {
    let data = json!({
        "session_id": "s1", "step_id": "style", "error_code": code, "error_message": "no disk",
        "retry_available": true, "timestamp": TIME,
    });
    ("generation:error", data)
}

#[test]
fn a_generation_goes_through_its_steps_to_a_page() {
    let events = vec![
        started(),
        step("plan", 1, "pending", 0.0),
        step("plan", 1, "in_progress", 10.0),
        (
            "preview:updated",
            json!({
                "session_id": "s1", "step_id": "plan", "preview_url": "/preview/s1",
                "html_content": "<h1>Hi</h1>", "css_content": "", "js_content": "",
                "metadata": {}, "timestamp": TIME,
            }),
        ),
        step("plan", 1, "completed", 50.0),
        step("style", 2, "pending", 50.0),
        step("style", 2, "failed", 50.0),
        generation_error("GENERATION_FAILED"),
        step("style", 2, "in_progress", 60.0),
        step("style", 2, "completed", 100.0),
        (
            "generation:completed",
            json!({
                "session_id": "s1", "status": "completed", "total_time": 2, "files_generated": 3,
                "final_url": "/preview/s1", "timestamp": TIME,
            }),
        ),
    ];
    let queued = serde_json::to_value(GenerationState::default()).unwrap();
    let state: GenerationState = folded(&queued, &events);
    assert_eq!(state.status, GenerationStatus::Completed);
    assert_eq!((state.percent, state.final_url.as_deref()), (100.0, Some("/preview/s1")));
    assert_eq!(state.steps.len(), 2);
    assert_eq!(state.preview.unwrap().html_content, "<h1>Hi</h1>");
    assert_eq!(state.error, None, "it was tried again");

    let failed: GenerationState = folded(&queued, &events[..8].to_vec());
    assert_eq!(failed.status, GenerationStatus::Failed);
    assert!(failed.error.unwrap().retry_available);
    let stopped: GenerationState = folded(&queued, &vec![started(), generation_error("CANCELLED")]);
    assert_eq!(stopped.status, GenerationStatus::Cancelled);
}

#[test]
fn an_answer_grows_and_becomes_a_turn() {
    let token = |token: &str, index: u64| ("token", json!({"token": token, "index": index}));
    let events = vec![
        ("question", json!({"prompt": "Why?", "user": "ada"})),
        token("Because", 0),
        token(" so.", 1),
        ("complete", json!({"sql": null, "chartConfig": {"type": "bar"}})),
        ("question", json!({"prompt": "And?", "user": "ada"})),
        token("No", 0),
        ("error", json!({"code": "CANCELLED", "message": "stopped"})),
    ];
    let empty = serde_json::to_value(AnswerState::default()).unwrap();
    let first: AnswerState = folded(&empty, &events[..4].to_vec());
    assert_eq!((first.answer.as_str(), first.tokens, first.running), ("Because so.", 2, false));
    assert!(first.complete.is_some() && first.error.is_none());
    let second: AnswerState = folded(&empty, &events);
    let turns: Vec<_> = second.messages.iter().map(|turn| turn.content.as_str()).collect();
    assert_eq!(turns, ["Why?", "Because so.", "And?", "No"]);
    assert!(second.complete.is_none() && second.error.unwrap().code == "CANCELLED");
}

#[test]
fn a_task_keeps_its_latest_pieces() {
    let updated = |state: &str, progress: u8| {
        let data = json!({
            "task_id": "t1", "kind": "k", "state": state, "progress": progress, "message": "",
            "attempt": 1, "max_attempts": 3, "created_at": TIME, "updated_at": TIME,
        });
        ("task:updated", data)
    };
    let most = TaskProgress::MOST_PARTIALS as u64;
    let mut events = vec![updated("running", 0)];
    events
        .extend((0..most + 2).map(|index| {
            ("task:partial", json!({"task_id": "t1", "index": index, "data": index}))
        }));
    let queued = serde_json::to_value(TaskProgress::default()).unwrap();
    let mut state = TaskProgress::default();
    fold(&mut state, &events);
    assert_eq!((state.partials.len() as u64, state.partials_from), (most, 2));
    assert_eq!(state.partials[0], 2);
    let mut few = events[..5].to_vec();
    few.push(updated("done", 100));
    let done: TaskProgress = folded(&queued, &few);
    assert!(done.task.state.is_final());
    assert_eq!(done.partials, [json!(0), json!(1), json!(2), json!(3)]);
}

#[test]
fn people_come_write_and_go() {
    let presence = |user: &str, state: &str, devices: u32| {
        let data = json!({"user": user, "state": state, "devices": devices, "timestamp": TIME});
        ("presence", data)
    };
    let typing = |user: &str, typing: bool| ("typing", json!({"user": user, "typing": typing}));
    let events = vec![
        presence("ada", "here", 1),
        presence("bob", "here", 1),
        typing("ada", true),
        presence("ada", "here", 2),
        presence("bob", "gone", 0),
    ];
    let mut people: People = folded(&json!({"users": {}}), &events);
    assert_eq!(people.users.len(), 1);
    assert_eq!((people.users["ada"].devices, people.users["ada"].typing), (2, true));
    let (kind, data) = typing("bob", true);
    assert!(!people.apply(kind, &data.to_string()).unwrap(), "who is gone writes nothing");
}

#[test]
fn notices_are_read_on_all_devices() {
    let notice = |id: &str| {
        let data = json!({"id": id, "title": "T", "body": "", "level": "info", "timestamp": TIME});
        ("notification", data)
    };
    let read = |ids: &[&str]| ("notification:read", json!({"ids": ids, "timestamp": TIME}));
    let events = vec![notice("a"), notice("b"), read(&["a", "x"]), notice("c")];
    let mut inbox: Inbox = folded(&json!({"notices": []}), &events);
    let unread: Vec<_> = inbox.unread().map(|notice| notice.notification.id.as_str()).collect();
    assert_eq!(unread, ["b", "c"]);
    let (kind, data) = read(&["a"]);
    assert!(!inbox.apply(kind, &data.to_string()).unwrap(), "it was read already");
    for number in 0..300 {
        fold(&mut inbox, &[notice(&number.to_string())]);
    }
    assert_eq!(inbox.notices.len(), Inbox::MOST_NOTICES);
}

#[test]
fn tiles_take_new_values_and_keep_their_latest_points() {
    let start = json!({
        "dashboard_id": "d", "title": "D",
        "tiles": [{"tile_id": "a", "title": "A", "kind": "series", "unit": "/s", "value": 0}],
    });
    let updated = |value: u64| {
        let tile = json!({"tile_id": "a", "value": value, "points": [[value, value]]});
        let unknown = json!({"tile_id": "z", "value": value});
        let data = json!({"dashboard_id": "d", "tiles": [tile, unknown], "timestamp": TIME});
        ("dashboard:updated", data)
    };
    let few: DashboardState = folded(&start, &(1..4).map(updated).collect());
    assert_eq!(few.tiles[0].points, [(1, 1.0), (2, 2.0), (3, 3.0)]);
    let mut state = DashboardState::default();
    state.restore(&start.to_string()).unwrap();
    fold(&mut state, &(1..400).map(updated).collect::<Events>());
    assert_eq!((state.tiles[0].points.len(), state.tiles[0].value.clone()), (300, json!(399)));
}

#[test]
fn an_event_that_is_wrong_is_named_and_changes_nothing() {
    let mut state = GenerationState::default();
    let error = state.apply("generation:step", r#"{"session_id": 3}"#).unwrap_err();
    assert_eq!((error.event(), error.field()), ("generation:step", Some("session_id")));
    assert_eq!(state, GenerationState::default());
}
