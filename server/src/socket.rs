//! Carries a conversation over a WebSocket: one task reads, one writes, neither waits for the other.

use std::future::ready;
use std::sync::Arc;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};

use crate::conversation::{Conversation, GOODBYE, Incoming, Outlet};
use crate::gateway::Refusal;
use crate::hub::Outgoing;
use crate::server::Parts;
use crate::session::{Caller, Dialect};

/// Runs a connection until it ends.
pub(crate) async fn run(socket: WebSocket, parts: Arc<Parts>, caller: Caller, dialect: Dialect) {
    let limit_bytes = parts.config.limits.max_frame_bytes;
    let mut conversation = Conversation::new(parts, caller, dialect);
    let (sink, stream) = socket.split();
    let mut writer = tokio::spawn(write(sink, conversation.outlet()));
    let incoming = stream.scan((), move |(), message| ready(read(message, limit_bytes)));
    tokio::select! {
        refusal = async {
            match conversation.start().await {
                Ok(()) => conversation.run(incoming).await,
                Err(refusal) => Some(refusal),
            }
        } => {
            if let Some(refusal) = refusal {
                conversation.refuse(&refusal);
                let _ = tokio::time::timeout(GOODBYE, &mut writer).await;
            }
        }
        _ = &mut writer => {}
    }
    writer.abort();
}

/// What a message is to the session; `None` where the socket broke.
fn read(
    message: Result<Message, axum::Error>,
    limit_bytes: usize,
) -> Option<Result<Incoming, Refusal>> {
    match message {
        Ok(Message::Text(text)) => Some(Ok(Incoming::Text(text))),
        Ok(Message::Binary(bytes)) => Some(Ok(Incoming::Binary(bytes))),
        Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => Some(Ok(Incoming::Heard)),
        Err(error) => broken(&error, limit_bytes).map(Err),
    }
}

/// What to say to a peer whose stream can't be read on; nothing if it is just gone.
fn broken(error: &axum::Error, limit_bytes: usize) -> Option<Refusal> {
    // The text, since the error's type belongs to a crate behind axum, of a version of its own.
    let text = error.to_string();
    tracing::debug!(error = %text, "a connection broke");
    if text.contains("too long") {
        return Some(Refusal::TooLarge { what: "the frame", limit_bytes });
    }
    let is_gone = text.contains("without closing handshake");
    let breaks_rules = text.contains("protocol error") || text.contains("UTF-8");
    (breaks_rules && !is_gone)
        .then(|| Refusal::BadRequest(format!("this is no WebSocket message: {text}")))
}

/// Sends what is queued, a whole frame at a time, until told to close or the socket breaks.
async fn write(mut sink: SplitSink<WebSocket, Message>, outlet: Outlet) {
    let out = &outlet.out;
    loop {
        while let Some(message) = out.take() {
            let message = match message {
                Outgoing::Text(text) => Message::Text(text.into()),
                Outgoing::Binary(bytes) => Message::Binary(bytes),
                Outgoing::Event { event, .. } => match &event.binary {
                    Some(bytes) => Message::Binary(bytes.clone()),
                    None => Message::Text((&*event.json).into()),
                },
                Outgoing::Ping => Message::Ping(bytes::Bytes::new()),
            };
            metrics::counter!("staywire_frames_sent_total").increment(1);
            if sink.send(message).await.is_err() {
                return;
            }
            outlet.left();
        }
        if let Some((code, reason)) = out.closing() {
            let close = CloseFrame { code, reason: reason.into() };
            let _ = sink.send(Message::Close(Some(close))).await;
            return;
        }
        outlet.left();
        outlet.to_write.notified().await;
    }
}
