//! The fake server does what it is told, as a client sees it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop where it is")]

use std::time::Duration;

use serde_json::{Value, json};
use staywire::testing::FakeServer;
use staywire::{CallError, Client, GapReason, JoinFrom, Refusal, Room, RoomEvent, State};

/// How long anything may take. Far longer than it does: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

async fn connected(server: &FakeServer) -> Client {
    let quick = (Duration::from_millis(5), Duration::from_millis(20));
    let client = Client::builder(&server.url()).backoff(quick.0, quick.1).build().unwrap();
    within(client.connect()).await.unwrap();
    client
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

async fn next(room: &mut Room) -> String {
    match within(room.next()).await.unwrap() {
        RoomEvent::Event(event) => {
            format!("{} {}", event.offset().unwrap(), event.data::<Value>().unwrap())
        }
        RoomEvent::Gap(gap) => format!("{:?} {}-{}", gap.reason, gap.from, gap.to),
        RoomEvent::Snapshot(state) => format!("state {}", state.get()),
    }
}

#[tokio::test]
async fn rooms_go_on_over_cuts_and_say_what_is_gone() {
    let server = FakeServer::start().await.unwrap();
    let client = connected(&server).await;
    let mut room = within(client.join("r")).await.unwrap();
    assert_eq!(server.publish("r", "n", &1), 1);
    assert_eq!(next(&mut room).await, "1 1");
    server.cut();
    server.publish("r", "n", &2);
    assert_eq!(next(&mut room).await, "2 2");

    // While nobody can come back, events come and are forgotten.
    server.refuse(true);
    server.cut();
    server.publish("r", "n", &3);
    server.publish("r", "n", &4);
    server.forget("r", 3);
    server.refuse(false);
    assert_eq!(next(&mut room).await, format!("{:?} 3-3", GapReason::Expired));
    assert_eq!(next(&mut room).await, "4 4");

    server.begin_anew("r");
    assert_eq!(next(&mut room).await, format!("{:?} 0-0", GapReason::NewEpoch));
    server.publish("r", "n", &5);
    assert_eq!(next(&mut room).await, "1 5");
}

#[tokio::test]
async fn a_late_joiner_gets_the_state_or_the_history() {
    let server = FakeServer::start().await.unwrap();
    let client = connected(&server).await;
    for number in 1..=3 {
        server.publish("r", "n", &number);
    }
    server.set_snapshot("r", &json!({"sum": 6}));
    let mut late = within(client.join("r")).await.unwrap();
    assert_eq!(next(&mut late).await, r#"state {"sum":6}"#);
    let mut past = within(client.join_from("r", JoinFrom::History(2))).await.unwrap();
    assert_eq!([next(&mut past).await, next(&mut past).await], ["2 2", "3 3"]);
}

#[tokio::test]
async fn what_is_published_counts_once_and_calls_are_answered() {
    let server = FakeServer::start().await.unwrap();
    server.on_call("half", |data| match data.as_u64() {
        Some(even) if even % 2 == 0 => Ok((even / 2).into()),
        _ => Err(Refusal::new("odd", "no")),
    });
    let client = connected(&server).await;
    assert_eq!(within(client.call::<_, u64>("half", &4)).await, Ok(2));
    let refused = within(client.call::<_, u64>("half", &3)).await;
    assert!(matches!(refused, Err(CallError::Refused(refusal)) if refusal.code == "odd"));
    let unknown = within(client.call::<_, u64>("third", &3)).await;
    assert!(matches!(unknown, Err(CallError::Refused(refusal)) if refusal.code == "not_found"));

    server.cut();
    let sent = within(client.publish("r", "said", &json!({"text": "hi"}))).await.unwrap();
    assert_eq!(sent.offset, 1);
    let published = server.published("r");
    assert_eq!(published.len(), 1);
    assert_eq!((published[0].kind.as_str(), &published[0].data["text"]), ("said", &"hi".into()));
}

#[tokio::test]
async fn a_server_that_goes_away_is_left_without_an_outage() {
    let server = FakeServer::start().await.unwrap();
    let client = connected(&server).await;
    let mut room = within(client.join("r")).await.unwrap();
    let mut state = client.state();
    let seen = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(state) = state.changed().await {
            seen.push(state);
        }
        seen
    });
    server.go_away();
    server.publish("r", "n", &1);
    assert_eq!(next(&mut room).await, "1 1");
    client.close().await;
    let seen = within(seen).await.unwrap();
    assert!(!seen.iter().any(|state| matches!(state, State::Reconnecting { .. })), "{seen:?}");
    drop(server);
}
