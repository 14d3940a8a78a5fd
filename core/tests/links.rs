//! What a connection keeps of each of its links.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use bytes::Bytes;
use serde_json::value::RawValue;
use staywire::State;
use staywire::connection::{Action, Body, ClientIdentity, Connection, Message, Notice};
use staywire::engine::{Config, LinkId, Millis, Now, Time, WallTime, Wire};

const NOW: Now = Now { time: Time(0), wall: WallTime(1_700_000_000_000) };
const FIRST: LinkId = LinkId(1);
const SECOND: LinkId = LinkId(2);

fn connected() -> Connection {
    let identity = ClientIdentity { instance: "i".into(), producer: "p".into() };
    let mut connection = Connection::new(Config::default(), identity, 1);
    connection.connect(NOW);
    greet(&mut connection, FIRST, 1_000);
    actions(&mut connection);
    connection
}

fn greet(connection: &mut Connection, link: LinkId, max_frame_bytes: u64) {
    connection.handle_opened(link, Wire::StaywireV1, NOW);
    let welcome = format!(
        r#"{{"type":"welcome","data":{{"tenant":"t","subject":"s","store":"m","dedup_window_ms":1,"max_frame_bytes":{max_frame_bytes}}}}}"#
    );
    connection.handle_text(link, Bytes::from(welcome), NOW);
}

fn actions(connection: &mut Connection) -> Vec<Action> {
    let mut actions = Vec::new();
    loop {
        match connection.poll() {
            Action::Timeout(_) => return actions,
            action => actions.push(action),
        }
    }
}

#[test]
fn a_refusal_counts_for_the_close_that_follows_it_and_for_no_later_one() {
    const REFUSAL: &str =
        r#"{"type":"error","data":{"code":"rate_limited","message":"","retry_after_ms":60000}}"#;
    let retry = |last_words: &[&'static str]| {
        let mut connection = connected();
        for words in last_words {
            connection.handle_text(FIRST, Bytes::from_static(words.as_bytes()), NOW);
        }
        connection.handle_closed(FIRST, None, NOW);
        match connection.engine().state() {
            State::Reconnecting { retry_at, .. } => retry_at.since(NOW.time),
            other => panic!("{other:?}"),
        }
    };
    assert!(retry(&[REFUSAL]) >= Millis(60_000));
    assert!(retry(&[REFUSAL, r#"{"type":"pong"}"#]) < Millis(60_000));
}

#[test]
fn each_link_has_its_own_bound_on_frames() {
    let mut connection = connected();
    let goaway = r#"{"type":"goaway","data":{"reason":"drain","reconnect_after_ms":0}}"#;
    connection.handle_text(FIRST, Bytes::from_static(goaway.as_bytes()), NOW);
    connection.handle_timeout(NOW);
    // The next server takes far less; the one in use is still the first.
    connection.join("r", staywire::engine::From::Tip, NOW).unwrap();
    greet(&mut connection, SECOND, 10);
    actions(&mut connection);
    let data = RawValue::from_string(format!("\"{}\"", "x".repeat(100))).unwrap();
    connection.publish("r", "said", Body::Json(Some(data)), NOW).unwrap();
    let actions = actions(&mut connection);
    let sent = actions.iter().any(|action| {
        matches!(action, Action::Transmit { link: FIRST, message: Message::Text(text) } if text.contains("publish"))
    });
    let refused = actions
        .iter()
        .any(|action| matches!(action, Action::Notify(Notice::Answered { result: Err(_), .. })));
    assert!(sent && !refused, "{actions:?}");
}
