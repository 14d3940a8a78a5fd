//! What a stock client sends and hears: over every transport, both URLs, acknowledged, binary.

use serde_json::{Value, json};

use crate::server::Server;
use crate::stock::{BOTH, Maker, Stock, code};

/// The transports that a client may be given, and what it ends on.
const TRANSPORTS: [(&[&str], &str); 3] = [
    (&["websocket"], "websocket"),
    (&["polling"], "polling"),
    (&["polling", "websocket"], "websocket"),
];

/// Connects, joins, speaks and hears.
fn talks(maker: Maker, url: &str, mut options: Value, session_id: &str) -> Stock {
    options["reconnection"] = json!(false);
    if maker == Maker::Python {
        options.as_object_mut().unwrap().remove("reconnection");
    }
    let mut stock = Stock::connect(maker, url, &options);
    let connected = stock.event("connected");
    assert_eq!(connected["session_id"], session_id);
    assert!(connected["timestamp"].as_str().unwrap().ends_with('Z'), "{connected}");
    assert_eq!(connected.as_object().unwrap().len(), 2);
    assert_eq!(stock.ask("join", json!({"room": "chat:1"})), json!({}));
    let sent = stock.ask("chat.send", json!({"room": "chat:1", "text": "h\u{e9}llo \u{1f389}"}));
    let heard = stock.event("chat:message");
    assert_eq!((&heard["text"], &heard["id"]), (&json!("h\u{e9}llo \u{1f389}"), &sent["id"]));
    assert_eq!(stock.ask("leave", json!({"room": "chat:1"})), json!({}));
    stock
}

#[test]
fn both_readings_of_the_documents_url_work_over_every_transport() {
    // Of a client that polls and is killed, nothing tells but its silence.
    let server = Server::with("[socketio]\nping_interval_ms = 500\nping_timeout_ms = 5000\n");
    for (transports, ends_on) in TRANSPORTS {
        // As a path: the server is mounted at /ws. As a namespace: the client names it so.
        for (number, (url, path)) in [
            ("", "/socket.io"),
            ("/ws", "/socket.io"),
            ("", "/ws/socket.io"),
            ("/ws", "/ws/socket.io"),
        ]
        .into_iter()
        .enumerate()
        {
            let session_id = format!("s{number}{}", transports.join(""));
            let options = json!({"transports": transports, "path": path, "query": {"session_id": session_id}});
            let mut stock = talks(Maker::Node, &server.url(url), options, &session_id);
            assert_eq!(stock.transport(), ends_on);
        }
    }
    server.until("staywire_connections", 0.0);
}

#[test]
fn python_socketio_works_too() {
    let server = Server::demo();
    for (transports, ends_on) in TRANSPORTS {
        for (namespace, path) in [("/", "socket.io"), ("/ws", "socket.io"), ("/ws", "ws/socket.io")]
        {
            let options = json!({"transports": transports, "path": path, "namespace": namespace, "auth": {"session_id": "p1"}});
            let mut stock = talks(Maker::Python, &server.url(""), options, "p1");
            assert_eq!(stock.transport(), ends_on);
        }
    }
}

#[test]
fn a_session_is_named_by_header_query_or_auth_payload() {
    let server = Server::demo();
    let named = |options: Value| {
        let mut stock = Stock::connect(Maker::Node, &server.url("/ws"), &options);
        stock.event("connected")["session_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(named(json!({"extraHeaders": {"X-Session-ID": "by-header"}})), "by-header");
    assert_eq!(named(json!({"query": {"session_id": "by:query"}})), "by:query");
    assert_eq!(named(json!({"auth": {"session_id": "by-auth"}})), "by-auth");
    assert_ne!(named(json!({})), named(json!({})), "each without a name is one of its own");
}

#[test]
fn what_is_refused_is_said_where_it_was_asked() {
    let server = Server::demo();
    for maker in BOTH {
        let mut stock = Stock::connect(maker, &server.url(""), &json!({}));
        let refused = stock.ask("no.such.call", json!({}));
        assert_eq!(code(&refused), "not_found");
        assert!(refused["error"]["message"].as_str().unwrap().contains("chat.send"), "{refused}");
        assert_eq!(code(&stock.ask("join", json!({"room": "user:somebody"}))), "forbidden");
        assert_eq!(code(&stock.ask("join", json!({"rooms": []}))), "bad_request");
        assert_eq!(code(&stock.ask("join", json!("chat:1"))), "bad_request");
        let said = json!({"room": "session:x", "type": "generation:started", "data": {}});
        assert_eq!(code(&stock.ask("publish", said)), "forbidden");
        let said = json!({"room": "chat:1", "type": "chat:message", "data": {"id": "1"}});
        assert_eq!(code(&stock.ask("publish", said)), "bad_request");
        // Without an acknowledgement a refusal is an event.
        stock.emit(json!(["no.such.call", {}]));
        assert_eq!(stock.event("error")["code"], "not_found");
    }
}

#[test]
fn binary_data_goes_both_ways() {
    let server = Server::demo();
    for (transports, _) in TRANSPORTS {
        let options = json!({ "transports": transports });
        let mut python = Stock::connect(Maker::Python, &server.url(""), &options);
        let mut node = Stock::connect(Maker::Node, &server.url(""), &options);
        for stock in [&mut node, &mut python] {
            assert_eq!(stock.ask("join", json!({"room": "pictures"})), json!({}));
        }
        let picture = json!({"$binary": "AP8HAAEC"});
        let place =
            node.ask("publish", json!({"room": "pictures", "type": "image", "data": picture}));
        assert!(place["offset"].as_u64().unwrap() > 0, "{place}");
        assert_eq!(
            (node.event("image"), python.event("image")),
            (picture.clone(), picture.clone())
        );
        python.ask("publish", json!({"room": "pictures", "type": "image", "data": picture}));
        assert_eq!(
            (node.event("image"), python.event("image")),
            (picture.clone(), picture.clone())
        );
        // Where it would be lost it is refused.
        let nested = json!({"room": "pictures", "type": "image", "data": {"image": picture}});
        assert_eq!(code(&node.ask("publish", nested)), "bad_request");
        assert_eq!(code(&node.ask("chat.send", picture)), "bad_request");
    }
}

#[test]
fn a_large_event_passes_and_one_that_is_too_large_ends_the_connection() {
    let server = Server::with("[socketio]\nmax_payload_bytes = 1500000\n");
    for (transports, _) in TRANSPORTS {
        let options = json!({ "transports": transports });
        let mut stock = Stock::connect(Maker::Node, &server.url(""), &options);
        stock.ask("join", json!({"room": "r"}));
        let large = "x".repeat(900_000);
        stock.ask("publish", json!({"room": "r", "type": "t", "data": large}));
        assert_eq!(stock.event("t").as_str().map(str::len), Some(900_000));
        let larger = "x".repeat(1_200_000);
        stock.emit(json!(["publish", {"room": "r", "type": "t", "data": larger}]));
        assert_eq!(stock.event("error")["code"], "too_large");
        stock.said("disconnect");
        // It comes back by itself.
        stock.said("connect");
    }
}

#[test]
fn statistics_and_the_log_are_the_documents_own() {
    let server = Server::demo();
    for maker in BOTH {
        let mut stock = Stock::connect(maker, &server.url(""), &json!({}));
        stock.emit(json!(["get_stats"]));
        let stats = stock.event("stats");
        assert_eq!(
            (&stats["total_connections"], &stats["active_sessions"]),
            (&json!(1), &json!(1))
        );
        assert!(stats["uptime"].as_f64().unwrap() > 0.0, "{stats}");
        if cfg!(any(target_os = "linux", target_os = "macos", windows)) {
            assert!(stats["memory_usage"].as_u64().unwrap() > 1_000_000, "{stats}");
        }
        assert_eq!(stock.ask("get_stats", json!({}))["total_connections"], 1);
        stock.emit(json!(["log_event", "clicked", {"x": 1}]));
        assert_eq!(stock.ask("log_event", json!({"event_type": "clicked"})), json!({}));
        assert_eq!(code(&stock.ask("log_event", json!({}))), "bad_request");
        assert_eq!(server.figure("staywire_logged_events_total") as u64 % 2, 0);
        drop(stock);
        server.until("staywire_connections", 0.0);
    }
}

#[test]
fn whoever_is_silent_hears_the_heartbeat_and_stays() {
    let server = Server::with(
        "[heartbeat]\ninterval_ms = 100\ntimeout_ms = 100\n\
         [socketio]\nping_interval_ms = 100\nping_timeout_ms = 2000\n",
    );
    for maker in BOTH {
        let mut stock = Stock::connect(maker, &server.url(""), &json!({}));
        for _ in 0..5 {
            let heartbeat = stock.event("heartbeat");
            assert!(heartbeat["timestamp"].as_str().unwrap().ends_with('Z'), "{heartbeat}");
        }
        assert!(stock.so_far().iter().all(|said| said["on"] != "disconnect"));
    }
}

#[test]
fn a_namespace_that_is_left_and_entered_at_once_is_another_stay() {
    let server = Server::demo();
    let mut stock = Stock::connect(Maker::Node, &server.url("/ws"), &json!({"forceNew": true}));
    for round in 0..50 {
        stock.order("hop");
        stock.said("disconnect");
        stock.said("connect");
        let place = stock.ask("publish", json!({"room": "r", "type": "t", "data": round}));
        assert!(place["offset"].is_u64(), "round {round}: {place}");
    }
    assert_eq!(server.figure("staywire_client_instances"), 1.0);
    assert_eq!(server.figure("staywire_connections"), 1.0);
}
