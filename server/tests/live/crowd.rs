//! Thousands of connections to one server: each gets the events of its rooms, and no others.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use staywire::{Client, Room};
use staywire_server::Server;

use crate::support::{
    Told, account, builder, config, next, publish, read_to, serve, token, until, within,
};

const CLIENTS: usize = 2_000;
const EVENTS: u64 = 5;

/// Asks for as many sockets as this process may have.
fn raise_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

/// A member of `chat:even` or `chat:odd`.
async fn member(server: &Server, number: usize) -> (Client, Room) {
    let user = format!("user-{number}");
    let client = builder(server.address()).token(token(server, &user)).build().unwrap();
    client.connect().await.unwrap();
    let room = client.join(if number.is_multiple_of(2) { "chat:even" } else { "chat:odd" }).await;
    (client, room.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_get_what_is_said_in_their_room_and_nothing_else() {
    raise_limit();
    let server = serve(config()).await;
    let joined = stream::iter(0..CLIENTS).map(|number| member(&server, number)).buffered(64);
    let mut members: Vec<_> =
        tokio::time::timeout(Duration::from_secs(120), joined.collect()).await.unwrap();
    assert_eq!(server.connections(), CLIENTS);

    publish(&server, "chat:even", 1..=EVENTS).await;
    for (_, room) in members.iter_mut().step_by(2) {
        assert_eq!(account(&read_to(room, EVENTS).await, 1..=EVENTS), 0);
    }
    // What is said next is the first that the others hear of.
    publish(&server, "chat:odd", 1..=1).await;
    for (_, room) in members.iter_mut().skip(1).step_by(2) {
        assert_eq!(next(room).await, Told::Event(1, 1.into()));
    }
    for (client, room) in members {
        drop(room);
        within("closing", client.close()).await;
    }
    until("all are gone", || server.connections() == 0 && server.hub().occupied() == 0).await;
    server.stop().await;
}
