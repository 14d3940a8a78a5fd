//! Rooms: chat, history, the outbox, rights, binary events, and those who read slowly.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use staywire::events::{ChatMessage, Notification};
use staywire::{JoinError, JoinFrom, OnOverflow, Payload, PublishError, RoomEvent, State};
use staywire_server::bus::{RoomKey, StoredEvent};

use crate::support::{
    TENANT, Told, account, builder, config, connect, next, now_ms, publish, read_to, rig, serve,
    token, token_for, until, within,
};

async fn message(room: &mut staywire::Room) -> (u64, ChatMessage) {
    match within("a message", room.next()).await {
        Some(RoomEvent::Event(event)) => (event.offset().unwrap(), event.data().unwrap()),
        other => panic!("no message: {other:?}"),
    }
}

/// The log of a room, read from the store itself.
async fn log(server: &staywire_server::Server, room: &str) -> Vec<String> {
    let key = RoomKey::new(TENANT, room);
    let slice = server.hub().bus().read(&key, 0, 10_000, now_ms()).await.unwrap();
    slice.events.iter().map(|event| event.json.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_users_chat_and_a_third_reads_what_was_said() {
    let server = serve(config()).await;
    let ada = connect(&server, server.address(), "ada").await;
    let bob = connect(&server, server.address(), "bob").await;
    let mut at_ada = ada.join("chat:1").await.unwrap();
    let mut at_bob = bob.join("chat:1").await.unwrap();
    let said = json!({"room": "chat:1", "text": "Hello, Bob"});
    let reply: Value = within("sending", ada.call("chat.send", &said)).await.unwrap();
    let (offset, heard) = message(&mut at_bob).await;
    assert_eq!((heard.user.as_str(), heard.text.as_str()), ("ada", "Hello, Bob"));
    assert_eq!((reply["id"].as_str(), reply["offset"].as_u64()), (Some(&*heard.id), Some(offset)));
    let said = json!({"room": "chat:1", "text": "Hello, Ada"});
    let _: Value = bob.call("chat.send", &said).await.unwrap();
    assert_eq!(message(&mut at_ada).await.1, heard, "who speaks hears it too");
    assert_eq!(message(&mut at_ada).await.1.user, "bob");

    let eve = connect(&server, server.address(), "eve").await;
    let mut all = eve.join_from("chat:1", JoinFrom::History(50)).await.unwrap();
    assert_eq!((message(&mut all).await.0, message(&mut all).await.0), (1, 2));
    let mut last = eve.join_from("chat:1", JoinFrom::History(1)).await.unwrap();
    assert_eq!(message(&mut last).await.0, 2);
    let (epoch, offset) = all.position();
    drop(all);
    let _: Value = bob.call("chat.send", &said).await.unwrap();
    let from = JoinFrom::Position { epoch, offset };
    let mut later = eve.join_from("chat:1", from).await.unwrap();
    assert_eq!(message(&mut later).await.0, 3);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_offline_arrives_on_return_once_and_in_order() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    proxy.refuse(true);
    proxy.cut();
    let mut state = client.state();
    let away = state.wait_for(|state| !matches!(state, State::Connected));
    within("the loss", away).await.unwrap();
    // The futures are polled in order, and so are the publishes made.
    let publishes = (1..=50).map(|n: u64| {
        let client = client.clone();
        async move { client.publish("chat:1", "n", &n).await }
    });
    let all = futures_util::future::join_all(publishes);
    let (published, ()) = tokio::join!(within("publishing", all), async {
        let tried =
            |state: &State| matches!(state, State::Reconnecting { attempt, .. } if *attempt > 2);
        within("some attempts", state.wait_for(tried)).await.unwrap();
        proxy.refuse(false);
    });
    for (index, published) in published.into_iter().enumerate() {
        assert_eq!(published.unwrap().offset, index as u64 + 1);
    }
    let expected: Vec<_> = (1..=50).map(|n| format!(r#"{{"type":"n","data":{n}}}"#)).collect();
    assert_eq!(log(&server, "chat:1").await, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_whose_answer_is_lost_is_sent_again_and_appended_once() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    for n in 1..=40_u64 {
        // The cut falls before, into or after the answer, or into the greeting that follows.
        proxy.cut_after(n * 9);
        let published = within("publishing", client.publish("chat:1", "n", &n)).await.unwrap();
        assert_eq!(published.offset, n);
    }
    assert!(proxy.accepted() > 5, "it was cut");
    let expected: Vec<_> = (1..=40).map(|n| format!(r#"{{"type":"n","data":{n}}}"#)).collect();
    assert_eq!(log(&server, "chat:1").await, expected);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outbox_is_bounded_as_the_caller_chose() {
    let (server, proxy) = rig(config()).await;
    proxy.refuse(true);
    for policy in [OnOverflow::Reject, OnOverflow::DropOldest] {
        let client = builder(proxy.address())
            .token(token(&server, "ada"))
            .outbox(2, 1_000, policy)
            .build()
            .unwrap();
        let publish = |n: u64| {
            let client = client.clone();
            async move { client.publish("chat:full", "n", &n).await }
        };
        let mut waiting = futures_util::future::join_all([publish(1), publish(2), publish(3)]);
        let refused =
            |result: &Result<_, PublishError>| result.clone().map(|_: staywire::Published| ());
        proxy.refuse(false);
        let before = log(&server, "chat:full").await.len();
        let connecting = client.clone();
        // The first poll makes the three publishes; only then is there a connection.
        assert!((&mut waiting).now_or_never().is_none());
        let (results, connected) =
            tokio::join!(within("publishing", waiting), connecting.connect());
        connected.unwrap();
        let results: Vec<_> = results.iter().map(refused).collect();
        let expected = match policy {
            OnOverflow::Reject => [Ok(()), Ok(()), Err(PublishError::OutboxFull { bytes: false })],
            OnOverflow::DropOldest => [Err(PublishError::Dropped), Ok(()), Ok(())],
        };
        assert_eq!(results, expected);
        assert_eq!(log(&server, "chat:full").await.len(), before + 2);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_speaks_for_another_or_reads_anothers_mail() {
    let server = serve(config()).await;
    let eve = connect(&server, server.address(), "eve").await;
    let forged = ChatMessage { id: "1".into(), user: "ada".into(), ..ChatMessage::default() };
    let refused = within("the refusal", eve.publish("chat:1", "chat:message", &forged)).await;
    assert!(
        matches!(&refused, Err(PublishError::Refused(no)) if no.code == "forbidden"),
        "{refused:?}"
    );
    let honest = ChatMessage { user: "eve".into(), ..forged };
    eve.publish("chat:1", "chat:message", &honest).await.unwrap();
    assert_eq!(log(&server, "chat:1").await.len(), 1, "a refusal doesn't block what follows");

    for room in ["user:ada", "document:1"] {
        let refused = within("the refusal", eve.join(room)).await.unwrap_err();
        assert!(
            matches!(&refused, JoinError::Refused(no) if no.code == "forbidden"),
            "{refused:?}"
        );
        let refused = eve.publish(room, "x", &1).await;
        assert!(matches!(&refused, Err(PublishError::Refused(no)) if no.code == "forbidden"));
    }
    within("one's own", eve.join("user:eve")).await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_never_meet() {
    let server = serve(config()).await;
    let ours = connect(&server, server.address(), "ada").await;
    let hour = Duration::from_secs(3_600);
    let theirs =
        builder(server.address()).token(token_for(&server, "ada", "other", hour)).build().unwrap();
    theirs.connect().await.unwrap();
    let mut at_theirs = theirs.join_from("chat:1", JoinFrom::History(10)).await.unwrap();
    let mut their_mail = theirs.join("user:ada").await.unwrap();
    ours.publish("chat:1", "n", &1).await.unwrap();
    let notice = json!({"user": "ada", "title": "for ours"});
    let _: Value = ours.call("notifications.send", &notice).await.unwrap();
    // Events of a room keep their order, so that these would have come after the others.
    theirs.publish("chat:1", "n", &2).await.unwrap();
    let notice = json!({"user": "ada", "title": "for theirs"});
    let _: Value = theirs.call("notifications.send", &notice).await.unwrap();
    assert_eq!(next(&mut at_theirs).await, Told::Event(1, json!(2)));
    assert_eq!(next(&mut their_mail).await, Told::Snapshot(json!({"notices": []})));
    let Told::Event(1, notice) = next(&mut their_mail).await else { panic!("no notice") };
    assert_eq!(notice["title"], "for theirs");
    let slash = within("the refusal", theirs.join("../acme/chat:1")).await.unwrap_err();
    assert!(matches!(slash, JoinError::Refused(no) if no.code == "bad_request"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn binary_events_keep_their_bytes_and_their_place() {
    let (server, proxy) = rig(config()).await;
    let ada = connect(&server, proxy.address(), "ada").await;
    let bob = connect(&server, server.address(), "bob").await;
    let mut room = bob.join("chat:1").await.unwrap();
    let image: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    ada.publish("chat:1", "before", &1).await.unwrap();
    proxy.cut_after(10);
    ada.publish_binary("chat:1", "image", image.clone()).await.unwrap();
    ada.publish_binary("chat:1", "empty", Vec::new()).await.unwrap();
    ada.publish("chat:1", "after", &2).await.unwrap();
    for (offset, kind) in [(1, "before"), (2, "image"), (3, "empty"), (4, "after")] {
        let Some(RoomEvent::Event(event)) = within("the event", room.next()).await else {
            panic!("no event");
        };
        assert_eq!((event.offset(), &*event.kind().unwrap()), (Some(offset), kind));
        match kind {
            "image" => assert_eq!(event.payload(), Ok(Payload::Binary(&image))),
            "empty" => assert_eq!(event.payload(), Ok(Payload::Binary(&[]))),
            _ => assert!(matches!(event.payload(), Ok(Payload::Json(_)))),
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_reaches_every_device_of_its_user_also_one_that_was_away() {
    let (server, proxy) = rig(config()).await;
    let phone = connect(&server, proxy.address(), "ada").await;
    let laptop = connect(&server, server.address(), "ada").await;
    let bob = connect(&server, server.address(), "bob").await;
    let mut rooms = [phone.join("user:ada").await.unwrap(), laptop.join("user:ada").await.unwrap()];
    proxy.refuse(true);
    proxy.cut();
    let notice = json!({"user": "ada", "title": "Build done", "level": "success"});
    let sent: Value = bob.call("notifications.send", &notice).await.unwrap();
    proxy.refuse(false);
    for room in &mut rooms {
        assert_eq!(next(room).await, Told::Snapshot(json!({"notices": []})));
        let Some(RoomEvent::Event(event)) = within("the notice", room.next()).await else {
            panic!("no notice");
        };
        let notice: Notification = event.data().unwrap();
        assert_eq!(
            (notice.id.as_str(), &*notice.title),
            (sent["id"].as_str().unwrap(), "Build done")
        );
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_application_catches_up_without_loss() {
    let server = serve(config()).await;
    let client = builder(server.address())
        .token(token(&server, "ada"))
        .room_queue(16, 4_096)
        .build()
        .unwrap();
    client.connect().await.unwrap();
    let mut room = client.join("chat:1").await.unwrap();
    let mut brisk = client.join("chat:2").await.unwrap();
    for round in 0..5 {
        let first = round * 150 + 1;
        publish(&server, "chat:1", first..=first + 149).await;
        // The other room of the same connection is not held up.
        publish(&server, "chat:2", round + 1..=round + 1).await;
        assert_eq!(account(&read_to(&mut brisk, round + 1).await, round + 1..=round + 1), 0);
        assert_eq!(account(&read_to(&mut room, first + 149).await, first..=first + 149), 0);
    }
    assert_eq!(client.state().get(), State::Connected);
    server.stop().await;
}

/// 2 MiB for a client that reads nothing, behind a queue of 64 KiB.
async fn slow_consumer(history: usize) -> u64 {
    let mut config = config();
    config.limits.max_frame_bytes = 64 * 1024;
    config.limits.outbound_queue_bytes = 64 * 1024;
    config.history.events_per_room = history;
    let (server, proxy) = rig(config).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let mut room = client.join("chat:1").await.unwrap();
    proxy.stall(true);
    let key = RoomKey::new(TENANT, "chat:1");
    for number in 1..=2_000_u64 {
        let filler = "x".repeat(8_000);
        let json = format!(r#"{{"type":"n","data":{number},"filler":"{filler}"}}"#).into();
        let event = StoredEvent { json, binary: None, at_ms: now_ms() };
        server.hub().publish(&key, event, None).await.unwrap();
    }
    proxy.stall(false);
    let told = read_to(&mut room, 2_000).await;
    assert_eq!(proxy.accepted(), 1, "all over one link");
    server.stop().await;
    account(&told, 1..=2_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_connection_catches_up_from_the_log() {
    assert_eq!(slow_consumer(2_000).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_slower_than_the_log_is_long_is_told_what_it_missed() {
    assert!(slow_consumer(50).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_room_or_its_joining_leaves_it() {
    let (server, proxy) = rig(config()).await;
    let client = connect(&server, proxy.address(), "ada").await;
    let key = RoomKey::new(TENANT, "chat:1");
    let room = client.join("chat:1").await.unwrap();
    assert_eq!(server.hub().members(&key), 1);
    drop(room);
    until("it left", || server.hub().members(&key) == 0).await;

    proxy.stall(true);
    let mut joining = Box::pin(client.join("chat:1"));
    assert!((&mut joining).now_or_never().is_none());
    drop(joining);
    proxy.stall(false);
    // A call goes the same way and after the others: by its answer the join was heard.
    let _: Value = client.call("ai.cancel", &json!({"session_id": "x"})).await.unwrap();
    until("it left", || server.hub().members(&key) == 0).await;
    let twice = (client.join("chat:1").await.unwrap(), client.join("chat:1").await.unwrap());
    assert_eq!(server.hub().members(&key), 2);
    drop(twice);
    until("both left", || server.hub().occupied() == 0).await;
    server.stop().await;
}
