//! The routes, asked as a program and as a page of the same or another origin would.

use std::net::Ipv4Addr;

use axum::body::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::config::Secret;

fn demo(change: impl FnOnce(&mut Config)) -> (Arc<Gate>, Router) {
    let mut config = Config::for_demo();
    change(&mut config);
    config.validate().unwrap();
    let gate = Arc::new(Gate::new(&config).unwrap());
    (Arc::clone(&gate), router(gate, &config))
}

fn request(path: &str, headers: &[(&str, &str)], body: &str) -> axum::http::Request<Body> {
    let mut builder = axum::http::Request::post(path).header("host", "localhost:8000");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::from(body.to_owned())).unwrap()
}

async fn send(router: &Router, request: axum::http::Request<Body>) -> (Response<()>, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let json = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    (Response::from_parts(parts, ()), json)
}

type Response<T> = axum::http::Response<T>;

const JSON: (&str, &str) = ("content-type", "application/json");
const ADA: &str = r#"{"user": "ada", "tenant": "acme"}"#;

async fn ask_token(router: &Router, body: &str) -> (Response<()>, Value) {
    send(router, request("/auth/token", &[JSON], body)).await
}

#[tokio::test]
async fn a_demo_token_buys_a_ticket_that_buys_the_identity() {
    let (gate, router) = demo(|_| ());
    let (response, answer) = ask_token(&router, ADA).await;
    assert_eq!(
        (response.status(), &response.headers()["cache-control"]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    let expires_at = answer["expires_at"].as_str().unwrap();
    assert!(expires_at.ends_with('Z') && *expires_at > *iso8601(unix_ms() + 3_500_000));

    let auth = format!("Bearer {}", answer["token"].as_str().unwrap());
    let (response, answer) =
        send(&router, request("/auth/ticket", &[("authorization", &auth)], "")).await;
    assert_eq!((response.status(), &answer["expires_in_ms"]), (StatusCode::OK, &json!(30_000)));
    assert_eq!(response.headers()["cache-control"], "no-store");
    let identity = gate.tickets().redeem(answer["ticket"].as_str().unwrap(), unix_ms()).unwrap();
    assert_eq!((identity.subject.as_str(), identity.tenant.as_str()), ("ada", "acme"));
}

#[tokio::test]
async fn without_the_demo_nobody_gets_a_token() {
    let (_, router) = demo(|config| {
        config.demo = false;
        config.auth.hs256_secret = Some(Secret::new("x".repeat(32)));
    });
    assert_eq!(ask_token(&router, ADA).await.0.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_life_can_be_asked_for_and_is_cut() {
    let (_, router) = demo(|config| config.tokens.max_life_ms = 4_000_000);
    for (ttl_ms, most) in [(10_000, 11_000), (u64::MAX, 4_001_000)] {
        let body = json!({ "user": "a", "tenant": "b", "roles": ["x"], "ttl_ms": ttl_ms });
        let answer = ask_token(&router, &body.to_string()).await.1;
        let expires_at = answer["expires_at"].as_str().unwrap();
        assert!(*expires_at <= *iso8601(unix_ms() + most), "{expires_at}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_json() {
    let (_, router) = demo(|_| ());
    let long = format!(r#"{{"user": "{}", "tenant": "b"}}"#, "x".repeat(20_000));
    for (body, status, code) in [
        ("", 400, "bad_request"),
        ("{}", 400, "bad_request"),
        (r#"{"user": "a", "tenant": "b", "admin": true}"#, 400, "bad_request"),
        (r#"{"user": "", "tenant": "b"}"#, 400, "bad_request"),
        (r#"{"user": "a", "tenant": "b/c"}"#, 400, "bad_request"),
        (&long, 413, "too_large"),
    ] {
        let (response, answer) = ask_token(&router, body).await;
        assert_eq!((response.status().as_u16(), &answer["code"]), (status, &json!(code)), "{body}");
    }
    // Without the content type a foreign page could post without asking first.
    let (response, _) = send(&router, request("/auth/token", &[], ADA)).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_ticket_needs_a_good_token() {
    let (gate, router) = demo(|_| ());
    let old = gate.verifier().issue("a", "b", &[], 1_000, unix_ms() - 60_000).unwrap().token;
    for (auth, code) in [
        (None, "unauthorized"),
        (Some("Basic dTpw".to_owned()), "unauthorized"),
        (Some("Bearer a.b.c".to_owned()), "token_invalid"),
        (Some(format!("Bearer {old}")), "token_expired"),
    ] {
        let headers: Vec<_> = auth.iter().map(|auth| ("authorization", auth.as_str())).collect();
        let (response, answer) = send(&router, request("/auth/ticket", &headers, "")).await;
        assert_eq!((response.status(), &answer["code"]), (StatusCode::UNAUTHORIZED, &json!(code)));
        assert!(response.headers().contains_key("www-authenticate"));
    }
    let (_, answer) = send(&router, request("/auth/ticket?access_token=x", &[], "")).await;
    assert_eq!(answer["code"], "token_in_url");
}

#[tokio::test]
async fn pages_of_allowed_origins_read_the_answer_and_others_do_not() {
    let (_, router) = demo(|config| config.allowed_origins = vec!["https://app.example".into()]);
    let ask = |origin: &'static str| {
        send(&router, request("/auth/token", &[JSON, ("origin", origin)], ADA))
    };
    let (response, _) = ask("https://app.example").await;
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
    assert!(response.headers()["vary"].to_str().unwrap().contains("origin"));
    assert_eq!(ask("http://localhost:8000").await.0.status(), StatusCode::OK);
    let (response, answer) = ask("https://evil.example").await;
    assert_eq!(
        (response.status(), &answer["code"]),
        (StatusCode::FORBIDDEN, &json!("origin_forbidden"))
    );
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_refusal_can_be_read_by_the_page_it_concerns() {
    let (_, router) = demo(|config| config.allowed_origins = vec!["https://app.example".into()]);
    let headers = [("origin", "https://app.example"), ("authorization", "Bearer a.b.c")];
    let (response, answer) = send(&router, request("/auth/ticket", &headers, "")).await;
    assert_eq!(answer["code"], "token_invalid");
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example");
}

#[tokio::test]
async fn a_preflight_is_answered_for_allowed_origins_alone() {
    let (_, router) = demo(|config| config.allowed_origins = vec!["https://app.example".into()]);
    for (origin, allowed) in [("https://app.example", true), ("null", false)] {
        let mut ask = request("/auth/ticket", &[("origin", origin)], "");
        *ask.method_mut() = Method::OPTIONS;
        let headers = ask.headers_mut();
        headers.insert("access-control-request-method", HeaderValue::from_static("POST"));
        headers.insert("access-control-request-headers", HeaderValue::from_static("authorization"));
        let (response, _) = send(&router, ask).await;
        let headers = response.headers();
        assert_eq!(headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}

#[tokio::test]
async fn other_methods_and_floods_are_refused_in_json() {
    let one = std::num::NonZeroU32::MIN;
    let (_, router) = demo(|config| {
        config.limits.attempts_per_second = one;
        config.limits.attempts_burst = one;
    });
    let mut get = request("/auth/ticket", &[], "");
    *get.method_mut() = Method::GET;
    let (response, answer) = send(&router, get).await;
    assert_eq!((response.status().as_u16(), &answer["code"]), (405, &json!("method_not_allowed")));

    let router =
        router.layer(Extension(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 5_000)))));
    assert_eq!(ask_token(&router, ADA).await.0.status(), StatusCode::OK);
    let (response, answer) = ask_token(&router, ADA).await;
    assert_eq!((response.status().as_u16(), &answer["code"]), (429, &json!("rate_limited")));
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn a_draining_server_gives_no_tickets() {
    let (gate, router) = demo(|_| ());
    gate.drain(1_500);
    let (response, answer) = send(&router, request("/auth/ticket", &[], "")).await;
    assert_eq!((response.status().as_u16(), &answer["code"]), (503, &json!("draining")));
    assert_eq!(response.headers()["retry-after"], "2");
}
