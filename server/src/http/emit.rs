//! `POST /internal/emit`: an event from another service of the operator's.
//!
//! It is not for browsers, and no page may ask it. Without a configured token it is not there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::LimitsConfig;
use crate::gateway::Refusal;
use crate::gateway::identity::ANONYMOUS_TENANT;
use crate::gateway::limits::CommandLimiter;
use crate::server::Parts;
use crate::services::emit::{Emission, Target};
use crate::time::unix_ms;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    room: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    tenant: Option<String>,
    event: String,
    #[serde(default)]
    data: Option<Box<RawValue>>,
    /// In base64.
    #[serde(default)]
    binary: Option<String>,
}

struct Route {
    parts: Arc<Parts>,
    pace: Mutex<CommandLimiter>,
}

/// The route, ready to be merged into the server's.
pub(super) fn router(parts: &Arc<Parts>) -> Router {
    let config = &parts.config.emit;
    let pace = LimitsConfig {
        commands_per_second: config.per_second,
        commands_burst: config.burst,
        ..LimitsConfig::default()
    };
    let pace = Mutex::new(CommandLimiter::new(&pace, unix_ms()));
    Router::new()
        .route("/internal/emit", post(emit).fallback(post_only))
        .layer(DefaultBodyLimit::max(largest_body(parts)))
        .with_state(Arc::new(Route { parts: parts.clone(), pace }))
}

/// The largest event, as base64, and what goes around it.
fn largest_body(parts: &Parts) -> usize {
    parts.config.limits.max_frame_bytes.div_ceil(3).saturating_mul(4).saturating_add(4_096)
}

async fn post_only() -> Refusal {
    Refusal::MethodNotAllowed { allowed: "POST" }
}

async fn emit(
    State(route): State<Arc<Route>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match answer(&route, peer, &headers, body).await {
        Ok(place) => {
            metrics::counter!("staywire_emitted_total").increment(1);
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ];
            (StatusCode::OK, headers, String::from(Box::<str>::from(place))).into_response()
        }
        Err(refusal) => {
            metrics::counter!("staywire_refusals_total", "code" => refusal.code()).increment(1);
            refusal.into_response()
        }
    }
}

async fn answer(
    route: &Route,
    peer: SocketAddr,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Box<RawValue>, Refusal> {
    let parts = &route.parts;
    let Some(token) = parts.gate.service_token() else {
        return Err(Refusal::NotFound(
            "events from outside are off; the operator can set `emit.service_token`".into(),
        ));
    };
    if let Err(refusal) = token.check(headers) {
        // Who guesses is slowed down, and the service never is for it.
        parts.gate.attempt(peer.ip(), headers)?;
        return Err(refusal);
    }
    let now_ms = unix_ms();
    route.pace.lock().unwrap_or_else(PoisonError::into_inner).check(now_ms).map_err(|refusal| {
        match refusal {
            Refusal::RateLimited { retry_after_ms, .. } => {
                Refusal::RateLimited { what: "events from outside", retry_after_ms }
            }
            other => other,
        }
    })?;
    let limit_bytes = parts.config.limits.max_frame_bytes;
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge { what: "the event", limit_bytes },
        _ => Refusal::BadRequest(rejection.body_text()),
    })?;
    let emission = read(parts, headers, &body)?;
    let bytes = emission.data.as_ref().map_or(0, |data| data.get().len())
        + emission.binary.as_ref().map_or(0, Bytes::len);
    if bytes > limit_bytes {
        return Err(Refusal::TooLarge { what: "the event", limit_bytes });
    }
    parts.services.emit(emission, now_ms).await
}

fn read(parts: &Parts, headers: &HeaderMap, body: &[u8]) -> Result<Emission, Refusal> {
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        Refusal::BadRequest(format!(
            "the body must be an object with `event`, one of `room`, `session_id` and `user`, and \
             `data` or `binary`: {error}"
        ))
    })?;
    let target = match (body.room, body.session_id, body.user) {
        (Some(room), None, None) => Target::Room(room),
        (None, Some(session_id), None) => Target::Session(session_id),
        (None, None, Some(user)) => Target::User(user),
        _ => {
            return Err(Refusal::BadRequest(
                "name one of `room`, `session_id` and `user`: that is where the event goes".into(),
            ));
        }
    };
    let config = &parts.config;
    let demo = || config.demo.then(|| ANONYMOUS_TENANT.to_owned());
    let tenant = body.tenant.or_else(|| config.emit.tenant.clone()).or_else(demo);
    let tenant = tenant.ok_or_else(|| {
        Refusal::BadRequest(
            "name the `tenant` whose room it is; the operator can set `emit.tenant` for events that \
             name none"
                .into(),
        )
    })?;
    let binary = body.binary.map(|text| STANDARD.decode(text)).transpose().map_err(|error| {
        Refusal::BadRequest(format!("`binary` must be base64 with its padding: {error}"))
    })?;
    Ok(Emission {
        tenant,
        target,
        kind: body.event,
        data: body.data,
        binary: binary.map(Bytes::from),
        key: headers.get("idempotency-key").map(key).transpose()?,
    })
}

/// `{producer}:{sequence}`.
fn key(value: &HeaderValue) -> Result<(String, u64), Refusal> {
    let parts = value.to_str().ok().and_then(|text| text.rsplit_once(':'));
    let key = parts.and_then(|(producer, sequence)| Some((producer, sequence.parse().ok()?)));
    key.map(|(producer, sequence): (&str, u64)| (producer.to_owned(), sequence)).ok_or_else(|| {
        Refusal::BadRequest(
            "`Idempotency-Key` must be the name of a producer, `:` and a number".into(),
        )
    })
}
