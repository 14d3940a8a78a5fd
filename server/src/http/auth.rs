//! `POST /auth/ticket` for browsers, and in a demonstration `POST /auth/token` for anyone.
//!
//! A browser's page can read the status and body of these, unlike those of a failed upgrade; so this is
//! where it learns why it may not connect. Answers are never stored by caches, and pages of other origins
//! read them only if their origin is allowed. Without the demonstration no token is ever made here.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Json, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::config::{Config, TokensConfig};
use crate::gateway::credentials::{bearer, refuse_in_url};
use crate::gateway::jwt::IssueError;
use crate::gateway::ticket::Ticket;
use crate::gateway::{Gate, Refusal};
use crate::time::{iso8601, unix_ms};

/// The largest body that is read, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a browser may remember that it is allowed to ask.
const PREFLIGHT_LIFE: Duration = Duration::from_secs(600);

/// The routes, ready to be merged into the server's. `/auth/token` is there only if the configuration is
/// a demonstration's and tokens can be signed.
///
/// Attempts are counted per address if the server gives `ConnectInfo<SocketAddr>` to its requests.
pub fn router(gate: Arc<Gate>, config: &Config) -> Router {
    let mut routes = Router::new().route("/auth/ticket", post(ticket).fallback(post_only));
    if config.demo && gate.verifier().can_issue() {
        routes = routes
            .route("/auth/token", post(token).fallback(post_only))
            .layer(Extension(config.tokens.clone()));
    }
    let no_store = HeaderValue::from_static("no-store");
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(&gate), guard))
        .layer(cors(Arc::clone(&gate)))
        .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, no_store))
        .with_state(gate)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    user: String,
    tenant: String,
    #[serde(default)]
    roles: Vec<String>,
    /// In ms; cut to the longest life that is allowed.
    ttl_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
struct TokenAnswer {
    token: String,
    /// ISO 8601 in UTC.
    expires_at: String,
}

async fn ticket(State(gate): State<Arc<Gate>>, request: Request) -> Result<Json<Ticket>, Refusal> {
    gate.check_open()?;
    let now_ms = unix_ms();
    let token = bearer(request.headers())?.ok_or(Refusal::Unauthorized)?;
    let identity = gate.verifier().verify(&token, now_ms)?;
    gate.tickets().issue(identity, now_ms).map(Json)
}

async fn token(
    State(gate): State<Arc<Gate>>,
    Extension(config): Extension<TokensConfig>,
    body: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<Json<TokenAnswer>, Refusal> {
    let Json(wanted) = body.map_err(unreadable)?;
    let ttl_ms = wanted.ttl_ms.unwrap_or(config.life_ms).min(config.max_life_ms);
    let issued = gate
        .verifier()
        .issue(&wanted.user, &wanted.tenant, &wanted.roles, ttl_ms, unix_ms())
        .map_err(not_issued)?;
    Ok(Json(TokenAnswer { token: issued.token, expires_at: iso8601(issued.expires_at_ms) }))
}

async fn post_only() -> Refusal {
    Refusal::MethodNotAllowed { allowed: "POST" }
}

/// What every request must pass before its body is read.
async fn guard(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    if let Some(peer) = peer(&request) {
        gate.attempt(peer, request.headers())?;
    }
    gate.origins().check(request.headers())?;
    refuse_in_url(request.uri().query())?;
    Ok(next.run(request).await)
}

fn peer(request: &Request) -> Option<IpAddr> {
    let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
    info.map(|ConnectInfo(address)| address.ip())
}

fn cors(gate: Arc<Gate>) -> CorsLayer {
    let allowed = AllowOrigin::predicate(move |origin, parts| {
        gate.origins().allows(origin, parts.headers.get(header::HOST))
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE])
        .max_age(PREFLIGHT_LIFE)
}

fn unreadable(rejection: JsonRejection) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Refusal::TooLarge { what: "the body", limit_bytes: MAX_BODY_BYTES };
    }
    Refusal::BadRequest(format!(
        "the body must be `{{\"user\", \"tenant\"}}` as application/json: {}",
        rejection.body_text()
    ))
}

fn not_issued(error: IssueError) -> Refusal {
    match error {
        IssueError::Subject | IssueError::Tenant => Refusal::BadRequest(error.to_string()),
        IssueError::NoSigningKey | IssueError::Sign(_) => {
            tracing::error!(%error, "no token could be made");
            Refusal::Internal
        }
    }
}

#[cfg(test)]
mod tests;
