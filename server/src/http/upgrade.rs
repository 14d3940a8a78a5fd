//! The documents' endpoints: from an HTTP request to a session over a WebSocket.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::SinkExt;
use staywire::wire::encode_frame;

use crate::gateway::credentials::RefuseBy;
use crate::gateway::{Admission, Denial, Refusal, Upgrade};
use crate::server::Parts;
use crate::services::{ai, dashboards, random_id};
use crate::session::{Caller, Dialect};
use crate::socket;
use crate::time::unix_ms;

/// `/ws/ai/chat`.
pub(super) async fn ai_chat(
    State(parts): State<Arc<Parts>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let session_id = match session_id(&uri, &headers) {
        Ok(session_id) => session_id,
        Err(refusal) => return refusal.into_response(),
    };
    let room = format!("{}{session_id}", ai::ROOM_PREFIX);
    let request = Request { parts, peer, uri, headers, upgrade };
    request.serve(Some(session_id), |_| Ok(vec![room]))
}

/// `/ws/notifications`.
pub(super) async fn notifications(
    State(parts): State<Arc<Parts>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let request = Request { parts, peer, uri, headers, upgrade };
    request.serve(None, |admission| Ok(vec![format!("user:{}", admission.identity.subject)]))
}

/// `/ws/bi/dashboards/{id}`.
pub(super) async fn dashboard(
    State(parts): State<Arc<Parts>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let all = parts.dashboards.clone();
    let request = Request { parts, peer, uri, headers, upgrade };
    request.serve(None, |admission| {
        all.check(&admission.identity.tenant, &id)?;
        Ok(vec![format!("{}{id}", dashboards::ROOM_PREFIX)])
    })
}

struct Request {
    parts: Arc<Parts>,
    peer: SocketAddr,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
}

impl Request {
    /// Admits or turns away. `rooms` are what a plain connection is in from the start, unless there
    /// is nothing for the caller here.
    fn serve(
        self,
        session_id: Option<String>,
        rooms: impl FnOnce(&Admission) -> Result<Vec<String>, Refusal>,
    ) -> Response {
        let Self { parts, peer, uri, headers, upgrade } = self;
        let upgrade = match upgrade {
            Ok(upgrade) => upgrade,
            Err(rejection) => return not_an_upgrade(&rejection),
        };
        let request = Upgrade { peer: peer.ip(), uri: &uri, headers: &headers };
        let mut admission = match parts.gate.admit(request, unix_ms()) {
            Ok(admission) => admission,
            Err(denial) => return deny(upgrade, denial),
        };
        // Our own clients name themselves in their hello; the others have nothing but this.
        if let (None, Some(session_id)) = (admission.subprotocol, &session_id) {
            admission.identity.recognise(&format!("session {session_id}"));
        }
        let rooms = match rooms(&admission) {
            Ok(rooms) => rooms,
            Err(refusal) => {
                let Admission { subprotocol, by, .. } = admission;
                return deny(upgrade, Denial { refusal, by, subprotocol });
            }
        };
        let dialect = match admission.subprotocol {
            Some(_) => Dialect::V1,
            None => Dialect::Plain { rooms },
        };
        let limit = parts.config.limits.max_frame_bytes;
        let upgrade = upgrade.max_message_size(limit).max_frame_size(limit);
        let upgrade = upgrade.protocols(admission.subprotocol);
        let plain = dialect != Dialect::V1;
        let caller = Caller {
            identity: admission.identity,
            // A plain client has no name of its own: each of its connections is one.
            instance: if plain { peer.to_string() } else { String::new() },
            session_id: session_id.filter(|_| plain),
        };
        let permit = admission.permit;
        upgrade.on_upgrade(move |socket| async move {
            socket::run(socket, parts, caller, dialect).await;
            drop(permit);
        })
    }
}

fn not_an_upgrade(rejection: &WebSocketUpgradeRejection) -> Response {
    let text = format!("this path takes WebSocket upgrades only: {rejection}");
    let mut response = Refusal::BadRequest(text).into_response();
    let headers = response.headers_mut();
    headers.insert("upgrade", axum::http::HeaderValue::from_static("websocket"));
    *response.status_mut() = axum::http::StatusCode::UPGRADE_REQUIRED;
    response
}

/// Says no in a way that the caller can read.
fn deny(upgrade: WebSocketUpgrade, denial: Denial) -> Response {
    metrics::counter!("staywire_refusals_total", "code" => denial.refusal.code()).increment(1);
    if denial.by == RefuseBy::Http {
        return denial.refusal.into_response();
    }
    let upgrade = upgrade.protocols(denial.subprotocol);
    upgrade.on_upgrade(move |mut socket: WebSocket| async move {
        let error = encode_frame("error", None, Some(&denial.refusal.body()));
        // A caller who is gone already needs no reason.
        let _ = socket.send(Message::Text(error.into())).await;
        let reason = denial.refusal.code().into();
        let close = CloseFrame { code: denial.refusal.close_code(), reason };
        let _ = socket.send(Message::Close(Some(close))).await;
        let _ = socket.flush().await;
    })
}

/// The session that a client names, by header or query; an unguessable one otherwise.
fn session_id(uri: &Uri, headers: &HeaderMap) -> Result<String, Refusal> {
    let header = headers.get("x-session-id").map(|value| {
        value
            .to_str()
            .map(str::to_owned)
            .map_err(|_| Refusal::BadRequest("`X-Session-ID` must be visible ASCII".into()))
    });
    if let Some(header) = header {
        return header;
    }
    let query = uri.query().unwrap_or_default().split('&');
    if let Some(named) = query.filter_map(|pair| pair.strip_prefix("session_id=")).next() {
        return Ok(named.to_owned());
    }
    random_id()
}
