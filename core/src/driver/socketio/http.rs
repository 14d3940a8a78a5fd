//! The requests of long polling: over connections that are dialled as every other, and kept.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, SET_COOKIE};
use ::http::{HeaderMap, Method, Request, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tower_service::Service;

use crate::driver::dial::{self, DialConfig, DialFailure, Socket};
use crate::engine::FailureKind;

/// How long an unused connection is kept: less than the five seconds of Node.js' servers, or a request
/// would meet one that is just being closed.
const IDLE: Duration = Duration::from_secs(4);

/// What a server answered.
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// The cookies that it wants to see again: names and values.
    pub(super) cookies: Vec<(String, String)>,
}

#[derive(Clone)]
pub(super) struct Http {
    client: Client<Dialler, Full<Bytes>>,
    most_bytes: usize,
}

impl Http {
    pub(super) fn new(config: DialConfig) -> Self {
        let most_bytes = config.max_message_bytes;
        let client =
            Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(Dialler { config });
        Self { client, most_bytes }
    }

    pub(super) async fn request(
        &self,
        url: url::Url,
        headers: HeaderMap,
        body: Option<String>,
    ) -> Result<Answer, DialFailure> {
        let broken = |error: &dyn std::error::Error| {
            // What hyper says first is only where it happened.
            let cause = error.source().map(ToString::to_string);
            DialFailure::of(FailureKind::Network, &cause.unwrap_or_else(|| error.to_string()))
        };
        let uri: Uri = http_uri(&url)
            .parse()
            .map_err(|error| DialFailure::new(FailureKind::Violation, &error))?;
        let mut request =
            Request::new(Full::new(body.clone().map(Bytes::from).unwrap_or_default()));
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        if body.is_some() {
            *request.method_mut() = Method::POST;
            let kind = ::http::HeaderValue::from_static("text/plain;charset=UTF-8");
            request.headers_mut().insert(CONTENT_TYPE, kind);
        }
        let response = self.client.request(request).await.map_err(|error| broken(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, self.most_bytes).collect().await;
        let body = body
            .map_err(|error| DialFailure::of(FailureKind::Network, &error.to_string()))?
            .to_bytes();
        if !parts.status.is_success() {
            return Err(dial::refused_with(parts.status, &parts.headers, &body, false));
        }
        Ok(Answer { body, cookies: cookies(&parts.headers) })
    }
}

/// WebSocket's schemes are this client's own way of writing an address.
fn http_uri(url: &url::Url) -> String {
    match url.as_str().strip_prefix("ws") {
        Some(rest) => format!("http{rest}"),
        None => url.to_string(),
    }
}

fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |header: &::http::HeaderValue| {
        let text = header.to_str().ok()?.split(';').next()?;
        let (name, value) = text.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    headers.get_all(SET_COOKIE).iter().filter_map(pair).collect()
}

#[derive(Clone)]
struct Dialler {
    config: DialConfig,
}

impl Service<Uri> for Dialler {
    type Response = TokioIo<Socket>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = std::io::Result<TokioIo<Socket>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let config = self.config.clone();
        Box::pin(async move {
            let socket = dial::connect(&config).await;
            socket.map(TokioIo::new).map_err(|failure| std::io::Error::other(failure.message))
        })
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
