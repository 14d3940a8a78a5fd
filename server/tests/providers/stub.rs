//! A provider under a test's thumb: it answers each request as it was told beforehand, and says when a
//! connection ended.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri, header};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::support::within;

/// What a request is answered with.
pub(crate) enum Reply {
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// A stream of events, written piece by piece as the other end of this says.
    Stream(mpsc::Receiver<io::Result<Bytes>>),
    /// Nothing, until the sender is used or the connection ends.
    Silence(oneshot::Sender<Infallible>),
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<Asked>>,
}

/// The server. It ends with the test's runtime.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(respond).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    /// Answers the next request that has no answer yet.
    pub(crate) fn reply(&self, reply: Reply) {
        self.shared.replies.lock().unwrap().push_back(reply);
    }

    pub(crate) fn status(&self, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.reply(Reply::Status(status, headers, body.to_owned()));
    }

    /// Answers with events that the test writes one by one.
    pub(crate) fn stream(&self) -> Writer {
        let (pieces, receiver) = mpsc::channel(4);
        self.reply(Reply::Stream(receiver));
        Writer { pieces }
    }

    /// Answers with these pieces and ends.
    pub(crate) fn pieces(&self, pieces: Vec<Bytes>) {
        let (sender, receiver) = mpsc::channel(pieces.len().max(1));
        for piece in pieces {
            sender.try_send(Ok(piece)).unwrap();
        }
        self.reply(Reply::Stream(receiver));
    }

    pub(crate) fn body(&self, body: &str) {
        self.pieces(vec![Bytes::copy_from_slice(body.as_bytes())]);
    }

    /// Doesn't answer; the receiver hears when the connection ends.
    pub(crate) fn silence(&self) -> oneshot::Receiver<Infallible> {
        let (sender, receiver) = oneshot::channel();
        self.reply(Reply::Silence(sender));
        receiver
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

/// The body of one answer.
pub(crate) struct Writer {
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Writer {
    pub(crate) async fn write(&self, text: &str) {
        let piece = Ok(Bytes::copy_from_slice(text.as_bytes()));
        within("writing", self.pieces.send(piece)).await.unwrap();
    }

    /// Ends the body in the middle, and the connection with it.
    pub(crate) async fn break_off(self) {
        let broken = Err(io::Error::other("broken off"));
        within("breaking off", self.pieces.send(broken)).await.unwrap();
    }

    /// Returns when the one who asked is gone.
    pub(crate) async fn abandoned(&self) {
        within("the end of the connection", self.pieces.closed()).await;
    }
}

async fn respond(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let body = serde_json::from_slice(&body).unwrap();
    shared.asked.lock().unwrap().push(Asked { path: uri.path().to_owned(), headers, body });
    let reply = shared.replies.lock().unwrap().pop_front();
    match reply {
        None => Response::builder().status(500).body("no reply is left".into()).unwrap(),
        Some(Reply::Status(status, headers, body)) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(body.into()).unwrap()
        }
        Some(Reply::Stream(pieces)) => {
            let pieces = futures_util::stream::unfold(pieces, async |mut pieces| {
                pieces.recv().await.map(|piece| (piece, pieces))
            });
            Response::builder()
                .header(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")
                .body(Body::from_stream(pieces))
                .unwrap()
        }
        // The server drops this future with its connection, and the sender in it.
        Some(Reply::Silence(_sender)) => std::future::pending().await,
    }
}
