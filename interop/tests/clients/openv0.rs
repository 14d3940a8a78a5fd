//! The documents' own program: its React hook's connection, its Python services, our server between.

use serde_json::{Value, json};
use staywire_interop::Peer;

use crate::server::{SERVICE_TOKEN, Server};
use crate::stock::{Maker, Stock, code};

/// As `useWebSocket` makes it, but for the URL.
fn hook(session_id: &str) -> Value {
    json!({
        "query": {"session_id": session_id},
        "transports": ["websocket", "polling"],
        "reconnection": true,
        "reconnectionAttempts": 5,
        "reconnectionDelay": 1000,
    })
}

fn server() -> Server {
    Server::with(&format!(
        "[emit]\nservice_token = '{SERVICE_TOKEN}'\n[generation]\nstep_delay_ms = 1\n"
    ))
}

/// Sends an event to a session from outside.
pub(crate) fn emit(server: &Server, session_id: &str, event: &str, data: Value) {
    let body = json!({"session_id": session_id, "event": event, "data": data});
    let response = ureq::post(server.url("/internal/emit"))
        .header("Authorization", format!("Bearer {SERVICE_TOKEN}"))
        .send_json(body);
    assert_eq!(response.unwrap().status(), 200);
}

/// Follows a generation: the steps in the order of the document's flow.
fn follow(stock: &mut Stock, session_id: &str) -> Vec<(String, Value)> {
    let mut told = Vec::new();
    loop {
        let (name, data) = stock.next_event();
        if name == "heartbeat" || name == "connected" || name == "stats" {
            continue;
        }
        assert_eq!(data["session_id"], session_id, "{name}");
        let ended = name == "generation:completed" || name == "generation:error";
        told.push((name, data));
        if ended {
            return told;
        }
    }
}

fn has(data: &Value, fields: &[&str]) {
    for field in fields {
        assert!(!data[field].is_null(), "no {field} in {data}");
    }
}

#[test]
fn the_hook_sees_a_generation_from_its_start_to_its_page() {
    let server = server();
    let mut stock = Stock::connect(Maker::Node, &server.url("/ws"), &hook("openv0"));
    assert_eq!(stock.event("connected")["session_id"], "openv0");
    let begun =
        stock.ask("generation.start", json!({"prompt": "A bakery", "session_id": "openv0"}));
    has(&begun, &["task_id", "project_id"]);
    let told = follow(&mut stock, "openv0");
    assert_eq!(told[0].0, "generation:started");
    has(&told[0].1, &["project_id", "total_steps", "estimated_time", "timestamp"]);
    let mut statuses = Vec::new();
    for (name, data) in &told {
        match name.as_str() {
            "generation:step" => {
                has(data, &["step_id", "step_number", "total_steps", "progress", "message"]);
                has(data, &["estimated_remaining", "timestamp"]);
                statuses.push((data["step_number"].as_u64().unwrap(), data["status"].clone()));
            }
            "preview:updated" => {
                has(data, &["step_id", "preview_url", "html_content", "css_content", "js_content"]);
                has(data, &["metadata", "timestamp"]);
                let last = statuses.last().unwrap();
                assert_eq!(last.1, "in_progress", "a preview comes before its step is completed");
            }
            _ => {}
        }
    }
    let steps = told[0].1["total_steps"].as_u64().unwrap();
    let flow = (1..=steps).flat_map(|step| {
        ["pending", "in_progress", "completed"].map(|status| (step, json!(status)))
    });
    assert_eq!(statuses, flow.collect::<Vec<_>>());
    let (name, completed) = told.last().unwrap();
    assert_eq!(
        (name.as_str(), &completed["status"]),
        ("generation:completed", &json!("completed"))
    );
    has(completed, &["total_time", "files_generated", "final_url", "timestamp"]);
    let page = ureq::get(server.url(completed["final_url"].as_str().unwrap())).call().unwrap();
    let page = page.into_body().read_to_string().unwrap();
    assert!(page.to_ascii_lowercase().starts_with("<!doctype html>"), "{page}");
}

#[test]
fn the_documents_python_services_run_on_the_emitter_as_they_stand() {
    let server = server();
    let mut stock = Stock::connect(Maker::Node, &server.url("/ws"), &hook("s1"));
    let mut witness = Stock::connect(
        Maker::Python,
        &server.url(""),
        &json!({"namespace": "/ws", "auth": {"session_id": "s2"}}),
    );
    stock.event("connected");
    let mut services = Peer::python("openv0/run.py", &[&server.url(""), SERVICE_TOKEN, "s1"]);
    assert_eq!(services.hear(), "done");
    let told = follow(&mut stock, "s1");
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    let step = ["generation:step", "preview:updated", "generation:step"];
    let flow: Vec<&str> = ["generation:started"]
        .into_iter()
        .chain(step)
        .chain(step)
        .chain(["generation:completed"])
        .collect();
    assert_eq!(names, flow);
    assert_eq!(told[1].1["message"], "Executing Layout...");
    assert_eq!(told[2].1["html_content"], "<h1>Layout</h1>");
    // Of a step that fails the service tells in the document's own words.
    let mut services =
        Peer::python("openv0/run.py", &[&server.url(""), SERVICE_TOKEN, "s1", "fail"]);
    assert_eq!(services.hear(), "done");
    let (name, error) = follow(&mut stock, "s1").pop().unwrap();
    assert_eq!(
        (name.as_str(), &error["error_code"]),
        ("generation:error", &json!("GENERATION_FAILED"))
    );
    assert!(witness.so_far().iter().all(|said| said["name"] != "generation:started"));
}

#[test]
fn the_emitter_says_what_went_wrong_and_tries_again_what_may_pass() {
    let server = server();
    let mut stock =
        Stock::connect(Maker::Node, &server.url(""), &json!({"auth": {"session_id": "s1"}}));
    let mut emitter = Peer::python("openv0/emitter.py", &[&server.url(""), SERVICE_TOKEN]);
    assert_eq!(emitter.hear(), "refused bad_request");
    assert_eq!(emitter.hear(), "refused token_invalid");
    assert_eq!(emitter.hear(), "unreachable");
    assert_eq!(emitter.hear(), "there once");
    assert_eq!(stock.event("once"), json!({"n": 1}));
    assert_eq!(stock.event("bytes"), json!({"$binary": "AAEC"}));
    assert_eq!(stock.event("last"), json!(null));
    assert!(stock.so_far().iter().all(|said| said["name"] != "once"));
    assert_eq!(
        code(&stock.ask("publish", json!({"room": "session:s1", "type": "x"}))),
        "forbidden"
    );
}
