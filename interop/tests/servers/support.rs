//! What the tests of this suite share: clients, deadlines, and what they wait for.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use staywire::socketio::Transport;
use staywire::{Client, ClientBuilder, ClientEvent, Event, Events, SocketIoOptions};

/// Longer than anything here takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("it takes too long")
}

pub(crate) fn builder(url: &str, options: SocketIoOptions) -> ClientBuilder {
    Client::builder(url)
        .socketio(options)
        .backoff(Duration::from_millis(20), Duration::from_millis(200))
}

/// A client that is connected, and what it hears.
pub(crate) async fn connected(url: &str, options: SocketIoOptions) -> (Client, Events) {
    let client = builder(url, options).build().unwrap();
    let events = client.events();
    within(client.connect()).await.unwrap();
    (client, events)
}

pub(crate) fn over(transport: Transport) -> SocketIoOptions {
    SocketIoOptions::new().transports([transport])
}

pub(crate) fn websocket() -> SocketIoOptions {
    over(Transport::WebSocket)
}

pub(crate) fn polling() -> SocketIoOptions {
    over(Transport::Polling)
}

/// The next event; anything else is told by its name.
pub(crate) async fn event(events: &mut Events) -> Event {
    match within(events.next()).await {
        Some(ClientEvent::Event(event)) => event,
        other => panic!("no event but {other:?}"),
    }
}

/// The next event, as its name and its data.
pub(crate) async fn told(events: &mut Events) -> (String, Value) {
    let event = event(events).await;
    (event.kind().unwrap().into_owned(), event.data().unwrap())
}
