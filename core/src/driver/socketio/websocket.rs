//! Engine.IO over a WebSocket.
//!
//! Socket.IO tells nobody that an event arrived. A WebSocket does: its peer must answer each ping with
//! a pong that repeats it (RFC 6455, 5.5.3), and reads in order, so a pong proves what was sent before
//! its ping. One ping is on its way at a time, and only while something waits to be proven.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::HeaderMap;
use bytes::Bytes;
use futures_util::{Sink, Stream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message as WsMessage, Utf8Bytes};

use super::transport::Brought;
use super::{SocketIoTransport, Target};
use crate::connection::socketio::Sending;
use crate::driver::dial::{self, DialFailure, Socket};
use crate::driver::native::is_violation;
use crate::engine::FailureKind;
use crate::wire::socketio::engine::{Frame, Packet};

pub(super) type WsStream = WebSocketStream<Socket>;

/// Opens the WebSocket of a new connection, or of one that is to be upgraded.
pub(super) async fn connect(target: &Target, sid: Option<&str>) -> Result<WsStream, DialFailure> {
    let url = target.url(SocketIoTransport::WebSocket, sid);
    let request = request(url.as_str(), target.headers())
        .map_err(|error| DialFailure::of(FailureKind::Violation, &error.to_string()))?;
    let socket = dial::connect(&target.config).await?;
    let sizes = dial::sizes(&target.config);
    let upgrade = tokio_tungstenite::client_async_with_config(request, socket, Some(sizes));
    match upgrade.await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(dial::refused(&error, false)),
    }
}

fn request(
    url: &str,
    headers: HeaderMap,
) -> Result<::http::Request<()>, tokio_tungstenite::tungstenite::Error> {
    let mut request = url.into_client_request()?;
    request.headers_mut().extend(headers);
    Ok(request)
}

pub(super) struct WebSocket {
    socket: WsStream,
    /// What is left of the packet that is being written.
    current: std::vec::IntoIter<Frame>,
    current_receipt: Option<u32>,
    /// How many packets were written that are to be proven.
    written: u64,
    /// The packets that are not proven, by number.
    unproven: VecDeque<(u64, u32)>,
    /// What the ping on its way proves.
    pinged: Option<u64>,
    unflushed: bool,
    broken: bool,
    closing: bool,
    said_goodbye: bool,
    close_code: Option<u16>,
}

impl WebSocket {
    pub(super) fn new(socket: WsStream) -> Self {
        Self {
            socket,
            current: Vec::new().into_iter(),
            current_receipt: None,
            written: 0,
            unproven: VecDeque::new(),
            pinged: None,
            unflushed: false,
            broken: false,
            closing: false,
            said_goodbye: false,
            close_code: None,
        }
    }

    pub(super) fn begin_close(&mut self) {
        self.closing = true;
    }

    pub(super) fn write(&mut self, queue: &mut VecDeque<Sending>, cx: &mut Context<'_>) {
        self.broken |= self.try_write(queue, cx).is_err();
    }

    fn try_write(&mut self, queue: &mut VecDeque<Sending>, cx: &mut Context<'_>) -> Result<(), ()> {
        while self.current.len() > 0 || !queue.is_empty() {
            if !self.is_ready(cx)? {
                return Ok(());
            }
            let frame = match self.current.next() {
                Some(frame) => frame,
                None => match queue.pop_front() {
                    Some(Sending { frames, receipt }) => {
                        self.current = frames.into_iter();
                        self.current_receipt = receipt;
                        continue;
                    }
                    None => break,
                },
            };
            self.start(match frame {
                Frame::Text(text) => WsMessage::Text(Utf8Bytes::from(text)),
                Frame::Binary(bytes) => WsMessage::Binary(bytes),
            })?;
            if self.current.len() == 0
                && let Some(receipt) = self.current_receipt.take()
            {
                self.written += 1;
                self.unproven.push_back((self.written, receipt));
            }
        }
        if self.pinged.is_none() && !self.unproven.is_empty() && self.is_ready(cx)? {
            self.pinged = Some(self.written);
            self.start(WsMessage::Ping(Bytes::copy_from_slice(&self.written.to_be_bytes())))?;
        }
        if self.closing && !self.said_goodbye && self.is_ready(cx)? {
            // `normal` (1000): RFC 6455, 7.4.1.
            let goodbye = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            self.start(WsMessage::Close(Some(goodbye)))?;
            self.said_goodbye = true;
        }
        if self.unflushed
            && let Poll::Ready(flushed) = Pin::new(&mut self.socket).poll_flush(cx)
        {
            flushed.map_err(drop)?;
            self.unflushed = false;
        }
        Ok(())
    }

    fn is_ready(&mut self, cx: &mut Context<'_>) -> Result<bool, ()> {
        match Pin::new(&mut self.socket).poll_ready(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(ready) => ready.map(|()| true).map_err(drop),
        }
    }

    fn start(&mut self, message: WsMessage) -> Result<(), ()> {
        self.unflushed = true;
        Pin::new(&mut self.socket).start_send(message).map_err(drop)
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Brought> {
        loop {
            if self.broken {
                return Poll::Ready(Brought::Closed(self.close_code, None));
            }
            return match Pin::new(&mut self.socket).poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Err(error))) if !self.closing && is_violation(&error) => {
                    Poll::Ready(Brought::Unreadable(error.to_string()))
                }
                Poll::Ready(None | Some(Err(_))) => {
                    Poll::Ready(Brought::Closed(self.close_code, None))
                }
                Poll::Ready(Some(Ok(message))) => Poll::Ready(match message {
                    WsMessage::Close(frame) => {
                        self.close_code = frame.map(|frame| frame.code.into());
                        continue;
                    }
                    WsMessage::Text(text) => match Packet::decode(&Bytes::from(text)) {
                        Ok(packet) => Brought::Packet(packet),
                        Err(error) => Brought::Malformed(error),
                    },
                    WsMessage::Binary(bytes) => Brought::Packet(Packet::Binary(bytes)),
                    WsMessage::Pong(mark) => self.proven(&mark),
                    _ => Brought::Heard,
                }),
            };
        }
    }

    fn proven(&mut self, mark: &[u8]) -> Brought {
        let Some(mark) = mark.try_into().ok().map(u64::from_be_bytes) else {
            return Brought::Heard;
        };
        if self.pinged != Some(mark) {
            return Brought::Heard;
        }
        self.pinged = None;
        let count = self.unproven.iter().take_while(|(number, _)| *number <= mark).count();
        Brought::Proven(self.unproven.drain(..count).map(|(_, receipt)| receipt).collect())
    }
}
