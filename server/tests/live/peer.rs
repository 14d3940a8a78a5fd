//! Peers that are not ours: a bare WebSocket client, a bare WebSocket server, and HTTP by hand.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::support::within;

/// A WebSocket that knows nothing of Staywire.
pub(crate) struct Peer {
    socket: WebSocketStream<TcpStream>,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Closed { code: u16, reason: String },
    Broken,
}

/// Dials `path`; an answer that is no upgrade is handed back.
pub(crate) async fn dial(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<(Peer, Response<Option<Vec<u8>>>), Box<Response<Option<Vec<u8>>>>> {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let upgrade = tokio_tungstenite::client_async(request, stream);
    match within("the upgrade", upgrade).await {
        Ok((socket, response)) => Ok((Peer { socket }, response)),
        Err(tungstenite::Error::Http(response)) => Err(response),
        Err(error) => panic!("the upgrade failed otherwise: {error}"),
    }
}

impl Peer {
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        match dial(address, path, headers).await {
            Ok((peer, _)) => peer,
            Err(response) => panic!("refused: {response:?}"),
        }
    }

    /// Takes the next connection of a listener, as a server of no subprotocol.
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = within("a connection", listener.accept()).await.unwrap();
        Self { socket: tokio_tungstenite::accept_async(stream).await.unwrap() }
    }

    /// The same, as a server that picks `staywire.v1`.
    pub(crate) async fn accept_v1(listener: &TcpListener) -> Self {
        use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request};
        let (stream, _) = within("a connection", listener.accept()).await.unwrap();
        #[allow(clippy::result_large_err, reason = "the type is the crate's")]
        let pick = |_: &Request, mut response: Response<()>| -> Result<_, ErrorResponse> {
            let name = HeaderValue::from_static("staywire.v1");
            response.headers_mut().insert("sec-websocket-protocol", name);
            Ok(response)
        };
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        let upgrade = tokio_tungstenite::accept_hdr_async_with_config(stream, pick, Some(config));
        Self { socket: upgrade.await.unwrap() }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::Text(text.into().into())).await.unwrap();
    }

    pub(crate) async fn send_raw(&mut self, message: Message) -> Result<(), tungstenite::Error> {
        self.socket.send(message).await
    }

    /// The next JSON frame; how the connection ended where none comes.
    pub(crate) async fn receive(&mut self) -> Result<Value, End> {
        let text = self.receive_text().await?;
        Ok(serde_json::from_str(&text).unwrap())
    }

    /// The same, unread: for who has to keep up with a server.
    pub(crate) async fn receive_text(&mut self) -> Result<Utf8Bytes, End> {
        loop {
            match within("a frame", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let reason = frame.reason.as_str().to_owned();
                    return Err(End::Closed { code: frame.code.into(), reason });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(End::Broken),
            }
        }
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn receive_kind(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.receive().await.unwrap();
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The server's refusal of the connection: the code in its `error` frame, then its close.
    pub(crate) async fn refusal(&mut self) -> (Value, End) {
        let mut error = Value::Null;
        loop {
            match self.receive().await {
                Ok(frame) => {
                    // It may leave in one batch with what waited before it.
                    let last = frame.as_array().and_then(|batch| batch.last()?.as_array()?.last());
                    let frame = last.cloned().unwrap_or(frame);
                    if frame["type"] == "error" {
                        error = frame["data"].clone();
                    }
                }
                Err(end) => return (error, end),
            }
        }
    }
}

/// A GET or POST by a plain HTTP client: status, headers of interest, JSON body.
pub(crate) async fn http(
    method: &'static str,
    url: String,
    headers: Vec<(&'static str, String)>,
) -> (u16, String) {
    let ask = move || {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = match method {
            "POST" => {
                let request = agent.post(&url);
                headers.iter().fold(request, |r, (name, value)| r.header(*name, value)).send_empty()
            }
            _ => {
                let request = agent.get(&url);
                headers.iter().fold(request, |r, (name, value)| r.header(*name, value)).call()
            }
        }
        .unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    };
    within("an HTTP answer", tokio::task::spawn_blocking(ask)).await.unwrap()
}

/// The whole answer to a request without headers of interest, as it came over the wire.
pub(crate) async fn raw(address: SocketAddr, method: &str, path: &str) -> String {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within("an HTTP answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}
