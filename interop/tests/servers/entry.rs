//! Who may come in: namespaces, proofs, refusals with their data.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use staywire::socketio::Arguments;
use staywire::{CallOptions, Cause, Client, ClientEvent, Events, Refusal, State};
use staywire_interop::Peer;

use crate::support::{builder, connected, told, websocket, within};

async fn refusal(events: &mut Events) -> Refusal {
    match within(events.next()).await {
        Some(ClientEvent::ServerError(refusal)) => refusal,
        other => panic!("no refusal but {other:?}"),
    }
}

async fn shakes(client: &Client) -> Vec<Value> {
    let answer = client.emit_with_ack("shakes", Arguments::new(), CallOptions::default());
    within(answer).await.unwrap().data().unwrap()
}

#[tokio::test]
async fn the_path_of_the_url_is_the_namespace_unless_one_is_named() {
    let server = Peer::node("servers.mjs", &[]);
    for (path, options) in [("/ws", websocket()), ("/", websocket().namespace("ws"))] {
        let (client, mut events) = connected(&server.url(path), options).await;
        within(client.send("tell everyone", &"told in /ws")).await.unwrap();
        assert_eq!(told(&mut events).await.0, "told in /ws");
        client.close().await;
    }
    let client = builder(&server.url("/nowhere"), websocket()).build().unwrap();
    let mut events = client.events();
    within(client.connect()).await.unwrap_err();
    assert_eq!(refusal(&mut events).await.message, "Invalid namespace");
}

#[tokio::test]
async fn a_refusal_comes_with_its_data_and_is_final_for_a_client_that_can_not_prove_more() {
    let server = Peer::node("servers.mjs", &[]);
    let client = builder(&server.url("/guarded"), websocket()).token("bad").build().unwrap();
    let mut events = client.events();
    let error = within(client.connect()).await.unwrap_err();
    assert_eq!(error.reason, Cause::Unauthorized);
    let refusal = refusal(&mut events).await;
    assert_eq!((&*refusal.code, &*refusal.message), (Refusal::CONNECT_ERROR, "not this token"));
    let data: Value = serde_json::from_str(refusal.data.as_deref().unwrap()).unwrap();
    assert_eq!(data["token"], "bad");
}

#[tokio::test]
async fn codes_that_are_known_mean_what_they_say() {
    for (code, cause) in [("forbidden", Cause::Forbidden), ("unauthorized", Cause::Unauthorized)] {
        let server = Peer::node("servers.mjs", &[&format!("code={code}")]);
        let client = builder(&server.url("/guarded"), websocket()).build().unwrap();
        assert_eq!(within(client.connect()).await.unwrap_err().reason, cause);
    }
    let server = Peer::node("servers.mjs", &["code=rate_limited", "retry=60000"]);
    let client = builder(&server.url("/guarded"), websocket()).build().unwrap();
    let mut state = client.state();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let waits =
        |state: &State| matches!(state, State::Reconnecting { cause: Cause::RateLimited, .. });
    within(state.wait_for(waits)).await.unwrap();
    let wait = state.retry_at().unwrap() - tokio::time::Instant::now();
    assert!(wait.as_secs() >= 55, "{wait:?}");
    client.close().await;
    within(connecting).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn the_auth_function_is_asked_anew_for_each_connection() {
    let server = Peer::node("servers.mjs", &[]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // It fails first, then proves too little, then enough.
    let options = websocket().auth(move || {
        let time = count.fetch_add(1, Ordering::SeqCst);
        async move {
            match time {
                0 => Err("no token yet"),
                1 => Ok(json!({"token": "bad"})),
                _ => Ok(json!({"token": "good", "time": time})),
            }
        }
    });
    let (client, _events) = connected(&server.url("/guarded"), options).await;
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert_eq!(shakes(&client).await[0]["auth"], json!({"token": "good", "time": 2}));
    let mut state = client.state();
    let _ = client.send("drop the connection", &1).await;
    within(state.wait_for(|state| !matches!(state, State::Connected))).await.unwrap();
    within(state.wait_for(|state| matches!(state, State::Connected))).await.unwrap();
    assert_eq!(shakes(&client).await[1]["auth"], json!({"token": "good", "time": 3}));
    client.close().await;
}

#[tokio::test]
async fn a_token_is_renewed_by_a_second_connection_before_the_first_is_closed() {
    let server = Peer::node("servers.mjs", &[]);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let client = builder(&server.url("/guarded"), websocket())
        .token(move || {
            count.fetch_add(1, Ordering::SeqCst);
            async {
                let end = std::time::SystemTime::now() + std::time::Duration::from_secs(2);
                Ok::<_, String>(staywire::Token::new("good").expires_at(end))
            }
        })
        .build()
        .unwrap();
    let mut events = client.events();
    within(client.connect()).await.unwrap();
    let mut state = client.state();
    // It is not missed for a moment; but nobody can prove that nothing fell in between.
    match within(events.next()).await {
        Some(ClientEvent::Gap(gap)) => assert_eq!(gap.reason, staywire::GapReason::Unprovable),
        other => panic!("no gap but {other:?}"),
    }
    assert!(matches!(state.get(), State::Connected));
    let changed = tokio::time::timeout(std::time::Duration::from_millis(1), state.changed()).await;
    assert!(changed.is_err() || matches!(state.get(), State::Connected));
    assert!(asked.load(Ordering::SeqCst) >= 2);
    assert!(shakes(&client).await.len() >= 2);
    client.close().await;
}
