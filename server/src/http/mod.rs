//! What the server answers over HTTP, upgrades to WebSocket included.

pub mod auth;
mod emit;
mod health;
mod preview;
mod upgrade;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::map_request;
use axum::routing::get;

pub(crate) use health::recorder;

use crate::gateway::Refusal;
use crate::listener::Peer;
use crate::server::Parts;

/// All routes.
pub(crate) fn router(parts: Arc<Parts>) -> Router {
    let auth = auth::router(parts.gate.clone(), &parts.config);
    let emit = emit::router(&parts);
    let socketio = match parts.config.socketio.enabled {
        true => crate::socketio::router(&parts),
        false => Router::new(),
    };
    Router::new()
        .route("/ws/ai/chat", get(upgrade::ai_chat))
        .route("/ws/notifications", get(upgrade::notifications))
        .route("/ws/bi/dashboards/{id}", get(upgrade::dashboard))
        .route("/preview/{session_id}", get(preview::preview))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed { allowed: "GET" })
        .with_state(parts)
        .merge(auth)
        .merge(emit)
        .merge(socketio)
        .layer(map_request(told_peer))
        .fallback(async || {
            Refusal::NotFound(
                "there is nothing here; WebSockets are at /ws/ai/chat, /ws/notifications and \
                 /ws/bi/dashboards/{id}, Socket.IO at /socket.io and /ws/socket.io"
                    .into(),
            )
        })
}

/// Says who asks in the way that handlers and layers look for it.
async fn told_peer(mut request: Request) -> Request {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    if let Some(ConnectInfo(Peer(address))) = peer.copied() {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    request
}
