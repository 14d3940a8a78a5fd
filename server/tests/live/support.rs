//! What the tests share: a server that is quick to set up, clients, waiting, and an account of
//! what a room told.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use staywire::{Client, ClientBuilder, GapReason, Room, RoomEvent};
use staywire_chaos::Proxy;
use staywire_server::Server;
use staywire_server::bus::{RoomKey, StoredEvent};
use staywire_server::config::Config;

/// How long anything may take. Far longer than it does: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const TENANT: &str = "acme";

/// A server on a free port for many hasty clients of one address.
pub(crate) fn config() -> Config {
    let mut config = Config::for_demo();
    config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.auth.leeway_ms = 0;
    config.limits.attempts_per_second = NonZeroU32::MAX;
    config.limits.attempts_burst = NonZeroU32::MAX;
    config.limits.tenant_attempts_burst = NonZeroU32::MAX;
    config.drain.window_ms = 200;
    config.drain.grace_ms = 500;
    config.ai.offline.token_delay = Duration::from_millis(1);
    config
}

pub(crate) async fn serve(config: Config) -> Server {
    Server::start(config).await.unwrap()
}

/// A server and the proxy that a client reaches it through.
pub(crate) async fn rig(config: Config) -> (Server, Proxy) {
    let server = serve(config).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    (server, proxy)
}

/// A token of an hour.
pub(crate) fn token(server: &Server, user: &str) -> String {
    token_for(server, user, TENANT, Duration::from_secs(3_600))
}

pub(crate) fn token_for(server: &Server, user: &str, tenant: &str, life: Duration) -> String {
    let life_ms = u64::try_from(life.as_millis()).unwrap();
    server.gate().verifier().issue(user, tenant, &[], life_ms, now_ms()).unwrap().token
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// A client that comes back quickly.
pub(crate) fn builder(address: SocketAddr) -> ClientBuilder {
    Client::builder(&format!("ws://{address}/ws/ai/chat"))
        .backoff(Duration::from_millis(5), Duration::from_millis(50))
}

/// A connected client of `user`.
pub(crate) async fn connect(server: &Server, address: SocketAddr, user: &str) -> Client {
    let client = builder(address).token(token(server, user)).build().unwrap();
    within("connecting", client.connect()).await.unwrap();
    client
}

/// What the future yields, unless that takes too long.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {PATIENCE:?}"),
    }
}

/// Waits until something that can only be looked at is so.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Appends the events `numbers` to a room, as a service of the server would.
pub(crate) async fn publish(server: &Server, room: &str, numbers: RangeInclusive<u64>) {
    let key = RoomKey::new(TENANT, room);
    for number in numbers {
        let json = format!(r#"{{"type":"n","data":{number}}}"#).into();
        let event = StoredEvent { json, binary: None, at_ms: now_ms() };
        server.hub().publish(&key, event, None).await.unwrap();
        // Lets the sockets have their turn, so that not everything leaves in one frame.
        tokio::task::yield_now().await;
    }
}

/// What a room told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// An event: its offset and its data.
    Event(u64, Value),
    Gap(u64, u64, GapReason),
    Snapshot(Value),
}

pub(crate) async fn next(room: &mut Room) -> Told {
    match within("the next event", room.next()).await {
        Some(RoomEvent::Event(event)) => {
            Told::Event(event.offset().unwrap_or(0), event.data().unwrap())
        }
        Some(RoomEvent::Gap(gap)) => Told::Gap(gap.from, gap.to, gap.reason),
        Some(RoomEvent::Snapshot(data)) => {
            Told::Snapshot(serde_json::from_str(data.get()).unwrap())
        }
        None => panic!("the room ended: {:?}", room.error()),
    }
}

/// Reads a room until it told of everything up to offset `last`.
pub(crate) async fn read_to(room: &mut Room, last: u64) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        let next = next(room).await;
        let reached = match &next {
            Told::Event(offset, _) => *offset,
            Told::Gap(_, to, _) => *to,
            Told::Snapshot(_) => 0,
        };
        told.push(next);
        if reached >= last {
            return told;
        }
    }
}

/// Holds what a room told against what was published by [`publish`]: everything once and in
/// order, or said to be missing. Returns how many events were said to be missing.
pub(crate) fn account(told: &[Told], expected: RangeInclusive<u64>) -> u64 {
    let mut next = *expected.start();
    let mut missing = 0;
    for item in told {
        match item {
            Told::Event(offset, data) => {
                assert_eq!(*offset, next, "lost, doubled or out of order: {}", brief(told));
                assert_eq!(*data, *offset, "another event under this offset");
                next += 1;
            }
            Told::Gap(from, to, _) => {
                assert_eq!(*from, next, "a gap that is none: {}", brief(told));
                missing += to - from + 1;
                next = to + 1;
            }
            Told::Snapshot(_) => {}
        }
    }
    assert_eq!(next, expected.end() + 1, "not told of all: {}", brief(told));
    missing
}

fn brief(told: &[Told]) -> String {
    let items = told.iter().map(|item| match item {
        Told::Event(offset, _) => offset.to_string(),
        Told::Gap(from, to, reason) => format!("({from}-{to} {reason:?})"),
        Told::Snapshot(_) => "state".to_owned(),
    });
    items.collect::<Vec<_>>().join(" ")
}

/// Asks for a connection without waiting for one.
pub(crate) fn connect_soon(client: &Client) {
    let client = client.clone();
    tokio::spawn(async move { client.connect().await });
}
