//! `GET /preview/{session_id}`: a generated page, in a box of its own.
//!
//! The page is made from what somebody wrote, and is not to be trusted: it may run its own script
//! and style, and nothing else. It has no origin, so it reaches neither this server's cookies nor
//! its storage, and it asks for nothing from anywhere.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::gateway::Refusal;
use crate::server::Parts;

pub(super) async fn preview(
    State(parts): State<Arc<Parts>>,
    Path(session_id): Path<String>,
) -> Result<Response, Refusal> {
    let page = parts.previews.page(&session_id).ok_or_else(|| {
        Refusal::NotFound(
            "there is no preview of that session; it was never made, or was let go of since".into(),
        )
    })?;
    let policy =
        HeaderValue::from_str(&policy(&parts.config.allowed_origins)).map_err(|error| {
            tracing::error!(%error, "an allowed origin can't stand in a header");
            Refusal::Internal
        })?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    Ok((headers, page.document()).into_response())
}

/// What the page may do, and who may show it.
fn policy(allowed_origins: &[String]) -> String {
    let mut ancestors = vec!["'self'"];
    ancestors.extend(allowed_origins.iter().map(String::as_str));
    format!(
        "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors {}",
        ancestors.join(" ")
    )
}
