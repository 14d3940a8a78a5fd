//! Requests of Engine.IO: where they are answered, whose pages they may come from, and who gets a
//! connection at all. Who a client is, it says later, in a packet.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use engineioxide::TransportType;
use engineioxide::config::EngineIoConfig;
use engineioxide::service::EngineIoService;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use super::engine::{Engine, Place};
use super::pipe::PLACES;
use crate::config::socketio::Transport;
use crate::gateway::credentials::refuse_in_url;
use crate::gateway::{Gate, Refusal};
use crate::server::Parts;

/// The path of Socket.IO's clients, and the one under which the documents mount their server.
const PATHS: [&str; 2] = ["/socket.io", "/ws/socket.io"];

/// The smallest answer to a poll that is compressed, in bytes.
const COMPRESSED_BYTES: u64 = 1_024;

/// How long a browser may remember that it is allowed to ask.
const PREFLIGHT_LIFE: Duration = Duration::from_secs(600);

/// The routes, ready to be merged into the server's.
pub(crate) fn router(parts: &Arc<Parts>) -> Router {
    let engine = Arc::new(Engine::new(parts.clone()));
    let mut routes = Router::new();
    for path in PATHS {
        let service = EngineIoService::with_config(engine.clone(), config(parts, path));
        // Clients end the path with a slash, and may be told not to.
        routes =
            routes.route_service(path, service.clone()).route_service(&format!("{path}/"), service);
    }
    routes
        .layer(compression())
        .layer(from_fn_with_state(parts.gate.clone(), guard))
        .layer(cors(parts.gate.clone()))
}

fn config(parts: &Parts, path: &'static str) -> EngineIoConfig {
    let config = &parts.config.socketio;
    let transports = config.transports.iter().map(|transport| match transport {
        Transport::Polling => TransportType::Polling as u8,
        Transport::Websocket => TransportType::Websocket as u8,
    });
    let mut engine = EngineIoConfig::builder()
        .req_path(path)
        .ping_interval(Duration::from_millis(config.ping_interval_ms))
        .ping_timeout(Duration::from_millis(config.ping_timeout_ms))
        .upgrade_timeout(Duration::from_millis(config.upgrade_timeout_ms))
        .max_buffer_size(PLACES)
        .max_payload(config.max_payload_bytes as u64)
        .ws_max_message_size(config.max_payload_bytes)
        .ws_max_frame_size(config.max_payload_bytes)
        .build();
    engine.transports = transports.fold(0, |all, transport| all | transport);
    engine
}

/// What a request must pass before Engine.IO sees it. One that asks for a connection gets a place
/// here, which the connection keeps.
async fn guard(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let admitted = if is_of_a_connection(&request) {
        gate.origins().check(request.headers())
    } else {
        admit(&gate, &mut request)
    };
    if let Err(refusal) = admitted {
        metrics::counter!("staywire_refusals_total", "code" => refusal.code()).increment(1);
        return Err(refusal);
    }
    Ok(next.run(request).await)
}

/// In the order of the native endpoints.
fn admit(gate: &Gate, request: &mut Request) -> Result<(), Refusal> {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        gate.attempt(peer.ip(), request.headers())?;
    }
    gate.origins().check(request.headers())?;
    gate.check_open()?;
    refuse_in_url(request.uri().query())?;
    let permit = gate.places().connect()?;
    request.extensions_mut().insert(Place(Arc::new(Mutex::new(Some(permit)))));
    Ok(())
}

/// Whether a request belongs to a connection that there is already.
fn is_of_a_connection(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    query.split('&').any(|pair| pair.starts_with("sid="))
}

/// Answers to a poll, for who can read them compressed. A WebSocket goes as it is.
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        .compress_when(SizeAbove::new(COMPRESSED_BYTES))
}

fn cors(gate: Arc<Gate>) -> CorsLayer {
    let allowed = AllowOrigin::predicate(move |origin: &HeaderValue, parts| {
        gate.origins().allows(origin, parts.headers.get(header::HOST))
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .expose_headers([header::RETRY_AFTER, header::WWW_AUTHENTICATE])
        .max_age(PREFLIGHT_LIFE)
}
