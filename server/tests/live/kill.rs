//! The link is killed at every point of a stream: every event arrives once and in order, or the
//! room says which are gone.

use std::time::Duration;

use futures_util::future::join_all;
use staywire::{GapReason, JoinFrom, State};
use staywire_chaos::Proxy;
use staywire_server::Server;

use crate::support::{
    Told, account, builder, config, connect, publish, read_to, rig, serve, token, token_for, until,
    within,
};

const EVENTS: u64 = 200;

/// Streams 200 events to a client whose connection is cut after `bytes` more bytes.
async fn stream_cut_after(server: &Server, room: &str, bytes: u64) -> usize {
    let proxy = Proxy::start(server.address()).await.unwrap();
    let client = connect(server, proxy.address(), "ada").await;
    let mut joined = within("joining", client.join(room)).await.unwrap();
    proxy.cut_after(bytes);
    let (told, ()) = tokio::join!(read_to(&mut joined, EVENTS), publish(server, room, 1..=EVENTS));
    assert_eq!(account(&told, 1..=EVENTS), 0, "nothing is gone: no gap, cut after {bytes}");
    client.close().await;
    proxy.accepted()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_survives_a_cut_after_any_byte() {
    let server = serve(config()).await;
    // An event alone takes 30 bytes or so: every byte of the first two, then a stride that meets
    // header, middle and end of the others, until the streams end before they are cut.
    let positions: Vec<u64> = (1..70).chain((70..20_000).step_by(19)).collect();
    let mut last_cut = 0;
    for (chunk, some) in positions.chunks(8).enumerate() {
        let server = &server;
        let streams = some.iter().map(|bytes| async move {
            stream_cut_after(server, &format!("chat:{chunk}-{bytes}"), *bytes).await
        });
        let links = join_all(streams).await;
        let cut = some.iter().zip(links).filter(|(_, links)| *links > 1).map(|(bytes, _)| *bytes);
        match cut.max() {
            Some(bytes) => last_cut = bytes,
            None => break,
        }
    }
    // The events alone, coalesced as far as can be, take more than this.
    assert!(last_cut > 4_000, "the last cut was after {last_cut} bytes");
    server.stop().await;
}

/// The handshake, the greeting and the answer to the join, cut after any byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_survives_a_cut_after_any_byte_of_its_beginning() {
    let server = serve(config()).await;
    publish(&server, "chat:old", 1..=20).await;
    for bytes in (1..900).step_by(11) {
        let proxy = Proxy::start(server.address()).await.unwrap();
        let client = builder(proxy.address()).token(token(&server, "ada")).build().unwrap();
        proxy.cut_after(bytes);
        let (connected, joined) =
            tokio::join!(client.connect(), client.join_from("chat:old", JoinFrom::History(20)));
        connected.unwrap();
        let told = read_to(&mut joined.unwrap(), 20).await;
        assert_eq!(account(&told, 1..=20), 0, "cut after {bytes}");
        assert!(proxy.accepted() > 1, "cut after {bytes}");
        client.close().await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut_again_while_it_resumes_gets_there() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    publish(&server, "chat:1", 1..=EVENTS).await;
    assert_eq!(account(&read_to(&mut room, EVENTS).await, 1..=EVENTS), 0);

    // Each budget runs out in the next handshake, greeting, answer or replay.
    let mut next = EVENTS + 1;
    for bytes in (1..1_400).step_by(29) {
        let links = proxy.accepted();
        proxy.cut_after(bytes);
        proxy.cut();
        let last = next + 9;
        let (told, ()) =
            tokio::join!(read_to(&mut room, last), publish(&server, "chat:1", next..=last));
        assert_eq!(account(&told, next..=last), 0, "cut after {bytes}");
        until("the link is back", || proxy.accepted() > links).await;
        next = last + 1;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_link_is_found_by_the_heartbeat() {
    let mut config = config();
    (config.heartbeat.interval_ms, config.heartbeat.timeout_ms) = (150, 150);
    let (server, proxy) = rig(config).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    let mut state = client.state();
    for round in 0..3 {
        let first = round * 20 + 1;
        publish(&server, "chat:1", first..=first + 9).await;
        proxy.stall(true);
        publish(&server, "chat:1", first + 10..=first + 19).await;
        let lost = state.wait_for(|state| !matches!(state, State::Connected));
        within("the silence is noticed", lost).await.unwrap();
        // What the dead link still carries must not come through: it is another connection now.
        proxy.cut();
        proxy.stall(false);
        let told = read_to(&mut room, first + 19).await;
        assert_eq!(account(&told, first..=first + 19), 0);
        within("coming back", client.connect()).await.unwrap();
    }
    until("the server drops the dead links too", || server.connections() == 1).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_the_middle_of_a_token_refresh_loses_nothing() {
    let (server, proxy) = rig(config()).await;
    let issuer = server.clone();
    let client = builder(proxy.address())
        .token(move || {
            let token = token_for(&issuer, "ada", "acme", Duration::from_secs(1));
            async move { Ok::<_, std::io::Error>(token) }
        })
        .build()
        .unwrap();
    client.connect().await.unwrap();
    let mut room = client.join("chat:1").await.unwrap();
    let mut next = 1;
    // A refresh is a second link: it is cut at different places of its beginning, and the first
    // link with it.
    for bytes in [1, 60, 150, 250, 400, 550] {
        let links = proxy.accepted();
        until("a refresh begins", || proxy.accepted() > links).await;
        proxy.cut_after(bytes);
        let last = next + 49;
        let (told, ()) =
            tokio::join!(read_to(&mut room, last), publish(&server, "chat:1", next..=last));
        assert_eq!(account(&told, next..=last), 0, "cut after {bytes}");
        next = last + 1;
    }
    server.stop().await;
}

/// Cuts the link and lets no other take its place: what is published next can't reach the client, however
/// late the proxy comes to its cut.
async fn lose(proxy: &Proxy) {
    proxy.refuse(true);
    proxy.cut();
    until("the link is gone", || proxy.connections() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_that_are_gone_are_named_by_a_gap() {
    let mut config = config();
    config.history.events_per_room = 30;
    let (server, proxy) = rig(config).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    publish(&server, "chat:1", 1..=10).await;
    assert_eq!(account(&read_to(&mut room, 10).await, 1..=10), 0);

    lose(&proxy).await;
    publish(&server, "chat:1", 11..=100).await;
    proxy.refuse(false);
    let told = read_to(&mut room, 100).await;
    assert_eq!(told[0], Told::Gap(11, 70, GapReason::Expired));
    assert_eq!(account(&told, 11..=100), 60);

    // A quiet room, too, says what it lost, although no event follows.
    lose(&proxy).await;
    publish(&server, "chat:1", 101..=131).await;
    proxy.refuse(false);
    assert_eq!(account(&read_to(&mut room, 131).await, 101..=131), 1);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_was_never_written_resumes_from_its_beginning() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:quiet").await.unwrap();
    lose(&proxy).await;
    publish(&server, "chat:quiet", 1..=5).await;
    proxy.refuse(false);
    assert_eq!(account(&read_to(&mut room, 5).await, 1..=5), 0);
    server.stop().await;
}
