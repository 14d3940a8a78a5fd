//! Whether the server lives, whether it should get traffic, and its figures.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Json, response};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use crate::gateway::Refusal;
use crate::server::Parts;
use crate::time::unix_ms;

/// The process is up.
pub(super) async fn healthz() -> Json<serde_json::Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// New connections are taken; 503 while the server drains.
pub(super) async fn readyz(State(parts): State<Arc<Parts>>) -> Result<impl IntoResponse, Refusal> {
    parts.gate.check_open()?;
    Ok(Json(json!({"status": "ready"})))
}

/// Figures in the Prometheus text format.
pub(super) async fn metrics(State(parts): State<Arc<Parts>>) -> response::Response {
    let Some(handle) = recorder() else { return Refusal::Internal.into_response() };
    let places = parts.gate.places();
    gauge("staywire_connections", places.connections());
    gauge("staywire_client_instances", places.instances());
    gauge("staywire_rooms_occupied", parts.sessions.hub.occupied());
    gauge("staywire_rooms_kept", parts.bus.rooms());
    gauge("staywire_ai_conversations", parts.ai.conversations());
    let (running, queued) = parts.tasks.counts();
    gauge("staywire_tasks_running", running);
    gauge("staywire_tasks_queued", queued);
    gauge("staywire_tasks_kept", parts.tasks.kept());
    gauge("staywire_socketio_away_kept", parts.sessions.away.len());
    gauge("staywire_previews_kept", parts.previews.len());
    gauge("staywire_dashboard_rooms_watched", parts.dashboards.watched());
    let uptime_ms = unix_ms().saturating_sub(parts.started_ms);
    metrics::gauge!("staywire_uptime_seconds").set(uptime_ms as f64 / 1_000.0);
    let text = handle.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

fn gauge(name: &'static str, value: usize) {
    metrics::gauge!(name).set(value as f64);
}

/// One recorder for the process, as the `metrics` crate has it.
pub(crate) fn recorder() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).as_ref()
}
