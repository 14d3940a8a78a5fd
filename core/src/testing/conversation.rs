//! One connection's conversation with the fake server.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::log::Log;
use super::{Link, PublishedEvent, State, lock};
use crate::connection::Refusal;
use crate::engine::Millis;
use crate::wire::control::{
    Bound, ErrorData, Gap, Goaway, Hello, Join, Publish, Published, Welcome,
};
use crate::wire::{BatchWriter, ClientFrame, SUBPROTOCOL, binary, encode_frame};

/// A frame for the client.
pub(super) type Outgoing = String;

pub(super) async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away ends its conversation, whatever the reason.
        tokio::spawn(converse(stream, state.clone()));
    }
}

async fn converse(stream: TcpStream, state: Arc<Mutex<State>>) {
    let refusing = lock(&state).refusing;
    let Some(mut socket) = upgrade(stream, refusing).await else { return };
    let (out, mut outgoing) = mpsc::unbounded_channel();
    let id = lock(&state).enter(out);
    loop {
        tokio::select! {
            frame = outgoing.recv() => match frame {
                Some(frame) => {
                    if socket.send(Message::text(frame)).await.is_err() {
                        break;
                    }
                }
                // Its link was cut.
                None => return,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    handle(&state, id, &Bytes::from(text));
                }
                Some(Ok(Message::Binary(frame))) => {
                    for record in binary::decode(&frame).into_iter().flatten() {
                        handle(&state, id, &record.header);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    lock(&state).links.retain(|link| link.id != id);
}

async fn upgrade(stream: TcpStream, refusing: bool) -> Option<WebSocketStream<TcpStream>> {
    #[allow(clippy::result_large_err, reason = "the shape is the library's")]
    let answer = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let headers = response.headers_mut();
        headers.insert("sec-websocket-protocol", http::HeaderValue::from_static(SUBPROTOCOL));
        if refusing {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            return Err(refusal);
        }
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async(stream, answer).await.ok()
}

/// Handles one frame of a client. One that can't be read is a fault of the client under test: it
/// is cut, as by a real server.
fn handle(state: &Mutex<State>, link: u64, text: &[u8]) {
    let mut state = lock(state);
    let Ok(frame) = ClientFrame::decode(text) else {
        state.links.retain(|known| known.id != link);
        return;
    };
    match frame {
        ClientFrame::Hello(hello) => state.hello(link, hello),
        ClientFrame::Join(join) => state.join(link, &join),
        ClientFrame::Leave(leave) => {
            if let Some(link) = state.link(link) {
                link.subscriptions.remove(&leave.subscription);
            }
        }
        ClientFrame::Ping => state.send(link, encode_frame::<()>("pong", None, None)),
        ClientFrame::Pong | ClientFrame::Event { .. } => {}
        ClientFrame::Publish { id, room, publish } => state.publish(link, id, &room, &publish),
        ClientFrame::Call { id, method, data } => {
            let data = data.map_or(Ok(Value::Null), |data| serde_json::from_str(data.get()));
            let answer = match (state.handlers.get(&*method).cloned(), data) {
                (Some(handler), Ok(data)) => handler(data),
                _ => Err(Refusal::new(
                    "not_found",
                    format!("the test answers no calls of {method:?}; see on_call"),
                )),
            };
            state.answer(link, id, answer);
        }
    }
}

impl State {
    fn enter(&mut self, out: mpsc::UnboundedSender<Outgoing>) -> u64 {
        self.named += 1;
        self.links.push(Link {
            id: self.named,
            producer: String::new(),
            out,
            subscriptions: Default::default(),
        });
        self.named
    }

    pub(super) fn log(&mut self, room: &str) -> &mut Log {
        self.rooms.entry(room.to_owned()).or_insert_with(|| Log::new(1))
    }

    fn link(&mut self, id: u64) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    fn send(&mut self, link: u64, frame: Outgoing) {
        if let Some(link) = self.link(link) {
            // A link whose task has ended is about to be forgotten.
            let _ = link.out.send(frame);
        }
    }

    fn hello(&mut self, link: u64, hello: Hello<'_>) {
        if let Some(link) = self.link(link) {
            link.producer = hello.producer.into_owned();
        }
        let welcome = Welcome {
            subject: "tester".into(),
            tenant: "test".into(),
            store: "fake".into(),
            dedup_window_ms: 3_600_000,
            dedup_entries: u32::MAX,
            max_frame_bytes: None,
            heartbeat: None,
            token_expires_in_ms: None,
            server: Some("staywire-fake-server".into()),
        };
        self.send(link, encode_frame("welcome", None, Some(&welcome)));
        for join in hello.rooms {
            self.join(link, &join);
        }
    }

    fn join(&mut self, link: u64, join: &Join<'_>) {
        let (subscription, log) = (join.subscription, self.log(&join.room));
        let kept_from = log.kept_from();
        let known = match (&join.epoch, join.offset) {
            (Some(epoch), Some(offset)) if **epoch == *log.epoch() && offset <= log.tip() => {
                Some(offset)
            }
            _ => None,
        };
        let history = join.history.map(|most| log.tip().saturating_sub(u64::from(most)));
        // The state stands for all that led to it, where what did is not asked for or not kept.
        let useful = history.is_none() && known.is_none_or(|offset| offset < kept_from);
        let snapshot = log.snapshot().filter(|_| useful);
        let (kind, offset) = match (known, &join.epoch) {
            (Some(offset), _) => ("resumed", offset),
            (None, Some(_)) => ("resumed", kept_from),
            (None, None) => ("joined", history.map_or(log.tip(), |from| from.max(kept_from))),
        };
        let offset = if snapshot.is_some() { log.tip() } else { offset };
        let (epoch, tip) = (log.epoch(), log.tip());
        let bound = Bound {
            subscription,
            room: (&*join.room).into(),
            epoch: epoch.as_str().into(),
            offset,
            tip,
            history: None,
            snapshot,
        };
        let mut frames = vec![encode_frame(kind, None, Some(&bound))];
        if offset < kept_from {
            let gap = Gap {
                subscription,
                room: (&*join.room).into(),
                from: offset + 1,
                to: kept_from,
                reason: "expired".into(),
            };
            frames.push(encode_frame("gap", None, Some(&gap)));
        }
        let mut batch = BatchWriter::default();
        for (place, event) in log.after(offset) {
            batch.event(subscription, place, event);
        }
        if !batch.is_empty() {
            frames.push(batch.finish());
        }
        for frame in frames {
            self.send(link, frame);
        }
        if let Some(link) = self.link(link) {
            link.subscriptions.insert(subscription, join.room.clone().into_owned());
        }
    }

    fn publish(&mut self, link: u64, id: u32, room: &str, publish: &Publish<'_>) {
        #[derive(Deserialize)]
        struct Shape<'a> {
            #[serde(rename = "type")]
            kind: String,
            #[serde(borrow, default)]
            data: Option<&'a RawValue>,
        }
        let producer = self.link(link).map(|link| link.producer.clone()).unwrap_or_default();
        let stamp = (producer, publish.sequence);
        let known = self.answered.get(&stamp).cloned();
        let (epoch, offset) = match known {
            Some(place) => place,
            None => {
                let Ok(Shape { kind, data }) = serde_json::from_str(publish.event.get()) else {
                    return;
                };
                let data = data.and_then(|data| serde_json::from_str(data.get()).ok());
                let data = data.unwrap_or(Value::Null);
                let place = self.append(room, &kind, &data);
                self.published.push((room.to_owned(), PublishedEvent { kind, data }));
                self.answered.insert(stamp, place.clone());
                place
            }
        };
        let published = Published { epoch, offset };
        self.send(link, encode_frame("reply", Some(id), Some(&published)));
    }

    /// Appends an event and sends it to who is there; returns its place.
    pub(super) fn append(&mut self, room: &str, kind: &str, data: &Value) -> (String, u64) {
        let event = json!({"type": kind, "data": data}).to_string();
        let log = self.log(room);
        let offset = log.append(event.clone());
        let epoch = log.epoch();
        for link in &self.links {
            for (subscription, _) in link.subscriptions.iter().filter(|(_, name)| *name == room) {
                let mut batch = BatchWriter::default();
                batch.event(*subscription, offset, &event);
                let _ = link.out.send(batch.finish());
            }
        }
        (epoch, offset)
    }

    pub(super) fn begin_anew(&mut self, room: &str) {
        let log = self.log(room);
        log.begin_anew();
        let epoch = log.epoch();
        for link in &self.links {
            for (subscription, _) in link.subscriptions.iter().filter(|(_, name)| *name == room) {
                let bound = Bound {
                    subscription: *subscription,
                    room: room.into(),
                    epoch: epoch.as_str().into(),
                    offset: 0,
                    tip: 0,
                    history: None,
                    snapshot: None,
                };
                let _ = link.out.send(encode_frame("epoch", None, Some(&bound)));
            }
        }
    }

    pub(super) fn go_away(&mut self) {
        let goaway = Goaway { reason: "test".into(), reconnect_after_ms: 0 };
        for link in &self.links {
            let _ = link.out.send(encode_frame("goaway", None, Some(&goaway)));
        }
    }

    fn answer(&mut self, link: u64, id: u32, answer: Result<Value, Refusal>) {
        let frame = match answer {
            Ok(data) => encode_frame("reply", Some(id), Some(&data)),
            Err(refusal) => {
                let error = ErrorData {
                    code: refusal.code.into(),
                    message: refusal.message.into(),
                    retry_after_ms: refusal.retry_after.map(|Millis(ms)| ms),
                };
                encode_frame("error", Some(id), Some(&error))
            }
        };
        self.send(link, frame);
    }
}
