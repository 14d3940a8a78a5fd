//! Opens one WebSocket: name, TCP, TLS, upgrade; and says in the engine's words why it failed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::{ProtocolError, SubProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use url::Url;

use crate::connection::Refusal;
use crate::engine::{Failure, FailureKind, Millis, Wire};
use crate::wire::SUBPROTOCOL;

/// All that dialling needs to know.
#[derive(Debug, Clone)]
pub(crate) struct DialConfig {
    pub(crate) url: Arc<Url>,
    pub(crate) headers: HeaderMap,
    /// Largest message that the server may send, in bytes.
    pub(crate) max_message_bytes: usize,
    /// Speaks Socket.IO.
    #[cfg(feature = "socketio")]
    pub(crate) socketio: Option<Arc<super::socketio::SocketIoDial>>,
    /// For wss alone: the platform's certificates take a hundred kilobytes.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<super::tls::TlsConfig>,
}

/// Why a URL can't be dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is no URL.
    #[error("{url:?} is not a URL ({reason}); write it like wss://host/path")]
    Malformed {
        /// What was given.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// Its scheme isn't one of WebSocket's.
    #[error("the scheme {scheme:?} can't be dialled; use ws, wss, http or https")]
    Scheme {
        /// What was given.
        scheme: String,
    },
    /// It names no host.
    #[error("the URL names no host; write it like wss://host/path")]
    NoHost,
    /// It holds a password, which would end up in logs.
    #[error("the URL holds a user or password; use a token instead")]
    Credentials,
    /// It asks for TLS, which this build doesn't have.
    #[error("wss needs the feature `tls` of the crate `staywire`")]
    NoTls,
}

/// Reads a URL and makes its scheme one of WebSocket's.
pub(crate) fn parse_url(text: &str) -> Result<Url, UrlError> {
    let mut url = Url::parse(text)
        .map_err(|error| UrlError::Malformed { url: text.to_owned(), reason: error.to_string() })?;
    let scheme = match url.scheme() {
        "ws" | "http" => "ws",
        "wss" | "https" => "wss",
        other => return Err(UrlError::Scheme { scheme: other.to_owned() }),
    };
    if url.set_scheme(scheme).is_err() || url.host_str().is_none_or(str::is_empty) {
        return Err(UrlError::NoHost);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(UrlError::Credentials);
    }
    if scheme == "wss" && !cfg!(feature = "tls") {
        return Err(UrlError::NoTls);
    }
    url.set_fragment(None);
    Ok(url)
}

/// An open socket.
#[cfg_attr(
    feature = "socketio",
    allow(clippy::large_enum_variant, reason = "there are two at a time at most")
)]
pub(super) enum Opened {
    Native {
        socket: WebSocketStream<Socket>,
        wire: Wire,
    },
    #[cfg(feature = "socketio")]
    SocketIo(Box<super::socketio::Up>),
}

/// Why there is none.
#[derive(Debug)]
pub(super) struct DialFailure {
    pub(super) failure: Failure,
    pub(super) refusal: Option<Box<Refusal>>,
    /// For logs.
    pub(super) message: String,
}

impl DialFailure {
    pub(super) fn new(kind: FailureKind, error: &dyn std::error::Error) -> Self {
        Self::of(kind, &error.to_string())
    }

    pub(super) fn of(kind: FailureKind, message: &str) -> Self {
        Self {
            failure: Failure { kind, retry_after: None },
            refusal: None,
            message: message.to_owned(),
        }
    }
}

/// Opens a socket. Dropping the future gives it up.
pub(super) async fn open(
    config: DialConfig,
    token: Option<String>,
    offer_staywire: bool,
) -> Result<Opened, DialFailure> {
    let request = request(&config, token.as_deref(), offer_staywire)
        .map_err(|error| DialFailure::new(FailureKind::Violation, &*error))?;
    let socket = connect(&config).await?;
    let sizes = sizes(&config);
    let upgrade = tokio_tungstenite::client_async_with_config(request, socket, Some(sizes));
    match upgrade.await {
        Ok((socket, _)) => {
            let wire = if offer_staywire { Wire::StaywireV1 } else { Wire::Plain };
            Ok(Opened::Native { socket, wire })
        }
        Err(error) => Err(refused(&error, offer_staywire)),
    }
}

/// Small buffers: an idle connection should cost little, and a large frame grows them.
pub(super) fn sizes(config: &DialConfig) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(4 * 1024)
        .max_message_size(Some(config.max_message_bytes))
        .max_frame_size(Some(config.max_message_bytes))
}

fn request(
    config: &DialConfig,
    token: Option<&str>,
    offer_staywire: bool,
) -> Result<http::Request<()>, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = config.url.as_str().into_client_request()?;
    let headers = request.headers_mut();
    for (name, value) in &config.headers {
        headers.append(name, value.clone());
    }
    if let Some(token) = token {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    if offer_staywire {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(request)
}

pub(super) async fn connect(config: &DialConfig) -> Result<Socket, DialFailure> {
    let host = config.url.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = config.url.port_or_known_default().unwrap_or(443);
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|error| DialFailure::new(FailureKind::Network, &error))?;
    // A lone event must not wait for company (RFC 896); a failure to say so costs only time.
    let _ = stream.set_nodelay(true);
    if config.url.scheme() == "ws" {
        return Ok(Socket::Tcp(stream));
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &config.tls {
        let stream = tls
            .handshake(host, stream)
            .await
            .map_err(|error| DialFailure::new(FailureKind::Tls, &error))?;
        return Ok(Socket::Tls(Box::new(stream)));
    }
    Err(DialFailure::new(FailureKind::Tls, &UrlError::NoTls))
}

pub(super) fn refused(error: &WsError, offered: bool) -> DialFailure {
    let WsError::Http(response) = error else {
        let no_pick = matches!(
            error,
            WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol | SubProtocolError::InvalidSubProtocol
            ))
        );
        let kind = match error {
            _ if no_pick => FailureKind::Subprotocol,
            WsError::Protocol(_) | WsError::HttpFormat(_) => FailureKind::Violation,
            _ => FailureKind::Network,
        };
        return DialFailure::new(kind, error);
    };
    let body = response.body().as_deref().unwrap_or_default();
    refused_with(response.status(), response.headers(), body, offered)
}

/// What an HTTP answer that lets nobody in means.
pub(super) fn refused_with(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    offered: bool,
) -> DialFailure {
    let refusal = refusal_of(body);
    let header = headers
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok())
        .map(|seconds| Millis(seconds.saturating_mul(1_000)));
    let retry_after = refusal.as_ref().and_then(|refusal| refusal.retry_after).or(header);
    let kind = match status {
        StatusCode::UNAUTHORIZED => FailureKind::Unauthorized,
        StatusCode::FORBIDDEN => FailureKind::Forbidden,
        StatusCode::TOO_MANY_REQUESTS => FailureKind::RateLimited,
        // Some servers answer an unknown subprotocol so.
        StatusCode::BAD_REQUEST | StatusCode::UPGRADE_REQUIRED if offered && refusal.is_none() => {
            FailureKind::Subprotocol
        }
        status if status.is_server_error() => FailureKind::Unavailable,
        _ => FailureKind::Violation,
    };
    DialFailure {
        failure: Failure { kind, retry_after },
        refusal: refusal.map(Box::new),
        message: format!("the server answered the upgrade with {status}"),
    }
}

fn refusal_of(body: &[u8]) -> Option<Refusal> {
    let error: crate::wire::control::ErrorData<'_> = serde_json::from_slice(body).ok()?;
    Some(Refusal::from(&error))
}

/// A TCP connection, under TLS or bare.
pub(super) enum Socket {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

macro_rules! with_stream {
    ($socket:expr, $stream:ident => $body:expr) => {
        match $socket {
            Socket::Tcp($stream) => $body,
            #[cfg(feature = "tls")]
            Socket::Tls($stream) => $body,
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buffer))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with_stream!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
    }
}
