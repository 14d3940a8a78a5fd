//! Tokens that end while events flow, and providers that misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use staywire::{Cause, Client, State};
use staywire_server::Server;
use tokio::sync::watch;

use crate::support::{account, builder, config, publish, read_to, rig, token_for, until, within};

/// How the provider behaves now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Well,
    Failing,
    Hanging,
    /// Before it answers.
    Panicking,
    /// It answers with a token that ended long ago.
    Stale,
}

/// A client whose provider issues tokens of one second, in a mood that can be changed.
fn client_of(
    server: &Server,
    address: std::net::SocketAddr,
    mood: watch::Receiver<Mood>,
) -> Client {
    let issuer = server.clone();
    builder(address)
        .token_deadline(Duration::from_millis(200))
        .token(move || {
            let now = *mood.borrow();
            assert!(now != Mood::Panicking, "the provider panics, as it should");
            let fresh = token_for(&issuer, "ada", "acme", Duration::from_secs(1));
            let stale = issuer.gate().verifier().issue("ada", "acme", &[], 1, 1_000).unwrap();
            async move {
                match now {
                    Mood::Well => Ok(fresh),
                    Mood::Failing => Err(std::io::Error::other("no token today")),
                    Mood::Hanging => std::future::pending().await,
                    Mood::Panicking => unreachable!(),
                    Mood::Stale => Ok(stale.token),
                }
            }
        })
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_events_a_second_flow_through_refreshes_unharmed() {
    const EVENTS: u64 = 6_000;
    let (server, proxy) = rig(config()).await;
    let issuer = server.clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let client = builder(proxy.address())
        .token(move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let token = token_for(&issuer, "ada", "acme", Duration::from_secs(2));
            async move { Ok::<_, std::io::Error>(token) }
        })
        .build()
        .unwrap();
    client.connect().await.unwrap();
    let mut room = client.join("chat:1").await.unwrap();

    let left = Arc::new(AtomicU64::new(0));
    let counter = left.clone();
    let mut state = client.state();
    let watcher = tokio::spawn(async move {
        while let Some(state) = state.changed().await {
            if !matches!(state, State::Connected | State::Closed { .. }) {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let publisher = tokio::spawn({
        let server = server.clone();
        async move {
            // A pace, not a wait: five events every five milliseconds.
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            for first in (1..=EVENTS).step_by(5) {
                ticks.tick().await;
                publish(&server, "chat:1", first..=first + 4).await;
            }
        }
    });
    let told = read_to(&mut room, EVENTS).await;
    publisher.await.unwrap();
    assert_eq!(account(&told, 1..=EVENTS), 0, "no gap either");
    assert!(asked.load(Ordering::SeqCst) >= 3, "the token was renewed");
    assert!(proxy.accepted() >= 3, "each renewal is a link of its own");
    client.close().await;
    within("the watch ends with the client", watcher).await.unwrap();
    assert_eq!(left.load(Ordering::SeqCst), 0, "the application saw no outage");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_misbehaves_never_wedges_the_client() {
    for bad in [Mood::Failing, Mood::Hanging, Mood::Panicking, Mood::Stale] {
        let (server, proxy) = rig(config()).await;
        let mood = watch::Sender::new(Mood::Well);
        let client = client_of(&server, proxy.address(), mood.subscribe());
        client.connect().await.unwrap();
        let mut room = client.join("chat:1").await.unwrap();
        publish(&server, "chat:1", 1..=5).await;
        assert_eq!(account(&read_to(&mut room, 5).await, 1..=5), 0);

        // The old token ends: the server closes, and no new one comes.
        mood.send_replace(bad);
        let mut state = client.state();
        let lost = state.wait_for(|state| matches!(state, State::Reconnecting { .. }));
        within("the token ends", lost).await.unwrap();
        publish(&server, "chat:1", 6..=20).await;
        let expected = match bad {
            Mood::Failing | Mood::Panicking | Mood::Well => Cause::TokenFailed,
            Mood::Hanging => Cause::TokenTimeout,
            Mood::Stale => Cause::Unauthorized,
        };
        let told = state.wait_for(
            |state| matches!(state, State::Reconnecting { cause, .. } if *cause == expected),
        );
        within("the state tells why", told).await.unwrap();

        mood.send_replace(Mood::Well);
        assert_eq!(account(&read_to(&mut room, 20).await, 6..=20), 0);
        assert_eq!(client.state().get(), State::Connected);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_bad_from_the_start_is_asked_until_it_is_well() {
    for bad in [Mood::Failing, Mood::Hanging, Mood::Panicking, Mood::Stale] {
        let (server, proxy) = rig(config()).await;
        let mood = watch::Sender::new(bad);
        let client = client_of(&server, proxy.address(), mood.subscribe());
        let mut state = client.state();
        let (connected, ()) = tokio::join!(within("connecting", client.connect()), async {
            let second = |state: &State| matches!(state, State::Reconnecting { attempt, .. } if *attempt > 1);
            within("another attempt", state.wait_for(second)).await.unwrap();
            mood.send_replace(Mood::Well);
        });
        connected.unwrap();
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_fails_for_a_while_is_not_seen_by_the_application() {
    let (server, proxy) = rig(config()).await;
    let mood = watch::Sender::new(Mood::Well);
    let issuer = server.clone();
    let receiver = mood.subscribe();
    let failures = Arc::new(AtomicUsize::new(0));
    let counter = failures.clone();
    let client = builder(proxy.address())
        .token(move || {
            let well = *receiver.borrow() == Mood::Well;
            let token = token_for(&issuer, "ada", "acme", Duration::from_secs(4));
            if !well {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            async move { if well { Ok(token) } else { Err(std::io::Error::other("later")) } }
        })
        .refresh_margin(Duration::from_secs(4))
        .build()
        .unwrap();
    client.connect().await.unwrap();
    mood.send_replace(Mood::Failing);
    let mut state = client.state();
    state.wait_for(|_| true).await;
    until("the provider failed some times", || failures.load(Ordering::SeqCst) > 2).await;
    let links = proxy.accepted();
    mood.send_replace(Mood::Well);
    until("the refresh succeeded", || proxy.accepted() > links && proxy.connections() == 1).await;
    assert_eq!(state.get(), State::Connected);
    let unseen = tokio::time::timeout(Duration::ZERO, state.changed()).await;
    assert!(unseen.is_err(), "no change in between either: {unseen:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_somebody_else_closes_the_client() {
    for (user, tenant) in [("eve", "acme"), ("ada", "other")] {
        let (server, proxy) = rig(config()).await;
        let issuer = server.clone();
        let asked = AtomicUsize::new(0);
        let client = builder(proxy.address())
            .token(move || {
                let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
                let (user, tenant) = if first { ("ada", "acme") } else { (user, tenant) };
                let token = token_for(&issuer, user, tenant, Duration::from_secs(1));
                async move { Ok::<_, std::io::Error>(token) }
            })
            .build()
            .unwrap();
        client.connect().await.unwrap();
        let mut room = client.join("chat:1").await.unwrap();
        let mut state = client.state();
        let closed = state.wait_for(|state| matches!(state, State::Closed { .. }));
        let closed = within("the client closes", closed).await.unwrap();
        assert_eq!(closed, State::Closed { reason: Cause::IdentityChanged });
        assert!(room.next().await.is_none(), "its rooms end");
        until("its links end", || server.connections() == 0).await;
        server.stop().await;
    }
}
