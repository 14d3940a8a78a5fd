//! Websites from prompts: the events of a generation in their order, with every field; its
//! preview; and what becomes of it when something goes wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use staywire::folds::{Fold, GenerationState};
use staywire::{CallError, Client, JoinError, JoinFrom, Room, RoomEvent};
use staywire_server::Server;
use staywire_server::config::Config;

use crate::support::{config, connect, rig, serve, within};

const SHOP: &str =
    "A shop called \"Clay & Co\" that sells handmade ceramics, with a gallery and dark mode";

const STEPS: [&str; 6] = ["understand", "plan", "structure", "style", "behaviour", "check"];

fn quick() -> Config {
    let mut config = config();
    config.generation.step_delay_ms = 0;
    config
}

fn paced(step_delay_ms: u64) -> Config {
    let mut config = config();
    config.generation.step_delay_ms = step_delay_ms;
    config
}

async fn call(client: &Client, method: &str, data: Value) -> Result<Value, CallError> {
    within(method, client.call::<_, Value>(method, &data)).await
}

fn code<T: std::fmt::Debug>(refused: Result<T, CallError>) -> String {
    match refused {
        Err(CallError::Refused(refusal)) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// A generation that was asked for, and its room from the very first event.
struct Begun {
    reply: Value,
    session_id: String,
    room: Room,
}

async fn follow(client: &Client, reply: Value) -> Begun {
    let text = |name: &str| reply[name].as_str().unwrap().to_owned();
    let offset = reply["offset"].as_u64().unwrap();
    let from = JoinFrom::Position { epoch: text("epoch"), offset };
    let session_id = text("session_id");
    assert_eq!(text("room"), format!("session:{session_id}"));
    assert_eq!((text("task_id").len(), text("project_id").is_empty()), (32, false));
    let room = within("joining", client.join_from(&text("room"), from)).await.unwrap();
    Begun { session_id, room, reply }
}

async fn start(client: &Client, prompt: &str) -> Begun {
    let reply = call(client, "generation.start", json!({"prompt": prompt})).await.unwrap();
    follow(client, reply).await
}

type Event = (u64, String, Value);

async fn next(room: &mut Room) -> Event {
    match within("the next event", room.next()).await {
        Some(RoomEvent::Event(event)) => {
            let kind = event.kind().unwrap().into_owned();
            (event.offset().unwrap(), kind, event.data().unwrap())
        }
        other => panic!("no event: {other:?}, {:?}", room.error()),
    }
}

/// All events up to the end of the generation.
async fn to_the_end(room: &mut Room) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let event = next(room).await;
        let last = matches!(event.1.as_str(), "generation:completed" | "generation:error");
        events.push(event);
        if last {
            return events;
        }
    }
}

/// Kinds and states in short: `plan completed`.
fn brief(events: &[Event]) -> Vec<String> {
    let brief = |(_, kind, data): &Event| match kind.as_str() {
        "generation:step" => {
            format!("{} {}", data["step_id"].as_str().unwrap(), data["status"].as_str().unwrap())
        }
        "preview:updated" => format!("{} previewed", data["step_id"].as_str().unwrap()),
        kind => kind.to_owned(),
    };
    events.iter().map(brief).collect()
}

/// What the conventions ask for, from the step `first` on.
fn expected(first: usize) -> Vec<String> {
    let mut flow = Vec::new();
    if first == 0 {
        flow.push("generation:started".to_owned());
    }
    for step in &STEPS[first..] {
        flow.extend([format!("{step} pending"), format!("{step} in_progress")]);
        if ["structure", "style", "behaviour"].contains(step) {
            flow.push(format!("{step} previewed"));
        }
        flow.push(format!("{step} completed"));
    }
    flow.push("generation:completed".to_owned());
    flow
}

/// What the events of a session add up to, worked out from the conventions alone.
fn fold(mut state: Value, events: &[Event]) -> Value {
    for (_, kind, data) in events {
        match kind.as_str() {
            "generation:started" => {
                state["status"] = json!("running");
                state["message"] = json!("");
                state["total_steps"] = data["total_steps"].clone();
                state["steps"] = json!([]);
            }
            "generation:step" => {
                state["status"] = json!("running");
                state["error"] = Value::Null;
                state["percent"] = data["progress"].clone();
                for field in ["message", "step_number", "total_steps"] {
                    state[field] = data[field].clone();
                }
                let step = ["step_id", "step_number", "status", "message"]
                    .map(|field| (field.to_owned(), data[field].clone()));
                let step = Value::Object(step.into_iter().collect());
                let steps = state["steps"].as_array_mut().unwrap();
                match steps.iter_mut().find(|known| known["step_id"] == step["step_id"]) {
                    Some(known) => *known = step,
                    None => steps.push(step),
                }
            }
            "preview:updated" => {
                let fields =
                    ["preview_url", "html_content", "css_content", "js_content", "step_id"]
                        .map(|field| (field.to_owned(), data[field].clone()));
                state["preview"] = Value::Object(fields.into_iter().collect());
            }
            "preview:error" => {}
            "generation:completed" => {
                state["status"] = json!("completed");
                state["percent"] = json!(100);
                state["final_url"] = data["final_url"].clone();
            }
            "generation:error" => {
                let cancelled = data["error_code"] == "CANCELLED";
                state["status"] = json!(if cancelled { "cancelled" } else { "failed" });
                state["message"] = data["error_message"].clone();
                let mut error = data.clone();
                let fields = error.as_object_mut().unwrap();
                fields.entry("step_id").or_insert(Value::Null);
                state["error"] = error;
            }
            other => panic!("{other}"),
        }
    }
    state
}

/// What our own client makes of a snapshot and the events after it.
fn as_client(state: &Value, events: &[Event]) -> GenerationState {
    let mut shown = GenerationState::default();
    shown.restore(&state.to_string()).unwrap();
    for (_, kind, data) in events {
        shown.apply(kind, &data.to_string()).unwrap();
    }
    shown
}

/// A session that was asked for and has not begun.
fn queued(reply: &Value) -> Value {
    json!({
        "session_id": reply["session_id"], "project_id": reply["project_id"],
        "task_id": reply["task_id"], "status": "queued", "percent": 0,
        "message": "waits for its turn", "step_number": 0, "total_steps": 0, "steps": [],
        "preview": null, "error": null, "final_url": null,
    })
}

async fn snapshot(client: &Client, room: &str) -> (Value, Room) {
    let mut room = within("joining", client.join(room)).await.unwrap();
    match within("the state", room.next()).await {
        Some(RoomEvent::Snapshot(state)) => (serde_json::from_str(state.get()).unwrap(), room),
        other => panic!("no state: {other:?}"),
    }
}

/// Status, headers in small letters, and body.
async fn get(server: &Server, path: &str) -> (u16, BTreeMap<String, String>, String) {
    let url = format!("http://{}{path}", server.address());
    let ask = move || {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(&url).call().unwrap();
        let headers = answer.headers().iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        (answer.status().as_u16(), headers.collect(), answer.body_mut().read_to_string().unwrap())
    };
    within("an HTTP answer", tokio::task::spawn_blocking(ask)).await.unwrap()
}

fn is_moment(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flow_is_that_of_the_conventions_with_every_field() {
    let server = serve(quick()).await;
    let client = connect(&server, server.address(), "ada").await;
    let data = json!({"prompt": SHOP, "project_id": "p-1", "session_id": "a-session-of-mine"});
    let reply = call(&client, "generation.start", data).await.unwrap();
    let mut begun = follow(&client, reply).await;
    let events = to_the_end(&mut begun.room).await;
    assert_eq!(brief(&events), expected(0));
    let mut progress = 0;
    for (_, kind, data) in &events {
        let mut fields: Vec<_> = data.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort_unstable();
        assert_eq!(data["session_id"], "a-session-of-mine");
        assert!(is_moment(&data["timestamp"]), "{data}");
        let wanted: &[&str] = match kind.as_str() {
            "generation:started" => {
                assert_eq!((&data["project_id"], &data["total_steps"]), (&json!("p-1"), &json!(6)));
                assert!(data["estimated_time"].is_number());
                &["estimated_time", "project_id", "session_id", "timestamp", "total_steps"]
            }
            "generation:step" => {
                let number = data["step_number"].as_u64().unwrap();
                let at = usize::try_from(number - 1).unwrap();
                assert_eq!(
                    (&data["step_id"], &data["total_steps"]),
                    (&json!(STEPS[at]), &json!(6))
                );
                let done = number - u64::from(data["status"] != "completed");
                assert_eq!(data["progress"], json!(done * 100 / 6));
                assert!(data["progress"].as_u64().unwrap() >= progress, "never back");
                progress = data["progress"].as_u64().unwrap();
                assert!(data["estimated_remaining"].as_f64().unwrap() >= 0.0);
                assert!(data["message"].as_str().is_some_and(|message| message.len() > 3));
                &[
                    "estimated_remaining",
                    "message",
                    "progress",
                    "session_id",
                    "status",
                    "step_id",
                    "step_number",
                    "timestamp",
                    "total_steps",
                ]
            }
            "preview:updated" => {
                assert_eq!(data["preview_url"], "/preview/a-session-of-mine");
                assert!(data["html_content"].as_str().unwrap().contains("Clay &amp; Co"));
                assert!(data["metadata"].is_object());
                &[
                    "css_content",
                    "html_content",
                    "js_content",
                    "metadata",
                    "preview_url",
                    "session_id",
                    "step_id",
                    "timestamp",
                ]
            }
            _ => {
                assert_eq!(
                    (&data["status"], &data["files_generated"]),
                    (&json!("completed"), &json!(3))
                );
                assert_eq!(data["final_url"], "/preview/a-session-of-mine");
                assert!((0.0..20.0).contains(&data["total_time"].as_f64().unwrap()));
                &["files_generated", "final_url", "session_id", "status", "timestamp", "total_time"]
            }
        };
        assert_eq!(fields, wanted, "{kind}");
    }
    let previews: Vec<_> = events.iter().filter(|(_, kind, _)| kind == "preview:updated").collect();
    assert!(previews[0].2["css_content"] == "" && previews[1].2["js_content"] == "");
    assert!(previews[2].2["js_content"].as_str().unwrap().contains("theme"), "as it was asked for");
    let task =
        call(&client, "tasks.get", json!({"task_id": begun.reply["task_id"]})).await.unwrap();
    assert_eq!((&task["state"], &task["kind"]), (&json!("done"), &json!("generation")));
    assert_eq!(task["result"]["final_url"], "/preview/a-session-of-mine");

    // The session is free for another, whose events follow.
    let data = json!({"prompt": "blog about tea", "session_id": "a-session-of-mine"});
    let reply = call(&client, "generation.start", data).await.unwrap();
    assert_eq!(reply["offset"], json!(events.last().unwrap().0));
    assert_eq!(brief(&to_the_end(&mut begun.room).await), expected(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_boxed_in_and_its_prompt_stays_text() {
    let mut config = quick();
    config.allowed_origins = vec!["https://app.example.com".into()];
    let server = serve(config).await;
    let client = connect(&server, server.address(), "ada").await;
    let prompt =
        "a site called \"<script>alert(1)</script></title>\" with <img src=x onerror=alert(2)>";
    let mut begun = start(&client, prompt).await;
    to_the_end(&mut begun.room).await;
    let (status, headers, body) = get(&server, &format!("/preview/{}", begun.session_id)).await;
    assert_eq!(status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(headers[name], value);
    }
    let policy: Vec<_> = headers["content-security-policy"].split("; ").collect();
    for rule in [
        "sandbox allow-scripts",
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "script-src 'unsafe-inline'",
        "img-src data:",
        "frame-ancestors 'self' https://app.example.com",
    ] {
        assert!(policy.contains(&rule), "{rule}: {policy:?}");
    }
    assert!(body.starts_with("<!DOCTYPE html>"));
    assert_eq!(body.matches("<script").count(), 1, "our own alone");
    assert_eq!(body.matches("</title").count(), 1);
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;&lt;/title&gt;"), "{body}");
    assert!(!body.contains("<img") && !body.contains("http://") && !body.contains("https://"));
    let (status, headers, body) = get(&server, "/preview/nobody").await;
    let refusal: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &refusal["code"]), (404, &json!("not_found")));
    assert_eq!(headers["content-type"], "application/json");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_goes_on_without_its_caller_and_cuts_lose_and_double_nothing() {
    let (server, proxy) = rig(paced(40)).await;
    let phone = connect(&server, server.address(), "ada").await;
    let laptop = connect(&server, proxy.address(), "ada").await;
    let reply = call(&phone, "generation.start", json!({"prompt": SHOP})).await.unwrap();
    within("closing", phone.close()).await;
    let mut begun = follow(&laptop, reply).await;
    let mut events = Vec::new();
    loop {
        let event = next(&mut begun.room).await;
        let last = event.1 == "generation:completed";
        events.push(event);
        if last {
            break;
        }
        if events.len() % 5 == 0 {
            proxy.cut();
        }
    }
    assert!(proxy.accepted() > 3, "it was cut");
    let offsets: Vec<_> = events.iter().map(|(offset, ..)| *offset).collect();
    assert_eq!(offsets, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(brief(&events), expected(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_joiner_gets_the_state_and_the_rest() {
    let server = serve(paced(20)).await;
    let phone = connect(&server, server.address(), "ada").await;
    let laptop = connect(&server, server.address(), "ada").await;
    let mut begun = start(&phone, SHOP).await;
    let name = begun.reply["room"].as_str().unwrap().to_owned();
    let mut late = Vec::new();
    let mut events = Vec::new();
    while events.len() < 20 {
        late.push(snapshot(&laptop, &name).await);
        events.push(next(&mut begun.room).await);
    }
    events.extend(to_the_end(&mut begun.room).await);
    let full = fold(queued(&begun.reply), &events);
    assert_eq!(full["status"], "completed");
    let mut in_the_middle = 0;
    for (state, mut room) in late {
        if state["status"] == "completed" {
            assert_eq!(state, full);
            continue;
        }
        in_the_middle += 1;
        let tail = to_the_end(&mut room).await;
        assert_eq!(as_client(&state, &tail), as_client(&full, &[]));
        assert_eq!(fold(state, &tail), full);
    }
    assert!(in_the_middle > 0);
    assert_eq!(snapshot(&laptop, &name).await.0, full);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_goes_on_with_the_step_that_failed() {
    let mut config = quick();
    config.generation.previews = 1;
    let server = serve(config).await;
    let client = connect(&server, server.address(), "ada").await;
    let mut first = start(&client, SHOP).await;
    to_the_end(&mut first.room).await;
    // The one place is taken, and may not be given away.
    server.previews().hold(&first.session_id);
    let mut second = start(&client, "blog about tea").await;
    let failed = to_the_end(&mut second.room).await;
    let mut flow = expected(0);
    flow.truncate(9);
    flow.extend(["preview:error", "structure failed", "generation:error"].map(String::from));
    assert_eq!(brief(&failed), flow);
    let (_, _, preview) = &failed[9];
    assert_eq!(preview["error_code"], "PREVIEW_STORE_FULL");
    let (_, _, error) = failed.last().unwrap();
    assert_eq!(
        (&error["error_code"], &error["step_id"]),
        (&json!("PREVIEW_STORE_FULL"), &json!("structure"))
    );
    assert_eq!((&error["retry_available"], is_moment(&error["timestamp"])), (&json!(true), true));
    let room = format!("session:{}", second.session_id);
    let (state, _room) = snapshot(&client, &room).await;
    assert_eq!(state, fold(queued(&second.reply), &failed));
    assert_eq!(as_client(&state, &[]), as_client(&queued(&second.reply), &failed));
    server.previews().release(&first.session_id);
    let data = json!({"session_id": second.session_id});
    let reply = call(&client, "generation.retry", data.clone()).await.unwrap();
    assert_eq!(reply["task_id"], second.reply["task_id"]);
    assert_eq!(reply["offset"], json!(failed.last().unwrap().0));
    let rest = to_the_end(&mut second.room).await;
    assert_eq!(brief(&rest), expected(2), "what was completed is not done or told again");
    assert_eq!(code(call(&client, "generation.retry", data).await), "bad_request");
    assert_eq!(get(&server, &format!("/preview/{}", second.session_id)).await.0, 200);
    assert_eq!(
        get(&server, &format!("/preview/{}", first.session_id)).await.0,
        404,
        "it made room"
    );
    let (state, _room) = snapshot(&client, &format!("session:{}", first.session_id)).await;
    assert_eq!((&state["status"], &state["preview"]), (&json!("completed"), &Value::Null));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_try_would_meet_again_can_not_be_tried_again() {
    let mut config = quick();
    config.generation.max_output_bytes = 7_000;
    let server = serve(config).await;
    let client = connect(&server, server.address(), "ada").await;
    let sections: Vec<_> = (0..14).map(|n| format!("topic{n}")).collect();
    let many = format!("A site with sections: {}", sections.join(", "));
    for (prompt, step, code_of) in
        [(many.as_str(), "plan", "TOO_MANY_SECTIONS"), (SHOP, "", "OUTPUT_TOO_LARGE")]
    {
        let mut begun = start(&client, prompt).await;
        let events = to_the_end(&mut begun.room).await;
        let (_, _, error) = events.last().unwrap();
        assert_eq!(
            (&error["error_code"], &error["retry_available"]),
            (&json!(code_of), &json!(false))
        );
        assert!(step.is_empty() || error["step_id"] == step);
        let (_, _, failed) = &events[events.len() - 2];
        assert_eq!((&failed["status"], &failed["step_id"]), (&json!("failed"), &error["step_id"]));
        let retry =
            call(&client, "generation.retry", json!({"session_id": begun.session_id})).await;
        assert_eq!(code(retry), "bad_request");
    }
    for (data, refusal) in [
        (json!({"prompt": " \n\u{7} "}), "bad_request"),
        (json!({}), "bad_request"),
        (json!({"prompt": "x", "session_id": "a/b"}), "bad_request"),
        (json!({"prompt": "x".repeat(10_000)}), "too_large"),
    ] {
        assert_eq!(code(call(&client, "generation.start", data).await), refusal);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_it_in_the_middle() {
    let server = serve(paced(60_000)).await;
    let client = connect(&server, server.address(), "ada").await;
    let mut begun = start(&client, SHOP).await;
    while next(&mut begun.room).await.2["status"] != "in_progress" {}
    let id = json!({"session_id": begun.session_id});
    let busy = json!({"session_id": begun.session_id, "prompt": "x"});
    assert_eq!(code(call(&client, "generation.start", busy).await), "busy");
    let cancelled = call(&client, "generation.cancel", id.clone()).await.unwrap();
    assert_eq!(cancelled, json!({"cancelled": true}));
    let end = to_the_end(&mut begun.room).await;
    assert_eq!(brief(&end), ["understand failed", "generation:error"]);
    let (_, _, error) = &end[1];
    assert_eq!(
        (&error["error_code"], &error["retry_available"]),
        (&json!("CANCELLED"), &json!(false))
    );
    let (state, _room) = snapshot(&client, &format!("session:{}", begun.session_id)).await;
    assert_eq!(state["status"], "cancelled");
    let again = call(&client, "generation.cancel", id).await.unwrap();
    assert_eq!(again, json!({"cancelled": false}));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_belongs_to_its_first_subject() {
    let server = serve(quick()).await;
    let ada = connect(&server, server.address(), "ada").await;
    let eve = connect(&server, server.address(), "eve").await;
    let data = json!({"prompt": SHOP, "session_id": "mine"});
    let reply = call(&ada, "generation.start", data.clone()).await.unwrap();
    let mut begun = follow(&ada, reply).await;
    to_the_end(&mut begun.room).await;
    assert_eq!(code(call(&eve, "generation.start", data).await), "session_taken");
    let refused = eve.join_from("session:mine", JoinFrom::History(100)).await.unwrap_err();
    assert!(matches!(refused, JoinError::Refused(refusal) if refusal.code == "session_taken"));
    for method in ["generation.cancel", "generation.retry"] {
        let theirs = call(&eve, method, json!({"session_id": "mine"})).await;
        assert_eq!(theirs, call(&eve, method, json!({"session_id": "none"})).await);
        assert_eq!(code(theirs), "not_found");
    }
    server.stop().await;
}
