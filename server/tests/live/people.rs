//! Who is in a room, what was said there before, and notices that are read on one device.

use std::time::Duration;

use serde_json::json;
use staywire::folds::{Inbox, People};
use staywire::{CallError, JoinError, LiveRoom};
use staywire_chaos::Proxy;

use crate::support::{
    PATIENCE, TENANT, builder, config, connect, publish, serve, token, token_for, within,
};

/// Who is there, with how many devices.
async fn until(people: &mut LiveRoom<People>, expected: &[(&str, u32)]) {
    let wished = |people: &People| {
        let now = people.users.iter().map(|(user, person)| (user.as_str(), person.devices));
        now.collect::<Vec<_>>() == expected
    };
    let room = people.room().name().to_owned();
    let found = tokio::time::timeout(PATIENCE, people.until(wished)).await;
    assert!(found.is_ok(), "{room} should have {expected:?}, and has {:?}", people.state());
}

#[tokio::test]
async fn people_come_and_go_and_a_cut_is_no_farewell() {
    let mut config = config();
    config.presence.linger_ms = 60_000;
    let server = serve(config).await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let ada = connect(&server, server.address(), "ada").await;
    let hall = within("joining", ada.join("chat:1")).await.unwrap();
    let mut people = within("watching", hall.presence()).await.unwrap();
    until(&mut people, &[("ada", 1)]).await;

    let bob = connect(&server, proxy.address(), "bob").await;
    let seat = within("joining", bob.join("chat:1")).await.unwrap();
    until(&mut people, &[("ada", 1), ("bob", 1)]).await;

    // A link that is cut and made again is not told of at all: what comes next is news of another.
    proxy.cut();
    let carol = connect(&server, server.address(), "carol").await;
    let _third = within("joining", carol.join("chat:1")).await.unwrap();
    let before = people.room().position().1;
    until(&mut people, &[("ada", 1), ("bob", 1), ("carol", 1)]).await;
    assert_eq!(people.room().position().1, before + 1, "nothing else was told");
    drop(seat);
}

#[tokio::test]
async fn who_is_gone_is_told_after_a_while_and_late_watchers_see_who_is_there() {
    let mut config = config();
    config.presence.linger_ms = 20;
    let server = serve(config).await;
    let ada = connect(&server, server.address(), "ada").await;
    let bob = connect(&server, server.address(), "bob").await;
    let _hall = within("joining", ada.join("chat:1")).await.unwrap();
    let seat = within("joining", bob.join("chat:1")).await.unwrap();
    let mut early = within("watching", ada.presence("chat:1")).await.unwrap();
    until(&mut early, &[("ada", 1), ("bob", 1)]).await;
    bob.typing("chat:1", true).await.unwrap();
    let typing = |people: &People| people.users.get("bob").is_some_and(|bob| bob.typing);
    assert!(within("bob writes", early.until(typing)).await.is_some());
    let second = connect(&server, server.address(), "bob").await;
    let other = within("joining", second.join("chat:1")).await.unwrap();
    until(&mut early, &[("ada", 1), ("bob", 2)]).await;
    drop(other);
    until(&mut early, &[("ada", 1), ("bob", 1)]).await;
    drop(seat);
    until(&mut early, &[("ada", 1)]).await;
    let mut late = within("watching", bob.presence("chat:1")).await.unwrap();
    until(&mut late, &[("ada", 1)]).await;
}

#[tokio::test]
async fn nobody_learns_who_is_elsewhere() {
    let server = serve(config()).await;
    let ada = connect(&server, server.address(), "ada").await;
    let _hall = within("joining", ada.join("chat:1")).await.unwrap();
    let foreign = token_for(&server, "eve", "other", Duration::from_secs(60));
    let eve = builder(server.address()).token(foreign).build().unwrap();
    within("connecting", eve.connect()).await.unwrap();
    let _seat = within("joining", eve.join("chat:1")).await.unwrap();
    let mut people = within("watching", eve.presence("chat:1")).await.unwrap();
    until(&mut people, &[("eve", 1)]).await;
    let refused = within("watching", eve.presence("user:ada")).await.map(drop).unwrap_err();
    assert!(matches!(refused, JoinError::Refused(refusal) if refusal.code == "forbidden"));
    let lie = json!({"user": "ada", "state": "gone", "devices": 0, "timestamp": "now"});
    let lied = within("lying", ada.publish("chat:1", "presence", &lie)).await;
    assert!(lied.is_err(), "who is there is for the server to say");
}

#[tokio::test]
async fn the_past_is_read_page_by_page() {
    let mut config = config();
    config.history.events_per_room = 8;
    let server = serve(config).await;
    let client = connect(&server, server.address(), "ada").await;
    publish(&server, "chat:1", 1..=10).await;
    let room = within("joining", client.join("chat:1")).await.unwrap();
    let offsets = |page: &staywire::HistoryPage| -> Vec<u64> {
        page.events.iter().map(|past| past.offset).collect()
    };
    let last = within("a page", room.history(None, 3)).await.unwrap();
    assert_eq!((offsets(&last), last.tip, last.oldest), (vec![8, 9, 10], 10, 3));
    assert_eq!(last.events[0].event.get(), r#"{"type":"n","data":8}"#);
    let before = within("a page", room.history(Some(8), 3)).await.unwrap();
    assert_eq!(offsets(&before), [5, 6, 7]);
    let first = within("a page", room.history(Some(5), 3)).await.unwrap();
    assert_eq!(offsets(&first), [3, 4], "the first two are gone");
    assert!(within("a page", room.history(Some(3), 3)).await.unwrap().events.is_empty());
    for refused in [client.history("user:bob", None, 3), client.history("chat:1", None, 0)] {
        let refused = within("a refusal", refused).await.map(drop).unwrap_err();
        assert!(matches!(refused, CallError::Refused(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_notice_that_is_read_on_one_device_is_read_on_all() {
    let server = serve(config()).await;
    let phone = connect(&server, server.address(), "ada").await;
    let desk = connect(&server, server.address(), "ada").await;
    let mut on_phone = within("watching", phone.notifications()).await.unwrap();
    for title in ["one", "two"] {
        let notice = json!({"user": "ada", "title": title});
        within("sending", desk.call::<_, serde_json::Value>("notifications.send", &notice))
            .await
            .unwrap();
    }
    let both = |inbox: &Inbox| inbox.notices.len() == 2;
    let first = {
        let inbox = within("two notices", on_phone.until(both)).await.unwrap();
        inbox.notices[0].notification.id.clone()
    };
    within("reading", desk.read_notifications(&[&first, "unknown"])).await.unwrap();
    let one_left = |inbox: &Inbox| inbox.unread().count() == 1;
    assert!(within("one is read", on_phone.until(one_left)).await.is_some());
    // A device that comes late sees the same.
    let late = builder(server.address()).token(token(&server, "ada")).build().unwrap();
    within("connecting", late.connect()).await.unwrap();
    let mut on_late = within("watching", late.notifications()).await.unwrap();
    let state = within("its state", on_late.until(both)).await.unwrap();
    assert_eq!(state.unread().map(|n| n.notification.title.as_str()).collect::<Vec<_>>(), ["two"]);
    assert_eq!(
        late.identity().map(|me| (me.tenant, me.subject)),
        Some((TENANT.into(), "ada".into()))
    );
}
