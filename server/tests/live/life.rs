//! Beginning and end of a client, what the platform tells it, its calls, and the server's own
//! account of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use staywire::{
    AnswerEvent, CallError, CallOptions, Cause, Client, ConnectError, JoinError, PublishError,
    State,
};
use staywire_chaos::Proxy;
use tokio::net::TcpListener;

use crate::peer::{Peer, http};
use crate::support::{
    PATIENCE, account, builder, config, connect, connect_soon, publish, read_to, rig, serve, token,
    until, within,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn close_ends_everything_and_may_be_said_twice() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    let mut events = client.events();
    let mut state = client.state();
    proxy.stall(true);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, Value>("ai.cancel", &json!({"session_id": "x"})).await }
    });
    let publish = tokio::spawn({
        let client = client.clone();
        async move { client.publish("chat:1", "x", &1).await }
    });
    let unsent = tokio::spawn({
        let client = client.clone();
        async move { client.join("chat:2").await }
    });
    // A round trip through the client's own task: the requests above were begun before it.
    until("the requests are made", || !call.is_finished()).await;
    tokio::task::yield_now().await;
    within("closing", client.close()).await;
    within("closing again", client.close()).await;
    assert_eq!(state.get(), State::Closed { reason: Cause::ClosedByCaller });
    // It was sent or it was not: one may have taken effect, the other has not.
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Interrupted | CallError::Closed), "{error:?}");
    let error = publish.await.unwrap().unwrap_err();
    assert!(matches!(error, PublishError::Uncertain | PublishError::Closed), "{error:?}");
    assert_eq!(unsent.await.unwrap().unwrap_err(), JoinError::Closed);
    assert!(within("the room ends", room.next()).await.is_none());
    assert_eq!(room.error(), Some(JoinError::Closed));
    assert!(within("the events end", events.next()).await.is_none());
    // Whoever watches is not left waiting for what can't come.
    assert_eq!(within("the watch", state.changed()).await, Some(state.get()));
    assert_eq!(within("the watch ends", state.changed()).await, None);
    let never = state.wait_for(|state| *state == State::Connected);
    assert_eq!(within("the watch ends", never).await, None);
    // What is asked of a closed client fails at once.
    let reason = Cause::ClosedByCaller;
    assert_eq!(within("connecting", client.connect()).await, Err(ConnectError { reason }));
    assert_eq!(within("joining", client.join("r")).await.unwrap_err(), JoinError::Closed);
    let call = within("calling", client.call::<_, Value>("x", &1)).await;
    assert_eq!(call, Err(CallError::Closed));
    let publish = within("publishing", client.publish("r", "x", &1)).await;
    assert_eq!(publish.unwrap_err(), PublishError::Closed);
    proxy.stall(false);
    until("the socket is closed", || server.connections() == 0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_last_handle_closes_the_socket() {
    let server = serve(config()).await;
    let client = connect(&server, server.address(), "ada").await;
    let room = client.join("chat:1").await.unwrap();
    let twin = client.clone();
    drop(client);
    drop(twin);
    assert_eq!(server.connections(), 1, "a room is a handle as well");
    drop(room);
    until("the socket is closed", || server.connections() == 0).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_hangs_is_given_up_with_its_socket() {
    // A server that accepts, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (accepted.clone(), open.clone());
    let accepting = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let open = counters.1.clone();
            counters.0.fetch_add(1, Ordering::SeqCst);
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let client = builder(address).connect_deadline(Duration::from_millis(100)).build().unwrap();
    connect_soon(&client);
    until("it tried some times", || accepted.load(Ordering::SeqCst) > 5).await;
    until("at most one is open", || open.load(Ordering::SeqCst) <= 1).await;
    let mut state = client.state();
    let late =
        |state: &State| matches!(state, State::Reconnecting { cause: Cause::ConnectTimeout, .. });
    within("the cause", state.wait_for(late)).await.unwrap();
    client.close().await;
    until("none is open", || open.load(Ordering::SeqCst) == 0).await;
    accepting.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_wake_a_stalled_link_is_replaced_within_two_seconds() {
    let server = serve(config()).await;
    let stalled = Proxy::start(server.address()).await.unwrap();
    let front = Proxy::start(stalled.address()).await.unwrap();
    let client = connect(&server, front.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    // The old path goes nowhere; a new connection takes another.
    stalled.stall(true);
    front.set_upstream(server.address());
    publish(&server, "chat:1", 1..=5).await;
    let start = Instant::now();
    client.wake();
    let told = read_to(&mut room, 5).await;
    assert_eq!(account(&told, 1..=5), 0);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert_eq!(client.state().get(), State::Connected, "made before the old one broke");

    // A link that answers is proven, and stays.
    let links = front.accepted();
    client.wake();
    let _: Value = client.call("ai.cancel", &json!({"session_id": "x"})).await.unwrap();
    assert_eq!(front.accepted(), links);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_nothing_is_tried_and_online_it_comes_back_at_once() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    client.set_online(false);
    proxy.refuse(true);
    proxy.cut();
    let mut state = client.state();
    within("offline", state.wait_for(|state| *state == State::Offline)).await.unwrap();
    publish(&server, "chat:1", 1..=5).await;
    proxy.refuse(false);
    let links = proxy.accepted();
    client.set_online(true);
    let told = read_to(&mut room, 5).await;
    assert_eq!(account(&told, 1..=5), 0);
    assert_eq!(proxy.accepted(), links + 1);

    // From the start, too.
    let late = builder(proxy.address()).token(token(&server, "ada")).build().unwrap();
    late.set_online(false);
    connect_soon(&late);
    let mut state = late.state();
    within("offline", state.wait_for(|state| *state == State::Offline)).await.unwrap();
    late.set_online(true);
    within("online", state.wait_for(|state| *state == State::Connected)).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_network_means_another_link_before_the_old_one_goes() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    let mut state = client.state();
    state.wait_for(|_| true).await;
    client.network_changed();
    let (told, ()) = tokio::join!(read_to(&mut room, 500), publish(&server, "chat:1", 1..=500));
    assert_eq!(account(&told, 1..=500), 0);
    until("the new link stands alone", || proxy.accepted() == 2 && proxy.connections() == 1).await;
    assert_eq!(state.get(), State::Connected);
    assert!(tokio::time::timeout(Duration::ZERO, state.changed()).await.is_err(), "all along");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_link_interrupts_a_call_unless_it_may_be_repeated() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = builder(listener.local_addr().unwrap()).build().unwrap();
    connect_soon(&client);
    let mut peer = greeted(&listener).await;
    let idempotent = CallOptions { idempotent: true, ..CallOptions::default() };
    let call = |options: CallOptions| {
        let client = client.clone();
        tokio::spawn(async move { client.call_with::<_, Value>("get", &1, options).await })
    };
    let once = call(CallOptions::default());
    peer.receive_kind("get").await;
    let again = call(idempotent);
    let first = peer.receive_kind("get").await;
    drop(peer);
    assert_eq!(within("the end", once).await.unwrap(), Err(CallError::Interrupted));
    let mut peer = greeted(&listener).await;
    let second = peer.receive_kind("get").await;
    assert_eq!(first, second, "the same call under the same number");
    peer.send(json!({"type": "reply", "id": second["id"], "data": {"ok": 1}}).to_string()).await;
    assert_eq!(within("the answer", again).await.unwrap(), Ok(json!({"ok": 1})));

    let hasty = CallOptions { timeout: Duration::from_millis(50), ..CallOptions::default() };
    let late = call(hasty);
    let asked = peer.receive_kind("get").await;
    assert_eq!(within("the deadline", late).await.unwrap(), Err(CallError::TimedOut));
    // An answer that comes too late is nobody's.
    peer.send(json!({"type": "reply", "id": asked["id"], "data": {}}).to_string()).await;
    let after = call(CallOptions::default());
    let asked = peer.receive_kind("get").await;
    let refusal = json!({"code": "no", "message": "not today", "retry_after_ms": 5});
    peer.send(json!({"type": "error", "id": asked["id"], "data": refusal}).to_string()).await;
    let Err(CallError::Refused(refusal)) = within("the refusal", after).await.unwrap() else {
        panic!("it was refused");
    };
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("no", "not today"));
}

/// The next connection of a client, greeted by a server of our protocol.
async fn greeted(listener: &TcpListener) -> Peer {
    let mut peer = Peer::accept_v1(listener).await;
    peer.receive_kind("hello").await;
    let welcome =
        json!({"subject": "ada", "tenant": "acme", "store": "s", "dedup_window_ms": 60_000});
    peer.send(json!({"type": "welcome", "data": welcome}).to_string()).await;
    peer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_stays_the_same_guest_over_lost_links() {
    let (server, proxy) = rig(config()).await;
    let guest = builder(proxy.address()).build().unwrap();
    guest.connect().await.unwrap();
    let mut answer = guest.ask("What is a gap?").await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = within("the next piece", answer.next()).await {
        pieces.push(piece);
        if pieces.len() == 3 {
            proxy.cut();
        }
    }
    assert!(matches!(pieces.last(), Some(AnswerEvent::Complete(_))), "{:?}", guest.state().get());
    assert_eq!(proxy.accepted(), 2);
    let other = builder(server.address()).build().unwrap();
    other.connect().await.unwrap();
    let stolen = other.join(answer.room()).await.unwrap_err();
    assert!(matches!(stolen, JoinError::Refused(refusal) if refusal.code == "session_taken"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_may_give_up_does() {
    let proxy = Proxy::start("127.0.0.1:1".parse().unwrap()).await.unwrap();
    let client = builder(proxy.address()).give_up_after(3).build().unwrap();
    let error = within("giving up", client.connect()).await.unwrap_err();
    assert_eq!(error.reason, Cause::GaveUp);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_tells_how_it_is() {
    let server = serve(config()).await;
    let get =
        async |path: &str| http("GET", format!("http://{}{path}", server.address()), vec![]).await;
    // Counted before anybody looked.
    let bad = builder(server.address()).token("nonsense").build().unwrap();
    within("the refusal", bad.connect()).await.unwrap_err();
    let (status, body) = get("/healthz").await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], "ok");
    assert_eq!(get("/readyz").await.0, 200);
    let client = connect(&server, server.address(), "ada").await;
    let _room = client.join("chat:1").await.unwrap();
    let (status, text) = get("/metrics").await;
    assert_eq!(status, 200);
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0)
    };
    // Other servers of this process share the figures, so nothing can be exact here.
    assert!(value("staywire_refusals_total{code=\"token_invalid\"}") >= 1.0, "{text}");
    assert!(value("staywire_uptime_seconds") < PATIENCE.as_secs_f64() * 10.0);
    for name in ["staywire_connections", "staywire_rooms_occupied", "staywire_frames_sent_total"] {
        assert!(text.contains(name), "{text}");
    }
    drop(server);
    let _: Client = client;
}
