//! How an application tests what it does when the wire breaks: a real client, a server that does
//! as it is told.

use staywire::testing::FakeServer;
use staywire::{Client, RoomEvent};

/// The application: adds up the numbers of a room.
async fn sum_of(client: &Client, room: &str, count: usize) -> Result<u64, staywire::JoinError> {
    let mut room = client.join(room).await?;
    let mut sum = 0;
    for _ in 0..count {
        if let Some(RoomEvent::Event(event)) = room.next().await {
            sum += event.data::<u64>().unwrap_or(0);
        }
    }
    Ok(sum)
}

#[tokio::test]
async fn the_sum_is_right_over_a_cut() {
    let server = FakeServer::start().await.expect("a free port");
    let client = Client::builder(&server.url()).build().expect("a client");
    client.connect().await.expect("a connection");
    server.set_snapshot("numbers", &0);
    let application = tokio::spawn({
        let client = client.clone();
        async move { sum_of(&client, "numbers", 4).await }
    });
    while server.members("numbers") == 0 {
        tokio::task::yield_now().await;
    }
    server.publish("numbers", "n", &1);
    server.cut();
    server.publish("numbers", "n", &2);
    server.publish("numbers", "n", &4);
    assert_eq!(application.await.expect("no panic"), Ok(7));
}
