//! Who may come in over Socket.IO, and what a refused client reads.

use serde_json::{Value, json};

use crate::server::{PATIENCE, SERVICE_TOKEN, Server};
use crate::stock::{BOTH, Maker, Stock, code};

/// A server that lets nobody in without a token; its tokens are made by a demonstration with the same
/// secret.
const SECRET: &str = "[auth]\nhs256_secret = 'thirty-two bytes that both servers know'\n";

fn refused(maker: Maker, url: &str, options: &Value) -> Value {
    Stock::start(maker, url, options).said("connect_error")
}

#[test]
fn a_refusal_is_a_connect_error_with_its_code() {
    let issuer = Server::with(SECRET);
    let server = Server::on("127.0.0.1:0", SECRET);
    let token = issuer.token("ada", "acme");
    for maker in BOTH {
        let url = server.url("");
        let error = refused(maker, &url, &json!({}));
        assert_eq!(error["data"], json!({"code": "unauthorized"}), "{error}");
        assert!(error["message"].as_str().unwrap().contains("no credential"), "{error}");
        let error = refused(maker, &url, &json!({"auth": {"token": "x.y.z"}}));
        assert_eq!(error["data"]["code"], "token_invalid");
        let error = refused(maker, &url, &json!({"auth": {"token": 7}}));
        assert_eq!(error["data"]["code"], "bad_request");
        let header =
            json!({"extraHeaders": {"Authorization": "Basic eDp5"}, "auth": {"token": token}});
        assert_eq!(refused(maker, &url, &header)["data"]["code"], "unauthorized");
        for good in [
            json!({"auth": {"token": token}}),
            json!({"extraHeaders": {"Authorization": format!("Bearer {token}")}}),
        ] {
            let mut stock = Stock::connect(maker, &url, &good);
            stock.ask("join", json!({"room": "user:ada"}));
            let sent = stock.ask("notifications.send", json!({"user": "ada", "title": "t"}));
            assert_eq!(stock.event("notification")["id"], sent["id"], "it is ada");
        }
    }
    // A namespace that doesn't exist.
    let error = refused(Maker::Node, &server.url("/elsewhere"), &json!({"auth": {"token": token}}));
    assert_eq!(error["data"]["code"], "not_found");
    server.until("staywire_client_instances", 0.0);
}

#[test]
fn a_session_belongs_to_whom_it_was_given_first() {
    let server = Server::demo();
    let of = |user: &str, tenant: &str| json!({"auth": {"token": server.token(user, tenant)}, "query": {"session_id": "mine"}});
    let ada = Stock::connect(Maker::Node, &server.url("/ws"), &of("ada", "acme"));
    let again = Stock::connect(Maker::Node, &server.url("/ws"), &of("ada", "acme"));
    let error = refused(Maker::Node, &server.url("/ws"), &of("eve", "acme"));
    assert_eq!(error["data"], json!({"code": "session_taken"}), "{error}");
    let error = refused(
        Maker::Python,
        &server.url(""),
        &json!({"auth": {
            "token": server.token("ada", "other"), "session_id": "mine"
        }}),
    );
    assert_eq!(error["data"]["code"], "session_taken", "another tenant's ada is another");
    let error = refused(Maker::Node, &server.url("/ws"), &json!({"query": {"session_id": "a/b"}}));
    assert_eq!(error["data"]["code"], "bad_request");
    // Nor is it open to who asks for its room.
    let mut eve = Stock::connect(
        Maker::Node,
        &server.url(""),
        &json!({"auth": {"token": server.token("eve", "acme")}}),
    );
    assert_eq!(code(&eve.ask("join", json!({"room": "session:mine"}))), "session_taken");
    drop((ada, again));
}

#[test]
fn tenants_do_not_hear_each_other() {
    let server = Server::demo();
    let of = |tenant: &str| json!({"auth": {"token": server.token("ada", tenant)}});
    let mut acme = Stock::connect(Maker::Node, &server.url(""), &of("acme"));
    let mut other = Stock::connect(Maker::Python, &server.url(""), &of("other"));
    for stock in [&mut acme, &mut other] {
        assert_eq!(stock.ask("join", json!({"room": "chat:1"})), json!({}));
    }
    acme.ask("chat.send", json!({"room": "chat:1", "text": "among us"}));
    acme.event("chat:message");
    assert!(other.so_far().iter().all(|said| said["name"] != "chat:message"));
}

#[test]
fn a_subject_has_so_many_clients_and_a_server_so_many_connections() {
    let server = Server::on(
        "127.0.0.1:0",
        "demo = true\n[limits]\nmax_connections = 3\ninstances_per_subject = 2\n",
    );
    let ada = json!({"auth": {"token": server.token("ada", "acme")}, "reconnection": false});
    let mut first = Stock::connect(Maker::Node, &server.url(""), &ada);
    let _second = Stock::connect(Maker::Node, &server.url(""), &ada);
    let mut third = Stock::start(Maker::Node, &server.url(""), &ada);
    assert_eq!(third.said("connect_error")["data"]["code"], "too_many_connections");
    server.until("staywire_connections", 2.0);
    // One that is in no namespace is a connection too: the server is full.
    assert_eq!(request("GET", &server.url(OPEN), &[]).0, 200);
    let full = refused(Maker::Node, &server.url(""), &ada);
    assert_eq!(full["status"], 503, "{full}");
    first.order("disconnect");
    first.said("disconnect");
    server.until("staywire_connections", 2.0);
    Stock::connect(Maker::Node, &server.url(""), &ada);
}

#[test]
fn commands_are_paced_as_over_any_connection() {
    let server = Server::on(
        "127.0.0.1:0",
        "demo = true\n[limits]\ncommands_per_second = 1\ncommands_burst = 3\n",
    );
    let mut stock = Stock::connect(Maker::Node, &server.url(""), &json!({}));
    let answers: Vec<Value> =
        (0..5).map(|_| stock.ask("chat.send", json!({"room": "chat:1", "text": "x"}))).collect();
    assert!(answers[0]["offset"].is_u64() && answers[2]["offset"].is_u64(), "{answers:?}");
    assert_eq!(code(&answers[4]), "rate_limited");
    assert!(answers[4]["error"]["retry_after_ms"].as_u64().unwrap() <= 1_000);
}

#[test]
fn connections_are_counted_against_their_address() {
    let server = Server::on(
        "127.0.0.1:0",
        "demo = true\n[limits]\nattempts_per_second = 1\nattempts_burst = 1\n",
    );
    let _first = Stock::connect(Maker::Node, &server.url(""), &json!({}));
    let error = refused(Maker::Node, &server.url(""), &json!({"reconnection": false}));
    assert_eq!(error["status"], 429, "{error}");
}

fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> (u16, ureq::http::HeaderMap, String) {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(PATIENCE))
        .build();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = ureq::Agent::new_with_config(config).run(request.body(()).unwrap()).unwrap();
    let (parts, mut body) = response.into_parts();
    (parts.status.as_u16(), parts.headers, body.read_to_string().unwrap())
}

const OPEN: &str = "/socket.io/?EIO=4&transport=polling";

#[test]
fn pages_of_allowed_origins_may_poll_and_others_may_not() {
    let server =
        Server::on("127.0.0.1:0", "demo = true\nallowed_origins = ['https://app.example']\n");
    for path in [OPEN, "/ws/socket.io/?EIO=4&transport=polling"] {
        let url = server.url(path);
        let (status, headers, body) = request("GET", &url, &[("Origin", "https://app.example")]);
        assert_eq!((status, &body[..1]), (200, "0"), "{body}");
        assert_eq!(headers["access-control-allow-origin"], "https://app.example");
        let (status, headers, body) = request("GET", &url, &[("Origin", "https://evil.example")]);
        assert_eq!(status, 403, "{body}");
        assert!(body.contains("origin_forbidden"), "{body}");
        assert!(!headers.contains_key("access-control-allow-origin"));
        let preflight = [
            ("Origin", "https://app.example"),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "authorization,x-session-id"),
        ];
        let (status, headers, _) = request("OPTIONS", &url, &preflight);
        assert_eq!(
            (status, &headers["access-control-allow-origin"]),
            (200, &"https://app.example".parse().unwrap())
        );
        assert_eq!(headers["access-control-allow-headers"], "authorization,x-session-id");
        let (_, headers, _) =
            request("OPTIONS", &url, &[("Origin", "https://evil.example"), preflight[1]]);
        assert!(!headers.contains_key("access-control-allow-origin"));
        // No browser: no origin.
        assert_eq!(request("GET", &url, &[]).0, 200);
    }
    // The same of a WebSocket, and of a request that belongs to a connection.
    let upgrade = [
        ("Origin", "https://evil.example"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(
        request("GET", &server.url("/socket.io/?EIO=4&transport=websocket"), &upgrade).0,
        403
    );
    let (_, _, open) = request("GET", &server.url(OPEN), &[]);
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let poll = format!("{OPEN}&sid={}", open["sid"].as_str().unwrap());
    assert_eq!(request("GET", &server.url(&poll), &[("Origin", "https://evil.example")]).0, 403);
}

#[test]
fn the_handshake_says_what_was_configured() {
    let server = Server::with(
        "[socketio]\nping_interval_ms = 1234\nping_timeout_ms = 2345\nmax_payload_bytes = 3000000\n",
    );
    let (_, _, open) = request("GET", &server.url(OPEN), &[]);
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    assert_eq!(
        (&open["pingInterval"], &open["pingTimeout"], &open["maxPayload"], &open["upgrades"]),
        (&json!(1234), &json!(2345), &json!(3_000_000), &json!(["websocket"]))
    );
    let usual = Server::demo();
    let (_, _, open) = request("GET", &usual.url(OPEN), &[]);
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&json!(25_000), &json!(20_000)));
}

#[test]
fn what_engine_io_cannot_read_is_refused() {
    let server = Server::with("[socketio]\ntransports = ['websocket']\n");
    for (query, meant) in [
        ("EIO=4&transport=polling", "a transport that is not allowed"),
        ("EIO=3&transport=websocket", "an old protocol"),
        ("transport=websocket", "no protocol"),
        ("EIO=4", "no transport"),
        ("EIO=4&transport=websocket&sid=nobody", "an unknown connection"),
        ("EIO=4&transport=websocket&token=t", "a token in the URL"),
        ("EIO=4&transport=websocket", "no upgrade"),
    ] {
        let (status, _, body) = request("GET", &server.url(&format!("/socket.io/?{query}")), &[]);
        assert_eq!(status, 400, "{meant}: {body}");
    }
    server.until("staywire_connections", 0.0);
    let off = Server::with("[socketio]\nenabled = false\n");
    assert_eq!(request("GET", &off.url(OPEN), &[]).0, 404);
}

#[test]
fn a_connection_without_a_namespace_is_ended() {
    let server = Server::with("[socketio]\nconnect_timeout_ms = 300\n");
    for _ in 0..20 {
        assert_eq!(request("GET", &server.url(OPEN), &[]).0, 200);
    }
    assert_eq!(server.figure("staywire_connections"), 20.0);
    server.until("staywire_connections", 0.0);
    let mut stock = Stock::connect(Maker::Node, &server.url(""), &json!({"reconnection": false}));
    // Those that came later and are in none end before it.
    for _ in 0..2 {
        assert_eq!(request("GET", &server.url(OPEN), &[]).0, 200);
        server.until("staywire_connections", 1.0);
    }
    assert!(stock.so_far().iter().all(|said| said["on"] != "disconnect"), "this one is in one");
}

#[test]
fn events_from_outside_need_the_services_token() {
    let post = |server: &Server, token: &str| {
        let url = server.url("/internal/emit");
        let mut request = ureq::post(&url).config().http_status_as_error(false).build();
        if !token.is_empty() {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let body = json!({"session_id": "s", "event": "x", "data": 1});
        let mut response = request.send_json(body).unwrap();
        (response.status().as_u16(), response.body_mut().read_json::<Value>().unwrap())
    };
    let server = Server::with(&format!("[emit]\nservice_token = '{SERVICE_TOKEN}'\n"));
    assert_eq!(post(&server, "").1["code"], "unauthorized");
    assert_eq!(post(&server, "another").1["code"], "token_invalid");
    assert_eq!(post(&server, &server.token("ada", "acme")).1["code"], "token_invalid");
    assert_eq!(post(&server, SERVICE_TOKEN).0, 200);
    let (status, body) = post(&Server::demo(), SERVICE_TOKEN);
    assert_eq!((status, &body["code"]), (404, &json!("not_found")));
}
