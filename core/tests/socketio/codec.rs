//! Packets: what is written is read, what is broken is named, and nothing is a panic.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use staywire::wire::socketio::engine::{self, Frame, encode_payload};
use staywire::wire::socketio::{
    Arguments, Assembler, Kind, Limits, Outgoing, Packet, SocketIoError, encode,
};

/// Hands frames to an assembler, as a WebSocket would.
fn assemble(frames: Vec<Frame>) -> Result<Option<Packet>, SocketIoError> {
    let mut assembler = Assembler::new(Limits::default());
    let mut packet = None;
    for frame in frames {
        assert_eq!(packet, None, "it was whole before all of it was there");
        packet = match frame {
            Frame::Text(text) => match engine::Packet::decode(&Bytes::from(text))? {
                engine::Packet::Text(text) => assembler.take_text(&text)?,
                other => panic!("no message but {other:?}"),
            },
            Frame::Binary(bytes) => assembler.take_binary(bytes)?,
        };
    }
    Ok(packet)
}

fn read(text: &'static str) -> Result<Option<Packet>, SocketIoError> {
    Assembler::default().take_text(&Bytes::from_static(text.as_bytes()))
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,12}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn arguments() -> impl Strategy<Value = (Vec<Value>, Vec<Vec<u8>>)> {
    (
        prop::collection::vec(json_value(), 0..4),
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
    )
}

fn built(values: &[Value], attachments: &[Vec<u8>]) -> Arguments {
    let mut built = Arguments::new();
    for value in values {
        built.push(value).unwrap();
    }
    for attachment in attachments {
        built.push_bytes(attachment.clone());
    }
    built
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (values, attachments) in arguments(),
        name in "\\PC{1,12}",
        namespace in "/[a-z/]{0,8}",
        id in prop::option::of(0u64..1 << 53),
    ) {
        prop_assume!(!["connect", "disconnect"].contains(&&*name));
        // A placeholder of another's making refers to nothing.
        prop_assume!(!json!(values).to_string().contains("_placeholder"));
        let id = id.map(|id| id % 1_000_000_000_000_000);
        let arguments = built(&values, &attachments);
        let frames = encode(&namespace, Outgoing::Event(&name, &arguments, id));
        let packet = assemble(frames).unwrap().unwrap();
        prop_assert_eq!(packet.namespace(), &namespace);
        prop_assert_eq!(&packet.attachments, &attachments);
        let Kind::Event { values: read, id: read_id } = packet.kind else { panic!("no event") };
        prop_assert_eq!(read_id, id);
        prop_assert_eq!(read.len(), 1 + values.len() + attachments.len());
        let texts: Vec<Value> =
            (0..read.len()).map(|at| serde_json::from_str(read.get(at).unwrap()).unwrap()).collect();
        prop_assert_eq!(&texts[0], &json!(name));
        prop_assert_eq!(&texts[1..=values.len()], &values[..]);

        let frames = encode(&namespace, Outgoing::Ack(&arguments, 7));
        let packet = assemble(frames).unwrap().unwrap();
        let is_ack = matches!(packet.kind, Kind::Ack { id: 7, .. });
        prop_assert!(is_ack);
    }

    #[test]
    fn a_polling_payload_holds_what_was_put_into_it((values, attachments) in arguments()) {
        let arguments = built(&values, &attachments);
        let mut frames = encode("/", Outgoing::Event("a", &arguments, None));
        frames.push(Frame::Text("2".to_owned()));
        frames.extend(encode("/ns", Outgoing::Ack(&arguments, 3)));
        let text = encode_payload(&frames);
        prop_assert_eq!(
            text.len() + 1,
            frames.iter().map(|frame| frame.polled_len() + 1).sum::<usize>()
        );
        let mut payload = Bytes::from(text);
        let mut read = Vec::new();
        while let Some(packet) = engine::Packet::decode_next(&mut payload) {
            read.push(match packet.unwrap() {
                engine::Packet::Text(text) => Frame::Text(format!("4{}", str::from_utf8(&text).unwrap())),
                engine::Packet::Ping(_) => Frame::Text("2".to_owned()),
                engine::Packet::Binary(bytes) => Frame::Binary(bytes),
                other => panic!("{other:?}"),
            });
        }
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn no_bytes_are_a_panic(messages in prop::collection::vec(
        (any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            "[0-6][0-9]{0,3}-?(/[a-z]{0,3},)?[0-9]{0,3}[\\[\\]{}\",:a-z0-9 \\\\]{0,24}".prop_map(String::into_bytes),
        ]), 0..8,
    )) {
        let mut assembler = Assembler::new(Limits { attachments: 3, bytes: 1_000 });
        for (binary, bytes) in messages {
            let bytes = Bytes::from(bytes);
            let _ = engine::Packet::decode(&bytes);
            let mut payload = bytes.clone();
            let mut count = 0;
            while engine::Packet::decode_next(&mut payload).is_some() {
                count += 1;
                assert!(count <= bytes.len() + 1, "it never ends");
            }
            let _ = if binary { assembler.take_binary(bytes) } else { assembler.take_text(&bytes) };
        }
    }
}

#[test]
fn what_is_broken_is_named() {
    let data = |kind, wanted| SocketIoError::Data { kind, wanted };
    let named = "an array that begins with its name";
    for (text, error) in [
        ("", SocketIoError::Empty { layer: "Socket.IO" }),
        ("7[]", SocketIoError::UnknownType { layer: "Socket.IO", found: '7' }),
        ("é", SocketIoError::UnknownType { layer: "Socket.IO", found: 'é' }),
        ("0[]", data("connect", "an object or nothing")),
        ("1{}", data("disconnect", "no data")),
        ("2", data("event", "an array")),
        ("2{}", data("event", "an array")),
        ("2[]", data("event", named)),
        ("2[{}]", data("event", named)),
        ("2[null]", data("event", named)),
        ("2[true]", data("event", named)),
        ("2[\"\\ud800\"]", data("event", named)),
        ("3[]", SocketIoError::Head { part: "id", at: 1 }),
        ("35{}", data("ack", "an array")),
        ("4", data("connect error", "an object or a text")),
        ("4[]", data("connect error", "an object or a text")),
        ("5[\"a\"]", SocketIoError::Head { part: "number of attachments", at: 1 }),
        ("50-[\"a\"]", SocketIoError::Head { part: "number of attachments", at: 1 }),
        ("51[\"a\"]", SocketIoError::Head { part: "number of attachments", at: 1 }),
        ("5257-[\"a\"]", SocketIoError::TooMuch { what: "attachments", most: 256 }),
        ("21234567890123456[\"a\"]", SocketIoError::Head { part: "id", at: 1 }),
        ("2[\"connect\"]", SocketIoError::ReservedName { name: "connect".to_owned() }),
        ("2[\"\\u0063onnect\"]", SocketIoError::ReservedName { name: "connect".to_owned() }),
    ] {
        assert_eq!(read(text), Err(error), "{text}");
    }
    for text in ["2[\"a\"", "2[\"a\"]]", "2[\"a\",]", "2[\"a\" \"b\"]", "2/a[\"a\"]x", "2,[\"a\"]"]
    {
        let found = read(text);
        let named =
            matches!(found, Err(SocketIoError::NotJson { .. } | SocketIoError::Data { .. }));
        assert!(named, "{text}: {found:?}");
    }
}

#[test]
fn a_packet_cut_at_any_byte_is_an_error_and_never_another_packet() {
    let whole = r#"2/ns,17["name",{"a":[1,2,"é"]},"x"]"#;
    for end in 0..whole.len() {
        let cut = Bytes::copy_from_slice(&whole.as_bytes()[..end]);
        assert!(Assembler::default().take_text(&cut).is_err(), "{end}");
    }
    assert!(read(whole).unwrap().is_some());
}

#[test]
fn attachments_are_put_together_within_bounds() {
    let mut assembler = Assembler::new(Limits { attachments: 2, bytes: 100 });
    let announce = |text: &'static str| Bytes::from_static(text.as_bytes());
    let event = announce(r#"52-["a",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#);
    assert_eq!(assembler.take_text(&event), Ok(None));
    assert_eq!(assembler.take_binary(Bytes::from_static(b"one")), Ok(None));
    let packet = assembler.take_binary(Bytes::from_static(b"two")).unwrap().unwrap();
    assert_eq!(packet.attachments, [&b"one"[..], b"two"]);

    assert_eq!(assembler.take_binary(Bytes::new()), Err(SocketIoError::Unannounced));
    assert_eq!(
        assembler.take_text(&announce(r#"53-["a"]"#)),
        Err(SocketIoError::TooMuch { what: "attachments", most: 2 })
    );
    assembler.take_text(&event).unwrap();
    assert_eq!(assembler.take_text(&event), Err(SocketIoError::Interrupted { missing: 2 }));
    assembler.take_text(&event).unwrap();
    assert_eq!(
        assembler.take_binary(Bytes::from_static(&[0; 64])),
        Err(SocketIoError::TooMuch { what: "bytes", most: 100 })
    );
    for place in [
        r#"51-["a",{"_placeholder":true,"num":1}]"#,
        r#"51-["a",[{"b":{"_placeholder":true,"num":-1}}]]"#,
        r#"51-["a",{"_placeholder":true}]"#,
        r#"51-["a",{"num":0.5,"_placeholder":true}]"#,
        r#"51-["a",{"num":"0","_placeholder":true}]"#,
    ] {
        assembler.take_text(&announce(place)).unwrap();
        let found = assembler.take_binary(Bytes::new());
        assert_eq!(found, Err(SocketIoError::Placeholder), "{place}");
    }
    for place in [
        r#"51-["a",{"_placeholder":false,"num":9}]"#,
        r#"51-["a",{"_placeholder":true,"num":0,"more":1}]"#,
        r#"51-["a"]"#,
    ] {
        assembler.take_text(&announce(place)).unwrap();
        assert!(assembler.take_binary(Bytes::new()).unwrap().is_some(), "{place}");
    }
}

#[test]
fn what_servers_write_is_read() {
    let connect = read(r#"0/ws,{"sid":"a","pid":"b"}"#).unwrap().unwrap();
    assert_eq!(connect.namespace(), "/ws");
    assert_eq!(read("0").unwrap().unwrap().kind, Kind::Connect(None));
    assert_eq!(read("1/ws").unwrap().unwrap().namespace(), "/ws");
    assert_eq!(read("1/ws,").unwrap().unwrap().namespace(), "/ws");
    let numbered = read("2[12,true]").unwrap().unwrap();
    assert!(
        matches!(numbered.kind, Kind::Event { values, id: None } if values.get(0) == Some("12"))
    );
    let refused = read(r#"4"no""#).unwrap().unwrap();
    assert_eq!(refused.kind, Kind::ConnectError(Bytes::from_static(b"\"no\"")));
    assert!(matches!(read("30[]").unwrap().unwrap().kind, Kind::Ack { id: 0, .. }));
}

#[cfg(feature = "socketio-msgpack")]
mod messagepack {
    use staywire::wire::socketio::msgpack;

    use super::*;

    fn bytes_of(frames: Vec<Frame>) -> Bytes {
        match <[Frame; 1]>::try_from(frames) {
            Ok([Frame::Binary(bytes)]) => bytes,
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_json_parser_would(
            (values, attachments) in arguments(),
            id in prop::option::of(0u64..1 << 53),
        ) {
            prop_assume!(!json!(values).to_string().contains("_placeholder"));
            let arguments = built(&values, &attachments);
            let frames = msgpack::encode("/ns", Outgoing::Event("name", &arguments, id));
            let packet = msgpack::decode(&bytes_of(frames), &Limits::default()).unwrap();
            prop_assert_eq!(packet.namespace(), "/ns");
            prop_assert_eq!(&packet.attachments, &attachments);
            let Kind::Event { values: read, id: read_id } = packet.kind else { panic!("no event") };
            prop_assert_eq!(read_id, id);
            for (at, value) in values.iter().enumerate() {
                let text = read.get(at + 1).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Value>(text).unwrap(), value);
            }
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..96)) {
            let _ = msgpack::decode(&bytes, &Limits { attachments: 1, bytes: 64 });
        }

        #[test]
        fn no_bytes_behind_a_good_beginning_are_a_panic(
            end in prop::collection::vec(any::<u8>(), 0..32),
            kept in 0usize..64,
        ) {
            let arguments = built(&[json!({"a": [1, "b"]})], &[vec![1, 2]]);
            let whole = bytes_of(msgpack::encode("/", Outgoing::Event("a", &arguments, Some(1))));
            let mut bytes = whole[..kept.min(whole.len())].to_vec();
            bytes.extend(end);
            let _ = msgpack::decode(&bytes, &Limits::default());
        }
    }

    #[test]
    fn a_length_that_lies_takes_no_memory() {
        // An array, a map, a text and bytes of four billion, none of which is there.
        for lie in [0xdd, 0xdf, 0xdb, 0xc6u8] {
            let bytes = [0x81, 0xa4, b'd', b'a', b't', b'a', lie, 0xff, 0xff, 0xff, 0xff];
            assert!(msgpack::decode(&bytes, &Limits::default()).is_err());
        }
        let deep = [&[0x81, 0xa4, b'd', b'a', b't', b'a'][..], &[0x91; 100_000], &[0xc0]].concat();
        assert!(msgpack::decode(&deep, &Limits::default()).is_err());
    }
}
