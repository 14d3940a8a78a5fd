//! Every reason for which a request or a connection is turned away, in one table.
//!
//! | `code` | HTTP | close | meaning, and what a client does |
//! |---|---|---|---|
//! | `bad_request` | 400 | 4400 | malformed or contradictory; never retried as it is |
//! | `token_in_url` | 400 | 4440 | the URL holds a credential; send it another way |
//! | `unauthorized` | 401 | 4401 | no credential where one is needed |
//! | `token_invalid` | 401 | 4441 | the token is not one that this server trusts; get another |
//! | `token_expired` | 401 | 4442 | the token has ended; get a fresh one and come back at once |
//! | `ticket_invalid` | 401 | 4443 | the ticket is unknown, used or too old; fetch another |
//! | `forbidden` | 403 | 4403 | proven, but not permitted |
//! | `origin_forbidden` | 403 | 4444 | the page's origin is not on the list |
//! | `tenant_missing` | 403 | 4445 | the token names no tenant |
//! | `tenant_invalid` | 403 | 4446 | the token names a tenant that cannot exist |
//! | `session_taken` | 403 | 4447 | the session id belongs to somebody else |
//! | `not_found` | 404 | 4404 | there is no such thing here |
//! | `method_not_allowed` | 405 | 4405 | the path exists, the method does not |
//! | `hello_timeout` | 408 | 4408 | the connection did not say hello in time |
//! | `peer_dead` | 408 | 4455 | nothing was heard of the connection, pings included |
//! | `idle_timeout` | 408 | 4448 | nothing was asked of the connection for too long |
//! | `busy` | 409 | 4409 | something of the kind is under way and must end first |
//! | `uncertain` | 409 | 4456 | a repeat of something too old to remember; it may have taken effect |
//! | `too_large` | 413 | 4413 | the frame or body is over the limit |
//! | `rate_limited` | 429 | 4429 | too fast; come back after `retry_after_ms` |
//! | `too_many_connections` | 429 | 4449 | the subject has too many clients connected |
//! | `too_many_rooms` | 429 | 4450 | the connection is in too many rooms |
//! | `too_many_tasks` | 429 | 4457 | the subject or its tenant has too many tasks waiting |
//! | `internal` | 500 | 4500 | a fault of the server |
//! | `draining` | 503 | 4503 | the server is going away; come back after `retry_after_ms` |
//! | `server_full` | 503 | 4453 | the server holds as many connections as it may |
//! | `unavailable` | 503 | 4454 | something the server depends on is down |
//!
//! A close code is 4000 plus the status where the code is the status's plain reading, and from 4440 on
//! otherwise. Codes and numbers are a contract: they are added to, never changed. A message says what
//! was wrong, where, and what to do; it never repeats a token or a ticket.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use thiserror::Error;

/// Why a request or a connection is turned away.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The request contradicts itself or cannot be read.
    #[error("{0}")]
    BadRequest(String),
    /// The URL's query holds a credential.
    #[error(
        "the URL carries a credential in `{parameter}`, and URLs are logged; send `Authorization: \
         Bearer`, or from a browser fetch a ticket with POST /auth/ticket and offer it as a \
         subprotocol"
    )]
    TokenInUrl {
        /// The query parameter that gave it away.
        parameter: &'static str,
    },
    /// No credential, or one of a kind that is not known here.
    #[error(
        "no credential; send `Authorization: Bearer <token>`, or from a browser fetch a ticket with POST \
         /auth/ticket and offer the subprotocol `staywire.ticket.<ticket>`"
    )]
    Unauthorized,
    /// The token is not one that this server trusts.
    #[error("the token is not accepted: {why}")]
    TokenInvalid {
        /// What is wrong with it and, where that helps, what to do.
        why: &'static str,
    },
    /// The token, or the proof behind a session, has ended.
    #[error("the token has expired; get a fresh one and connect again")]
    TokenExpired,
    /// The ticket is unknown, was used before, or is too old.
    #[error(
        "the ticket is unknown, was used before or is too old; fetch another with POST \
         /auth/ticket for every connection"
    )]
    TicketInvalid,
    /// The caller is known and may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The page that asks comes from elsewhere.
    #[error(
        "pages of origin `{origin}` may not connect; the operator can add it to `allowed_origins`"
    )]
    OriginForbidden {
        /// The origin as it was sent, cut short.
        origin: String,
    },
    /// The token names no tenant.
    #[error("the token has no tenant in its claim `{claim}`; ask its issuer for one that does")]
    TenantMissing {
        /// The claim that was looked for.
        claim: String,
    },
    /// The token's tenant cannot be the name of one.
    #[error(
        "the tenant in the token's claim `{claim}` is not a valid name: 1 to 64 letters, digits, \
         `-`, `_`, `.`"
    )]
    TenantInvalid {
        /// The claim that was looked at.
        claim: String,
    },
    /// The session id is bound to another subject.
    #[error("the session belongs to another subject; start one of your own by leaving its id out")]
    SessionTaken,
    /// There is no such thing, or none that the caller may know of.
    #[error("{0}")]
    NotFound(String),
    /// The path exists, the method does not.
    #[error("this path takes {allowed} only")]
    MethodNotAllowed {
        /// The method that works.
        allowed: &'static str,
    },
    /// The connection did not say hello in time.
    #[error("no hello within {after_ms} ms of the upgrade; send it as the first frame")]
    HelloTimeout {
        /// The deadline that passed, in ms.
        after_ms: u64,
    },
    /// Nothing was asked of the connection for too long.
    #[error("nothing asked for {after_ms} ms; connect again when there is something to do")]
    IdleTimeout {
        /// The time that passed, in ms.
        after_ms: u64,
    },
    /// Nothing was heard, not even the answer to a ping.
    #[error("nothing heard for {after_ms} ms, pings included; connect again")]
    PeerDead {
        /// The time that passed, in ms.
        after_ms: u64,
    },
    /// Something of the kind is under way already.
    #[error("{0}")]
    Busy(String),
    /// A repeat of a publish that is older than what the server remembers.
    #[error(
        "this may have taken effect before, longer ago than the server remembers; look before repeating it"
    )]
    Uncertain,
    /// A repeat of a publish that was refused, with the first refusal's words.
    #[error("{message}")]
    Repeated {
        /// The first refusal's code.
        code: String,
        /// The first refusal's message.
        message: String,
        /// When the first refusal said to come back.
        retry_after_ms: Option<u64>,
    },
    /// A frame or a body over the limit.
    #[error("{what} is larger than {limit_bytes} bytes; send less at a time")]
    TooLarge {
        /// What was too large, such as `the frame`.
        what: &'static str,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// Too fast.
    #[error("too many {what}; wait {retry_after_ms} ms")]
    RateLimited {
        /// What there was too much of, in the plural.
        what: &'static str,
        /// When the next one will pass, in ms from now.
        retry_after_ms: u64,
    },
    /// The subject has as many clients connected as it may.
    #[error("{limit} clients of this subject are connected already; close one first")]
    TooManyConnections {
        /// How many may be.
        limit: usize,
    },
    /// The connection is in as many rooms as it may be.
    #[error("this connection is in {limit} rooms already; leave one first")]
    TooManyRooms {
        /// How many it may be in.
        limit: usize,
    },
    /// As many tasks wait for their turn as may.
    #[error(
        "{limit} tasks of this {whose} are waiting already; wait for one to start, or cancel one"
    )]
    TooManyTasks {
        /// Whose tasks were counted: `subject` or `tenant`.
        whose: &'static str,
        /// How many may wait.
        limit: usize,
        /// When one may have started, in ms from now.
        retry_after_ms: u64,
    },
    /// A fault of the server, whose details are in its log.
    #[error("the server failed; try again, and tell its operator if that does not help")]
    Internal,
    /// The server is going away.
    #[error("the server is shutting down; connect again in {retry_after_ms} ms")]
    Draining {
        /// When to come back, in ms from now.
        retry_after_ms: u64,
    },
    /// The server holds as many connections as it may.
    #[error("the server is full; connect again in {retry_after_ms} ms")]
    ServerFull {
        /// When to come back, in ms from now.
        retry_after_ms: u64,
    },
    /// Something that the server depends on is down.
    #[error("{what} is not available; try again in {retry_after_ms} ms")]
    Unavailable {
        /// What is down.
        what: &'static str,
        /// When to come back, in ms from now.
        retry_after_ms: u64,
    },
}

/// What a refused caller reads: the body of an HTTP refusal and the data of an `error` frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusalBody {
    /// The stable name of the reason.
    pub code: Cow<'static, str>,
    /// What was wrong, where, and what to do, for a person.
    pub message: String,
    /// When trying again makes sense, in ms from now, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// The stable, machine-readable name.
    pub fn code(&self) -> &'static str {
        self.row().0
    }

    /// The status, where the caller reads HTTP.
    pub fn status(&self) -> StatusCode {
        self.row().1
    }

    /// The WebSocket close code (4000-4999), where the connection was already accepted. The close
    /// reason is [`Refusal::code`], which always fits.
    pub fn close_code(&self) -> u16 {
        self.row().2
    }

    /// When trying again makes sense, in ms from now, where that is known.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match *self {
            Self::RateLimited { retry_after_ms, .. }
            | Self::Draining { retry_after_ms }
            | Self::ServerFull { retry_after_ms }
            | Self::TooManyTasks { retry_after_ms, .. }
            | Self::Unavailable { retry_after_ms, .. } => Some(retry_after_ms),
            Self::Repeated { retry_after_ms, .. } => retry_after_ms,
            _ => None,
        }
    }

    /// What the caller reads, for a response or an `error` frame.
    pub fn body(&self) -> RefusalBody {
        let code = match self {
            Self::Repeated { code, .. } => Cow::Owned(code.clone()),
            other => Cow::Borrowed(other.code()),
        };
        RefusalBody { code, message: self.to_string(), retry_after_ms: self.retry_after_ms() }
    }

    fn row(&self) -> (&'static str, StatusCode, u16) {
        use StatusCode as S;
        match self {
            Self::BadRequest(_) => ("bad_request", S::BAD_REQUEST, 4400),
            Self::TokenInUrl { .. } => ("token_in_url", S::BAD_REQUEST, 4440),
            Self::Unauthorized => ("unauthorized", S::UNAUTHORIZED, 4401),
            Self::TokenInvalid { .. } => ("token_invalid", S::UNAUTHORIZED, 4441),
            Self::TokenExpired => ("token_expired", S::UNAUTHORIZED, 4442),
            Self::TicketInvalid => ("ticket_invalid", S::UNAUTHORIZED, 4443),
            Self::Forbidden(_) => ("forbidden", S::FORBIDDEN, 4403),
            Self::OriginForbidden { .. } => ("origin_forbidden", S::FORBIDDEN, 4444),
            Self::TenantMissing { .. } => ("tenant_missing", S::FORBIDDEN, 4445),
            Self::TenantInvalid { .. } => ("tenant_invalid", S::FORBIDDEN, 4446),
            Self::SessionTaken => ("session_taken", S::FORBIDDEN, 4447),
            Self::NotFound(_) => ("not_found", S::NOT_FOUND, 4404),
            Self::MethodNotAllowed { .. } => ("method_not_allowed", S::METHOD_NOT_ALLOWED, 4405),
            Self::HelloTimeout { .. } => ("hello_timeout", S::REQUEST_TIMEOUT, 4408),
            Self::IdleTimeout { .. } => ("idle_timeout", S::REQUEST_TIMEOUT, 4448),
            Self::PeerDead { .. } => ("peer_dead", S::REQUEST_TIMEOUT, 4455),
            Self::Busy(_) => ("busy", S::CONFLICT, 4409),
            Self::Uncertain => ("uncertain", S::CONFLICT, 4456),
            // Never seen: its own code is told instead.
            Self::Repeated { .. } => ("repeated", S::CONFLICT, 4456),
            Self::TooLarge { .. } => ("too_large", S::PAYLOAD_TOO_LARGE, 4413),
            Self::RateLimited { .. } => ("rate_limited", S::TOO_MANY_REQUESTS, 4429),
            Self::TooManyConnections { .. } => ("too_many_connections", S::TOO_MANY_REQUESTS, 4449),
            Self::TooManyRooms { .. } => ("too_many_rooms", S::TOO_MANY_REQUESTS, 4450),
            Self::TooManyTasks { .. } => ("too_many_tasks", S::TOO_MANY_REQUESTS, 4457),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, 4500),
            Self::Draining { .. } => ("draining", S::SERVICE_UNAVAILABLE, 4503),
            Self::ServerFull { .. } => ("server_full", S::SERVICE_UNAVAILABLE, 4453),
            Self::Unavailable { .. } => ("unavailable", S::SERVICE_UNAVAILABLE, 4454),
        }
    }

    /// The challenge of RFC 6750: a request without a credential gets no error code.
    fn challenge(&self) -> Option<HeaderValue> {
        if self.status() != StatusCode::UNAUTHORIZED {
            return None;
        }
        if *self == Self::Unauthorized {
            return Some(HeaderValue::from_static("Bearer realm=\"staywire\""));
        }
        let text = format!(
            "Bearer realm=\"staywire\", error=\"invalid_token\", error_description=\"{}\"",
            self.code()
        );
        HeaderValue::from_str(&text).ok()
    }
}

impl From<getrandom::Error> for Refusal {
    fn from(error: getrandom::Error) -> Self {
        tracing::error!(%error, "the system has no randomness to give");
        Self::Internal
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), axum::Json(self.body())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(ms) = self.retry_after_ms() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Self::MethodNotAllowed { allowed } = self {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn one_of_each() -> Vec<Refusal> {
        let (limit, retry_after_ms, after_ms) = (5, 1_001, 9);
        let claim = "tenant_id".to_owned();
        vec![
            Refusal::BadRequest("no".into()),
            Refusal::TokenInUrl { parameter: "token" },
            Refusal::Unauthorized,
            Refusal::TokenInvalid { why: "no" },
            Refusal::TokenExpired,
            Refusal::TicketInvalid,
            Refusal::Forbidden("no".into()),
            Refusal::OriginForbidden { origin: "null".into() },
            Refusal::TenantMissing { claim: claim.clone() },
            Refusal::TenantInvalid { claim },
            Refusal::SessionTaken,
            Refusal::NotFound("no".into()),
            Refusal::MethodNotAllowed { allowed: "POST" },
            Refusal::HelloTimeout { after_ms },
            Refusal::IdleTimeout { after_ms },
            Refusal::PeerDead { after_ms },
            Refusal::Uncertain,
            Refusal::Busy("no".into()),
            Refusal::TooLarge { what: "the frame", limit_bytes: limit },
            Refusal::RateLimited { what: "commands", retry_after_ms },
            Refusal::TooManyConnections { limit },
            Refusal::TooManyRooms { limit },
            Refusal::TooManyTasks { whose: "subject", limit, retry_after_ms },
            Refusal::Internal,
            Refusal::Draining { retry_after_ms },
            Refusal::ServerFull { retry_after_ms },
            Refusal::Unavailable { what: "the store", retry_after_ms },
        ]
    }

    #[test]
    fn the_table_in_the_documentation_is_the_table_in_the_code() {
        let documented: BTreeSet<String> = include_str!("refusal.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .map(|row| row.split('|').take(3).map(|cell| cell.trim().trim_matches('`')).collect())
            .map(|cells: Vec<_>| cells.join(" "))
            .filter(|row| row != "code HTTP close")
            .collect();
        let coded: BTreeSet<String> = one_of_each()
            .iter()
            .map(|r| format!("{} {} {}", r.code(), r.status().as_u16(), r.close_code()))
            .collect();
        assert_eq!(documented, coded);
    }

    #[test]
    fn codes_and_close_codes_are_distinct_and_in_the_private_range() {
        let all = one_of_each();
        let codes: BTreeSet<_> = all.iter().map(Refusal::code).collect();
        let closes: BTreeSet<_> = all.iter().map(Refusal::close_code).collect();
        assert_eq!((codes.len(), closes.len()), (all.len(), all.len()));
        assert!(closes.iter().all(|close| (4000..5000).contains(close)));
        // A close frame has room for 123 bytes of reason.
        assert!(codes.iter().all(|code| code.len() <= 123));
    }

    #[test]
    fn a_retry_is_told_in_the_body_and_rounded_up_in_the_header() {
        let response =
            Refusal::RateLimited { what: "commands", retry_after_ms: 1_001 }.into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        let body = serde_json::to_value(Refusal::Draining { retry_after_ms: 7 }.body()).unwrap();
        assert_eq!(body["retry_after_ms"], 7);
        let body = serde_json::to_value(Refusal::TokenExpired.body()).unwrap();
        assert!(body.get("retry_after_ms").is_none());
    }

    #[test]
    fn only_refused_credentials_carry_an_error_in_the_challenge() {
        let challenge = |refusal: Refusal| {
            let response = refusal.into_response();
            response.headers().get(header::WWW_AUTHENTICATE).map(|v| v.to_str().unwrap().to_owned())
        };
        assert_eq!(challenge(Refusal::Unauthorized).unwrap(), "Bearer realm=\"staywire\"");
        assert!(challenge(Refusal::TokenExpired).unwrap().contains("error=\"invalid_token\""));
        assert_eq!(challenge(Refusal::SessionTaken), None);
    }
}
