//! Opens a Socket.IO connection: transport, Engine.IO's handshake, namespace; and says in the engine's
//! words why it failed.
//!
//! It decides nothing that the session or the engine could: it only knows transports, and which of
//! them to try next.

mod http;
mod link;
mod polling;
mod transport;
mod upgrade;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use ::http::header::COOKIE;
use futures_util::future::BoxFuture;
use serde_json::value::RawValue;
use url::Url;

use super::ProviderError;
use super::dial::{DialConfig, DialFailure};
use super::link::LinkEvent;
use crate::connection::Refusal;
use crate::connection::socketio::{Continuity, Ended, Opened, Restore, Session, SessionConfig};
use crate::engine::{Failure, FailureKind, LinkId};
use crate::wire::socketio::{Limits, Parser};

pub(super) use link::SocketIoLink;
use polling::Polling;
use transport::Transport;

/// How Engine.IO's packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketIoTransport {
    /// Over a WebSocket.
    WebSocket,
    /// Over HTTP requests, of which one always waits for the server to say something.
    Polling,
}

/// Asks the application what to prove itself with.
pub(crate) type Auth =
    Arc<dyn Fn() -> BoxFuture<'static, Result<Box<RawValue>, ProviderError>> + Send + Sync>;

/// What opening a Socket.IO connection needs to know beside the address.
#[derive(Clone)]
pub(crate) struct SocketIoDial {
    pub(crate) namespace: String,
    /// With the slashes around it.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// In order of preference; never none.
    pub(crate) transports: Vec<SocketIoTransport>,
    pub(crate) upgrade: bool,
    pub(crate) auth: Option<Auth>,
    pub(crate) continuity: Continuity,
    pub(crate) recovery: bool,
    /// A server that says "disconnect" is believed.
    pub(crate) stays_away: bool,
    pub(crate) parser: Parser,
    pub(crate) limits: Limits,
    pub(crate) connect_deadline: Duration,
}

impl std::fmt::Debug for SocketIoDial {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SocketIoDial")
            .field("namespace", &self.namespace)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What was learnt from earlier links.
#[derive(Debug, Clone, Default)]
pub(crate) struct Learnt {
    pub(super) restore: Option<Restore>,
    /// Whether the server carries `staywire.v1`.
    pub(super) carried: Option<bool>,
    /// What worked last.
    pub(super) transport: Option<SocketIoTransport>,
}

/// A link that is up, and how it came about.
pub(super) struct Up {
    pub(super) link: Box<SocketIoLink>,
    pub(super) opened: Opened,
    pub(super) transport: SocketIoTransport,
}

/// How long a server may take to say that it carries `staywire.v1` before it is taken for one that
/// doesn't, where that is allowed.
const AGREEMENT: Duration = Duration::from_secs(1);

/// Opens a link over the first transport that works. Dropping the future gives it up.
pub(super) async fn open(
    id: LinkId,
    config: DialConfig,
    dial: Arc<SocketIoDial>,
    learnt: Learnt,
    token: Option<String>,
) -> Result<Up, DialFailure> {
    let auth = auth(&dial, token).await?;
    let mut transports = dial.transports.clone();
    if let Some(last) = learnt.transport {
        // What worked last is tried first.
        transports.sort_by_key(|transport| *transport != last);
    }
    let mut failed = None;
    for (index, transport) in transports.iter().enumerate() {
        let session = Session::new(session(id, &dial, &learnt, auth.clone()));
        let upgrade = dial.upgrade
            && dial.transports.contains(&SocketIoTransport::WebSocket)
            && failed.is_none();
        let attempt = attempt(id, &config, &dial, session, *transport, upgrade);
        let left = transports.len() - index;
        let outcome = if left > 1 {
            // One that hangs must leave time for the next.
            let share = dial.connect_deadline / u32::try_from(left).unwrap_or(1);
            tokio::time::timeout(share, attempt).await.unwrap_or_else(|_| {
                Err(DialFailure::of(FailureKind::Network, "the transport did not open in time"))
            })
        } else {
            attempt.await
        };
        match outcome {
            Ok(up) => return Ok(up),
            Err(failure) if is_final(&failure) => return Err(failure),
            Err(failure) => failed = Some(failure),
        }
    }
    Err(failed
        .unwrap_or_else(|| DialFailure::of(FailureKind::Violation, "no transport is allowed")))
}

/// Whether another transport would be told the same.
fn is_final(failure: &DialFailure) -> bool {
    failure.refusal.is_some()
        || matches!(
            failure.failure.kind,
            FailureKind::Unauthorized
                | FailureKind::Forbidden
                | FailureKind::RateLimited
                | FailureKind::Unavailable
                | FailureKind::Dismissed
                | FailureKind::Tls
                | FailureKind::Subprotocol
        )
}

async fn auth(
    dial: &SocketIoDial,
    token: Option<String>,
) -> Result<Option<Box<RawValue>>, DialFailure> {
    let given = match (&dial.auth, token) {
        (Some(ask), _) => ask().await,
        (None, Some(token)) => {
            serde_json::value::to_raw_value(&serde_json::json!({ "token": token }))
                .map_err(Into::into)
        }
        (None, None) => return Ok(None),
    };
    match given {
        Ok(auth) if auth.get().starts_with('{') => Ok(Some(auth)),
        Ok(_) => {
            Err(DialFailure::of(FailureKind::Token, "the auth function must give a JSON object"))
        }
        Err(error) => {
            Err(DialFailure::of(FailureKind::Token, &format!("the auth function failed: {error}")))
        }
    }
}

fn session(
    id: LinkId,
    dial: &SocketIoDial,
    learnt: &Learnt,
    auth: Option<Box<RawValue>>,
) -> SessionConfig {
    // What was proven once is not given up, and what was answered once is not asked again.
    let continuity = match (dial.continuity, learnt.carried) {
        (Continuity::Auto, Some(true)) => Continuity::Required,
        (Continuity::Auto, Some(false)) => Continuity::Off,
        (continuity, _) => continuity,
    };
    SessionConfig {
        link: id.0,
        namespace: dial.namespace.clone(),
        auth,
        continuity,
        recovery: dial.recovery,
        restore: learnt.restore.clone().filter(|_| dial.recovery),
        parser: dial.parser,
        limits: dial.limits,
    }
}

async fn attempt(
    id: LinkId,
    config: &DialConfig,
    dial: &Arc<SocketIoDial>,
    session: Session,
    kind: SocketIoTransport,
    upgrade: bool,
) -> Result<Up, DialFailure> {
    let target = Target { config: config.clone(), dial: dial.clone(), cookies: Vec::new() };
    let transport = match kind {
        SocketIoTransport::WebSocket => {
            let socket = websocket::connect(&target, None).await?;
            Transport::WebSocket(Box::new(websocket::WebSocket::new(socket)))
        }
        SocketIoTransport::Polling => Transport::Polling(Box::new(Polling::new(target.clone()))),
    };
    let agreement = match dial.continuity {
        Continuity::Off => None,
        Continuity::Auto => Some(AGREEMENT.min(dial.connect_deadline / 2)),
        // Just before the deadline, so that there is more to say than that it passed.
        Continuity::Required => Some(dial.connect_deadline / 10 * 8),
    };
    let mut link = Box::new(SocketIoLink::new(id, session, transport, agreement));
    let opened = loop {
        match std::future::poll_fn(|cx| link.poll(cx)).await {
            LinkEvent::Up(opened) => break *opened,
            LinkEvent::Ended(ended) => return Err(ended_early(*ended, dial)),
            LinkEvent::Malformed(error) => {
                return Err(DialFailure::of(FailureKind::Violation, &error.to_string()));
            }
            LinkEvent::Unreadable(reason) => {
                return Err(DialFailure::of(FailureKind::Violation, &reason));
            }
            LinkEvent::Closed(_) => return Err(link.take_failure()),
            _ => {}
        }
    };
    let upgrades = link.upgrades();
    if kind == SocketIoTransport::Polling && upgrade && upgrades {
        link.begin_upgrade(&target);
    }
    Ok(Up { link, opened, transport: kind })
}

/// What the end of a session that was never up means.
fn ended_early(ended: Ended, dial: &SocketIoDial) -> DialFailure {
    match ended {
        Ended::Closed => DialFailure::of(FailureKind::Network, "the server closed the connection"),
        Ended::Code(code) => DialFailure {
            failure: Failure {
                kind: crate::connection::kind_of_close(Some(code)),
                retry_after: None,
            },
            refusal: None,
            message: format!("the server closed the connection with {code}"),
        },
        Ended::Dismissed => DialFailure::of(dismissed(dial), "the server disconnected this client"),
        Ended::NotCarried => DialFailure::of(
            FailureKind::Subprotocol,
            "the server does not speak staywire.v1 over Socket.IO; allow stock events in the \
             options, or use another server",
        ),
        Ended::Refused(refusal) => DialFailure {
            failure: Failure {
                kind: kind_of_refusal(&refusal, dial),
                retry_after: refusal.retry_after,
            },
            message: refusal.to_string(),
            refusal: Some(Box::new(refusal)),
        },
    }
}

/// What a "disconnect" of the server means.
pub(super) fn dismissed(dial: &SocketIoDial) -> FailureKind {
    if dial.stays_away { FailureKind::Dismissed } else { FailureKind::Closed }
}

/// What a connect error means. One of a stock server says no more than that this client, as it
/// proves itself now, may not come in: an auth function is asked again, and may prove it otherwise.
fn kind_of_refusal(refusal: &Refusal, dial: &SocketIoDial) -> FailureKind {
    match &*refusal.code {
        "forbidden" | "origin_forbidden" | "tenant_missing" | "tenant_invalid"
        | "session_taken" => FailureKind::Forbidden,
        "rate_limited" | "too_many_connections" | "too_many_rooms" => FailureKind::RateLimited,
        "unavailable" | "draining" | "server_full" | "internal" => FailureKind::Unavailable,
        "bad_request" | "too_large" | "not_found" => FailureKind::Violation,
        _ if dial.auth.is_some() => FailureKind::Token,
        _ => FailureKind::Unauthorized,
    }
}

/// Where the requests of one connection go.
#[derive(Debug, Clone)]
struct Target {
    config: DialConfig,
    dial: Arc<SocketIoDial>,
    /// What the server wants to see again: a balancer knows by it where the connection lives.
    cookies: Vec<(String, String)>,
}

impl Target {
    fn url(&self, transport: SocketIoTransport, sid: Option<&str>) -> Url {
        let mut url = (*self.config.url).clone();
        url.set_path(&self.dial.path);
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(&self.dial.query);
            query.append_pair("EIO", "4");
            query.append_pair(
                "transport",
                match transport {
                    SocketIoTransport::WebSocket => "websocket",
                    SocketIoTransport::Polling => "polling",
                },
            );
            if let Some(sid) = sid {
                query.append_pair("sid", sid);
            }
        }
        url
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = self.config.headers.clone();
        if !self.cookies.is_empty() {
            let cookies: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            if let Ok(cookies) = cookies.join("; ").parse() {
                headers.append(COOKIE, cookies);
            }
        }
        headers
    }
}
