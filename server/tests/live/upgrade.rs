//! Who is let in, how those are told who are not, and what the client makes of it.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;
use staywire::{Cause, ClientEvent, Refusal, State};
use staywire_server::Server;

use crate::peer::{End, Peer, dial, http, raw};
use crate::support::{
    builder, config, connect, connect_soon, rig, serve, token, token_for, until, within,
};

const PATH: &str = "/ws/ai/chat";

/// Path, headers, and the status and code that they are refused with.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);

/// Status and body of a refused upgrade.
async fn refused(server: &Server, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let Err(response) = dial(server.address(), path, headers).await else {
        panic!("it was let in");
    };
    let body = response.body().as_deref().unwrap_or_default();
    (response.status().as_u16(), serde_json::from_slice(body).unwrap())
}

fn closed() -> staywire_server::config::Config {
    let mut config = config();
    config.anonymous = Some(false);
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_refusal_has_a_status_and_a_code() {
    let server = serve(closed()).await;
    let good = format!("Bearer {}", token(&server, "ada"));
    let old = server.gate().verifier().issue("ada", "acme", &[], 1, 1_000).unwrap().token;
    let old = format!("Bearer {old}");
    let elsewhere = serve(config()).await;
    let foreign = format!("Bearer {}", token(&elsewhere, "ada"));
    let cases: &[Case<'_>] = &[
        (PATH, &[], 401, "unauthorized"),
        (PATH, &[("authorization", "Basic dTpw")], 401, "unauthorized"),
        (PATH, &[("authorization", "Bearer nonsense")], 401, "token_invalid"),
        (PATH, &[("authorization", &foreign)], 401, "token_invalid"),
        (PATH, &[("authorization", &old)], 401, "token_expired"),
        (
            PATH,
            &[("authorization", &good), ("origin", "https://evil.example")],
            403,
            "origin_forbidden",
        ),
        ("/ws/ai/chat?token=x", &[("authorization", &good)], 400, "token_in_url"),
        ("/ws/nothing", &[("authorization", &good)], 404, "not_found"),
    ];
    for (path, headers, status, code) in cases {
        let (got, body) = refused(&server, path, headers).await;
        assert_eq!((got, body["code"].as_str()), (*status, Some(*code)), "{path} {headers:?}");
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
        assert!(!body.to_string().contains("nonsense"), "a refusal repeats no token");
    }
    assert_eq!(server.connections(), 0);
    elsewhere.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_without_a_tenant_is_forbidden() {
    // The same secret, but another claim: the token is genuine, and lacks what is looked for.
    let secret = || Some(toml_secret("a shared secret of no less than 32 bytes"));
    let mut issuing = config();
    issuing.auth.hs256_secret = secret();
    issuing.auth.tenant_claim = "organisation".to_owned();
    let mut judging = config();
    judging.auth.hs256_secret = secret();
    let issuer = serve(issuing).await;
    let server = serve(judging).await;
    let bearer = format!("Bearer {}", token(&issuer, "ada"));
    let (status, body) = refused(&server, PATH, &[("authorization", &bearer)]).await;
    assert_eq!((status, &body["code"]), (403, &Value::from("tenant_missing")));

    let client = builder(server.address()).token(token(&issuer, "ada")).build().unwrap();
    let error = within("the refusal", client.connect()).await.unwrap_err();
    assert_eq!(error.reason, Cause::Forbidden, "whatever token it shows: the client gives up");
    issuer.stop().await;
    server.stop().await;
}

fn toml_secret(text: &str) -> staywire_server::config::Secret {
    staywire_server::config::Secret::new(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_attempts_and_too_many_clients_are_told_when_to_come_back() {
    let mut config = closed();
    config.limits.attempts_per_second = NonZeroU32::MIN;
    config.limits.attempts_burst = NonZeroU32::new(2).unwrap();
    let server = serve(config).await;
    for _ in 0..2 {
        assert_eq!(refused(&server, PATH, &[]).await.0, 401);
    }
    let (status, body) = refused(&server, PATH, &[]).await;
    assert_eq!((status, &body["code"]), (429, &Value::from("rate_limited")));
    assert!((1..=1_000).contains(&body["retry_after_ms"].as_u64().unwrap()));

    // The client waits as long as it is told, and gets in.
    let client = builder(server.address()).token(token(&server, "ada")).build().unwrap();
    let mut state = client.state();
    let (connected, limited) = tokio::join!(
        client.connect(),
        state.wait_for(|state| matches!(
            state,
            State::Reconnecting { cause: Cause::RateLimited, .. }
        ))
    );
    connected.unwrap();
    limited.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_with_too_many_clients_and_a_full_server_are_refused() {
    let mut config = closed();
    config.limits.instances_per_subject = 1;
    config.limits.max_connections = 2;
    let server = serve(config).await;
    let first = connect(&server, server.address(), "ada").await;

    let second = builder(server.address()).token(token(&server, "ada")).build().unwrap();
    let mut events = second.events();
    let mut state = second.state();
    connect_soon(&second);
    let limited =
        |state: &State| matches!(state, State::Reconnecting { cause: Cause::RateLimited, .. });
    within("the limit", state.wait_for(limited)).await.unwrap();
    let Some(ClientEvent::ServerError(Refusal { code, .. })) = events.next().await else {
        panic!("the server said why");
    };
    assert_eq!(code, "too_many_connections");
    first.close().await;
    let connected = state.wait_for(|state| *state == State::Connected);
    within("its place is free", connected).await.unwrap();

    let _third = connect(&server, server.address(), "bob").await;
    let bearer = format!("Bearer {}", token(&server, "eve"));
    let (status, body) = refused(&server, PATH, &[("authorization", &bearer)]).await;
    assert_eq!((status, &body["code"]), (503, &Value::from("server_full")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_upgrade_is_told_so() {
    let server = serve(config()).await;
    let (status, body) = http("GET", format!("http://{}{PATH}", server.address()), vec![]).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["code"]), (426, &Value::from("bad_request")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_a_path_does_not_take_is_told_which_it_takes() {
    let server = serve(config()).await;
    for (method, path, allowed) in [
        ("POST", PATH, "GET"),
        ("DELETE", "/ws/notifications", "GET"),
        ("POST", "/healthz", "GET"),
        ("POST", "/readyz", "GET"),
        ("PUT", "/metrics", "GET"),
        ("GET", "/auth/ticket", "POST"),
    ] {
        let answer = raw(server.address(), method, path).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_lowercase();
        assert!(head.starts_with("http/1.1 405 "), "{method} {path}: {head}");
        let allow = head.lines().filter_map(|line| line.strip_prefix("allow: "));
        assert_eq!(allow.collect::<Vec<_>>(), [allowed.to_lowercase()], "{method} {path}");
        assert!(head.contains("cache-control: no-store"), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "method_not_allowed", "{method} {path}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_one_connection_and_no_second() {
    let server = serve(closed()).await;
    let url = format!("http://{}/auth/ticket", server.address());
    let (status, body) = http("POST", url.clone(), vec![]).await;
    assert_eq!(status, 401, "no ticket without a token: {body}");
    let bearer = format!("Bearer {}", token(&server, "ada"));
    let (status, body) = http("POST", url, vec![("authorization", bearer)]).await;
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let offer = format!("staywire.v1, staywire.ticket.{}", body["ticket"].as_str().unwrap());
    let origin = format!("http://{}", server.address());
    let headers = [("sec-websocket-protocol", offer.as_str()), ("origin", origin.as_str())];

    let (mut peer, response) = dial(server.address(), PATH, &headers).await.ok().unwrap();
    let picked: Vec<_> = response.headers().get_all("sec-websocket-protocol").iter().collect();
    assert_eq!(picked, ["staywire.v1"], "the ticket is never echoed");
    peer.send(r#"{"type":"hello","data":{"instance":"tab","producer":"tab"}}"#).await;
    let welcome = peer.receive_kind("welcome").await;
    assert_eq!(welcome["data"]["subject"], "ada");

    let mut again = Peer::open(server.address(), PATH, &headers).await;
    let (error, end) = again.refusal().await;
    assert_eq!(error["code"], "ticket_invalid");
    assert_eq!(end, End::Closed { code: 4443, reason: "ticket_invalid".to_owned() });
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_token_that_is_refused_closes_the_client() {
    let server = serve(closed()).await;
    for bad in [None, Some("nonsense".to_owned())] {
        let mut builder = builder(server.address());
        if let Some(token) = bad {
            builder = builder.token(token);
        }
        let client = builder.build().unwrap();
        let error = within("the refusal", client.connect()).await.unwrap_err();
        assert_eq!(error.reason, Cause::Unauthorized);
        assert_eq!(error.reason.code(), 220);
        assert_eq!(client.state().get(), State::Closed { reason: Cause::Unauthorized });
    }
    // A token that was good once and ends without a successor: the same.
    let short = token_for(&server, "ada", "acme", Duration::from_millis(1));
    let client = builder(server.address()).token(short).build().unwrap();
    within("connecting", client.connect()).await.ok();
    let mut state = client.state();
    let closed = state.wait_for(|state| matches!(state, State::Closed { .. }));
    let closed = within("the token ends", closed).await.unwrap();
    assert_eq!(closed, State::Closed { reason: Cause::Unauthorized });
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_refusals_are_a_cause_and_another_attempt() {
    // A path that isn't there may be one tomorrow, a draining server another one.
    let (server, proxy) = rig(closed()).await;
    let elsewhere = staywire::Client::builder(&format!("ws://{}/ws/nothing", proxy.address()))
        .token(token(&server, "ada"))
        .build()
        .unwrap();
    let mut state = elsewhere.state();
    connect_soon(&elsewhere);
    let refused = |state: &State| {
        matches!(state, State::Reconnecting { cause: Cause::ProtocolViolation, .. })
    };
    within("the refusal", state.wait_for(refused)).await.unwrap();

    let stayed = connect(&server, server.address(), "bob").await;
    let draining = tokio::spawn({
        let server = server.clone();
        async move { server.drain().await }
    });
    until("it drains", || server.gate().check_open().is_err()).await;
    let bearer = format!("Bearer {}", token(&server, "ada"));
    let (status, body) = self::refused(&server, PATH, &[("authorization", &bearer)]).await;
    assert_eq!((status, &body["code"]), (503, &Value::from("draining")));
    assert!(body["retry_after_ms"].as_u64().unwrap() > 0);
    let client = builder(proxy.address()).token(token(&server, "ada")).build().unwrap();
    let mut state = client.state();
    connect_soon(&client);
    let away =
        |state: &State| matches!(state, State::Reconnecting { cause: Cause::Unavailable, .. });
    within("the refusal", state.wait_for(away)).await.unwrap();
    drop(stayed);
    draining.await.unwrap();
    server.stop().await;
}
