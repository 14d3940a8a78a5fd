//! A session's conversation, packet by packet.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use staywire::Refusal;
use staywire::connection::Message;
use staywire::connection::socketio::{
    Continuity, Ended, Opened, Restore, Session, SessionConfig, Told,
};
use staywire::wire::socketio::engine::{Frame, Packet};
use staywire::wire::socketio::{Limits, Parser, SocketIoError};

fn config(continuity: Continuity) -> SessionConfig {
    SessionConfig {
        link: 1,
        namespace: "/".to_owned(),
        auth: None,
        continuity,
        recovery: true,
        restore: None,
        parser: Parser::Json,
        limits: Limits::default(),
    }
}

fn say(session: &mut Session, frame: &str) -> Result<(), SocketIoError> {
    let frame = Bytes::copy_from_slice(frame.as_bytes());
    session.handle_packet(Packet::decode(&frame)?)
}

const OPEN: &str =
    r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}"#;

/// A session that asked for its namespace, and what it asked with.
fn asked(config: SessionConfig) -> (Session, Value) {
    let mut session = Session::new(config);
    say(&mut session, OPEN).unwrap();
    let asked = sent(&mut session).remove(0);
    let auth = asked.strip_prefix("40").unwrap();
    let auth = if auth.is_empty() { Value::Null } else { serde_json::from_str(auth).unwrap() };
    (session, auth)
}

fn sent(session: &mut Session) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(sending) = session.next_sending() {
        for frame in sending.frames {
            match frame {
                Frame::Text(text) => all.push(text),
                Frame::Binary(bytes) => all.push(format!("{bytes:?}")),
            }
        }
    }
    all
}

/// What is told, in few words.
fn told(session: &mut Session) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(told) = session.next_told() {
        match told {
            Told::Up(Opened { carried, restored, .. }) => {
                all.push(format!("up carried={carried} restored={restored}"));
            }
            Told::Event(events) => {
                for event in events {
                    let data: Value = event.data().unwrap();
                    all.push(format!("{} {data}", event.kind().unwrap()));
                }
            }
            Told::Answer { id, reply } => all.push(format!("answer {id} {}", reply.data)),
            Told::Text(text) => all.push(format!("text {}", str::from_utf8(&text).unwrap())),
            Told::Binary(bytes) => all.push(format!("binary {bytes:?}")),
            Told::Heard => {}
            Told::Ended(ended) => all.push(format!("ended {ended:?}")),
        }
    }
    all
}

#[test]
fn it_opens_hears_and_answers_pings() {
    let (mut session, auth) = asked(config(Continuity::Off));
    assert_eq!(auth, Value::Null);
    say(&mut session, r#"40{"sid":"s"}"#).unwrap();
    say(&mut session, r#"42["none"]"#).unwrap();
    say(&mut session, r#"42["one",{"a":1}]"#).unwrap();
    say(&mut session, r#"42["two",1,[2]]"#).unwrap();
    say(&mut session, "2").unwrap();
    say(&mut session, r#"435["yes"]"#).unwrap();
    say(&mut session, r#"42/other,["another namespace"]"#).unwrap();
    assert_eq!(
        told(&mut session),
        [
            "up carried=false restored=false",
            "none null",
            r#"one {"a":1}"#,
            "two [1,[2]]",
            r#"answer 5 "yes""#
        ]
    );
    assert_eq!(sent(&mut session), ["3"]);
    session.leave();
    assert_eq!(sent(&mut session), ["41"]);
    say(&mut session, "41").unwrap();
    assert_eq!(told(&mut session), [format!("ended {:?}", Ended::Dismissed)]);
    say(&mut session, r#"42["late"]"#).unwrap();
    assert!(told(&mut session).is_empty());
}

#[test]
fn a_session_is_gone_on_with_from_the_last_place_that_it_saw() {
    let (mut session, _) = asked(config(Continuity::Off));
    say(&mut session, r#"40{"sid":"s","pid":"p"}"#).unwrap();
    assert_eq!(session.restore(), None, "there is no place to go on from");
    // The name of the place is no argument; a text of the application's is one.
    say(&mut session, r#"42["a",1,"Q82fr_v.C"]"#).unwrap();
    say(&mut session, r#"42["b","Q82fs0Q"]"#).unwrap();
    say(&mut session, r#"42["volatile","hello"]"#).unwrap();
    say(&mut session, r#"429["asks","Q82fs0R"]"#).unwrap();
    say(&mut session, r#"42["c",{"d":2},"1700000000000-0"]"#).unwrap();
    let heard = told(&mut session);
    assert_eq!(
        heard[1..],
        ["a 1", "b null", r#"volatile "hello""#, r#"asks "Q82fs0R""#, r#"c {"d":2}"#]
    );
    let restore = session.restore().unwrap();
    assert_eq!(restore, Restore { pid: "p".into(), offset: "1700000000000-0".into() });

    let again = SessionConfig { restore: Some(restore.clone()), ..config(Continuity::Off) };
    let (mut session, auth) = asked(again);
    assert_eq!(auth, json!({"pid": "p", "offset": "1700000000000-0"}));
    // What was missed comes before the server says that the client is in.
    say(&mut session, r#"42["missed",3,"1700000000001-0"]"#).unwrap();
    assert!(told(&mut session).is_empty());
    say(&mut session, r#"40{"sid":"s","pid":"p"}"#).unwrap();
    assert_eq!(told(&mut session), ["up carried=false restored=true", "missed 3"]);
    assert_eq!(session.restore().unwrap().offset, "1700000000001-0");

    let again = SessionConfig { restore: Some(restore), ..config(Continuity::Off) };
    let (mut session, _) = asked(again);
    say(&mut session, r#"40{"sid":"t","pid":"another"}"#).unwrap();
    assert_eq!(told(&mut session), ["up carried=false restored=false"]);
    assert_eq!(session.restore(), None, "a place of one session is none of another");
}

#[test]
fn staywire_v1_is_carried_where_the_server_says_so_first() {
    let auth = serde_json::value::to_raw_value(&json!({"token": "t"})).unwrap();
    let asks = SessionConfig { auth: Some(auth), ..config(Continuity::Required) };
    let (mut session, auth) = asked(asks);
    assert_eq!(auth, json!({"protocol": "staywire.v1", "token": "t"}));
    say(&mut session, r#"40{"sid":"s"}"#).unwrap();
    assert!(session.is_agreeing() && told(&mut session).is_empty());
    say(&mut session, r#"42["staywire.v1",{"type":"accepted"}]"#).unwrap();
    say(&mut session, r#"42["staywire.v1",{"type":"welcome"}]"#).unwrap();
    say(&mut session, r#"42["staywire.v1",[1,2,[{}]]]"#).unwrap();
    say(&mut session, r#"42["other",5]"#).unwrap();
    say(&mut session, r#"451-["staywire.v1",{"_placeholder":true,"num":0}]"#).unwrap();
    session.handle_packet(Packet::Binary(Bytes::from_static(b"ab"))).unwrap();
    session.send(Message::Text(r#"{"type":"hello"}"#.to_owned()));
    session.send(Message::Binary(Bytes::from_static(b"cd")));
    say(&mut session, r#"42["staywire.v1",{"type":"close","data":{"code":4401,"reason":"x"}}]"#)
        .unwrap();
    assert_eq!(
        told(&mut session),
        [
            "up carried=true restored=false".to_owned(),
            r#"text {"type":"welcome"}"#.to_owned(),
            "text [1,2,[{}]]".to_owned(),
            r#"text {"type":"other","data":5}"#.to_owned(),
            r#"binary b"ab""#.to_owned(),
            format!("ended {:?}", Ended::Code(4401)),
        ]
    );
    assert_eq!(
        sent(&mut session),
        [
            r#"42["staywire.v1",{"type":"hello"}]"#,
            r#"451-["staywire.v1",{"_placeholder":true,"num":0}]"#,
            r#"b"cd""#
        ]
    );
}

#[test]
fn a_server_that_carries_nothing_is_told_by_its_first_event_or_its_silence() {
    for (continuity, outcome) in [
        (Continuity::Auto, vec!["up carried=false restored=false".to_owned(), "a 1".to_owned()]),
        (Continuity::Required, vec![format!("ended {:?}", Ended::NotCarried)]),
    ] {
        let (mut session, _) = asked(config(continuity));
        say(&mut session, r#"40{"sid":"s"}"#).unwrap();
        say(&mut session, r#"42["a",1]"#).unwrap();
        assert_eq!(told(&mut session), outcome);
        let (mut session, _) = asked(config(continuity));
        say(&mut session, r#"40{"sid":"s"}"#).unwrap();
        session.give_up_agreeing().unwrap();
        assert_eq!(told(&mut session), outcome[..1]);
    }
}

#[test]
fn refusals_come_with_all_that_the_server_said() {
    let refused = |said: &str| {
        let (mut session, _) = asked(config(Continuity::Off));
        say(&mut session, &format!("44{said}")).unwrap();
        match session.next_told() {
            Some(Told::Ended(Ended::Refused(refusal))) => refusal,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(r#""no""#), Refusal::new(Refusal::CONNECT_ERROR, "no"));
    let stock = refused(r#"{"message":"no","data":{"a":1}}"#);
    assert_eq!((&*stock.message, stock.data.as_deref()), ("no", Some(r#"{"a":1}"#)));
    let ours = refused(r#"{"message":"slow","data":{"code":"rate_limited","retry_after_ms":9}}"#);
    assert_eq!((&*ours.code, ours.retry_after.map(|wait| wait.0)), ("rate_limited", Some(9)));
}

#[test]
fn what_comes_out_of_its_place_is_named() {
    let mut session = Session::new(config(Continuity::Off));
    assert!(matches!(say(&mut session, "2"), Err(SocketIoError::Handshake { .. })));
    let mut session = Session::new(config(Continuity::Off));
    assert!(matches!(say(&mut session, "0{}"), Err(SocketIoError::Handshake { .. })));
    let (mut session, _) = asked(config(Continuity::Off));
    assert!(matches!(say(&mut session, OPEN), Err(SocketIoError::OutOfPlace { .. })));
    let (mut session, _) = asked(config(Continuity::Off));
    say(&mut session, r#"40{"sid":"s"}"#).unwrap();
    assert!(matches!(say(&mut session, "40"), Err(SocketIoError::OutOfPlace { .. })));
    assert!(matches!(say(&mut session, "44{}"), Err(SocketIoError::OutOfPlace { .. })));
}

#[test]
fn what_comes_before_the_client_is_in_is_bounded() {
    let limits = Limits { attachments: 1, bytes: 1_000 };
    let (mut session, _) = asked(SessionConfig { limits, ..config(Continuity::Off) });
    let event = format!(r#"42["a","{}"]"#, "x".repeat(300));
    let outcomes: Vec<_> = (0..4).map(|_| say(&mut session, &event).is_ok()).collect();
    assert_eq!(outcomes, [true, true, true, false]);
}

proptest! {
    #[test]
    fn no_conversation_is_a_panic(
        required in any::<bool>(),
        frames in prop::collection::vec(prop_oneof![
            Just(OPEN.to_owned()),
            Just(r#"40{"sid":"s","pid":"p"}"#.to_owned()),
            Just(r#"42["staywire.v1",{"type":"accepted"}]"#.to_owned()),
            Just(r#"42["staywire.v1"]"#.to_owned()),
            Just(r#"42["a",1,"Q82fr_v.C"]"#.to_owned()),
            Just(r#"451-["a"]"#.to_owned()),
            Just("binary".to_owned()),
            "[0-6]{1,2}[\\[\\]{}\",:a-z0-9]{0,12}",
        ], 0..12),
    ) {
        let continuity = if required { Continuity::Required } else { Continuity::Auto };
        let mut session = Session::new(config(continuity));
        for frame in frames {
            let handled = match frame.as_str() {
                "binary" => session.handle_packet(Packet::Binary(Bytes::from_static(b"x"))),
                frame => say(&mut session, frame),
            };
            let _ = (handled, session.give_up_agreeing(), told(&mut session), sent(&mut session));
        }
        session.leave();
    }
}
