//! One WebSocket whose messages are frames: read always, written when it can be.
//!
//! A socket that doesn't take more never keeps us from reading: the peer's pings are answered
//! however slow the way out is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message as WsMessage, Utf8Bytes};

use super::SendQueue;
use super::dial::Socket;
use super::link::LinkEvent;
use crate::connection::Message;
use crate::engine::LinkId;

pub(super) struct NativeLink {
    id: LinkId,
    socket: WebSocketStream<Socket>,
    queue: SendQueue,
    unflushed: bool,
    close_code: Option<u16>,
    /// We said goodbye: nothing more is read from it.
    closing: bool,
    /// The peer asks for more than it reads: the link is given up.
    clogged: bool,
    said_goodbye: bool,
    /// When a goodbye that gets no answer is given up.
    linger: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl NativeLink {
    /// Messages that may wait for a socket.
    pub(super) const MOST_QUEUED: usize = 16_384;

    /// How long a closing handshake may take.
    pub(super) const LINGER: std::time::Duration = std::time::Duration::from_secs(2);

    pub(super) fn new(id: LinkId, socket: WebSocketStream<Socket>) -> Self {
        Self {
            id,
            socket,
            queue: SendQueue::new(),
            unflushed: false,
            close_code: None,
            closing: false,
            clogged: false,
            said_goodbye: false,
            linger: None,
        }
    }

    pub(super) fn id(&self) -> LinkId {
        self.id
    }

    pub(super) fn queue(&mut self, message: Message) {
        // The outbox and the calls are bounded; only a peer that asks without reading gets here.
        if self.queue.len() >= Self::MOST_QUEUED {
            self.clogged = true;
        } else if !self.closing {
            self.queue.push_back(message);
        }
    }

    pub(super) fn begin_close(&mut self) {
        self.closing = true;
        self.linger = Some(Box::pin(tokio::time::sleep(Self::LINGER)));
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        if self.clogged || self.write(cx).is_err() {
            return Poll::Ready(LinkEvent::Closed(self.close_code));
        }
        if let Some(linger) = &mut self.linger
            && linger.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(LinkEvent::Closed(None));
        }
        loop {
            return match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Err(error))) if !self.closing && is_violation(&error) => {
                    Poll::Ready(LinkEvent::Unreadable(error.to_string()))
                }
                Poll::Ready(None | Some(Err(_))) => Poll::Ready(LinkEvent::Closed(self.close_code)),
                Poll::Ready(Some(Ok(message))) => match message {
                    WsMessage::Close(frame) => {
                        self.close_code = frame.map(|frame| frame.code.into());
                        continue;
                    }
                    _ if self.closing => continue,
                    WsMessage::Text(text) => Poll::Ready(LinkEvent::Text(Bytes::from(text))),
                    WsMessage::Binary(bytes) => Poll::Ready(LinkEvent::Binary(bytes)),
                    _ => Poll::Ready(LinkEvent::Heard),
                },
            };
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), ()> {
        let mut socket = Pin::new(&mut self.socket);
        while !self.queue.is_empty() {
            match socket.as_mut().poll_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready.map_err(drop)?,
            }
            let Some(message) = self.queue.pop_front() else { break };
            let message = match message {
                Message::Text(text) => WsMessage::Text(Utf8Bytes::from(text)),
                Message::Binary(bytes) => WsMessage::Binary(bytes),
                // Only a link of Socket.IO is given any.
                #[cfg(feature = "socketio")]
                Message::Parcel(_) => continue,
            };
            socket.as_mut().start_send(message).map_err(drop)?;
            self.unflushed = true;
        }
        if self.closing && !self.said_goodbye {
            match socket.as_mut().poll_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready.map_err(drop)?,
            }
            // `normal` (1000): RFC 6455, 7.4.1.
            let goodbye = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            socket.as_mut().start_send(WsMessage::Close(Some(goodbye))).map_err(drop)?;
            self.said_goodbye = true;
            self.unflushed = true;
        }
        if self.unflushed {
            match socket.poll_flush(cx) {
                Poll::Pending => {}
                Poll::Ready(flushed) => {
                    flushed.map_err(drop)?;
                    self.unflushed = false;
                }
            }
        }
        Ok(())
    }
}

/// Whether the peer broke the rules of WebSocket, or of this client; else the way there broke.
pub(super) fn is_violation(error: &WsError) -> bool {
    match error {
        WsError::Capacity(_) | WsError::Utf8(_) => true,
        WsError::Protocol(error) => !matches!(error, ProtocolError::ResetWithoutClosingHandshake),
        _ => false,
    }
}
