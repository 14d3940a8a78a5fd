//! Engine.IO over HTTP: a request that waits for the server's packets, and one for ours.
//!
//! The server's answer to a request with packets of ours proves that they arrived.

use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::http::{Answer, Http};
use super::transport::Brought;
use super::{SocketIoTransport, Target};
use crate::connection::socketio::Sending;
use crate::driver::dial::DialFailure;
use crate::engine::FailureKind;
use crate::wire::socketio::engine::{Frame, Handshake, Packet, encode_payload};

type Request = BoxFuture<'static, Result<Answer, DialFailure>>;

pub(super) struct Polling {
    target: Target,
    http: Http,
    sid: Option<String>,
    /// The most that the server takes in one request.
    most_bytes: usize,
    /// How long the server may take to take something.
    patience: Duration,
    get: Option<Request>,
    post: Option<Request>,
    /// What the answer to `post` proves.
    posted: Vec<u32>,
    /// What is left of the packet that is being sent.
    current: VecDeque<Frame>,
    current_receipt: Option<u32>,
    /// What is left of the last answer.
    payload: Bytes,
    /// The connection is to go on over another transport: nothing new is begun.
    paused: bool,
    closing: bool,
    said_goodbye: bool,
}

impl Polling {
    pub(super) fn new(target: Target) -> Self {
        Self {
            http: Http::new(target.config.clone()),
            target,
            sid: None,
            most_bytes: usize::MAX,
            patience: Duration::from_secs(45),
            get: None,
            post: None,
            posted: Vec::new(),
            current: VecDeque::new(),
            current_receipt: None,
            payload: Bytes::new(),
            paused: false,
            closing: false,
            said_goodbye: false,
        }
    }

    /// What the server said first.
    pub(super) fn opened(&mut self, handshake: &Handshake) {
        self.sid = Some(handshake.sid.clone());
        if let Some(most) = handshake.max_payload {
            self.most_bytes = usize::try_from(most).unwrap_or(usize::MAX);
        }
        let patience = handshake.ping_interval.saturating_add(handshake.ping_timeout);
        self.patience = Duration::from_millis(patience.clamp(1_000, 3_600_000));
    }

    pub(super) fn cookies(&self) -> &[(String, String)] {
        &self.target.cookies
    }

    pub(super) fn begin_close(&mut self) {
        self.closing = true;
    }

    /// Begins nothing new.
    pub(super) fn pause(&mut self) {
        self.paused = true;
    }

    /// Goes on after a pause.
    pub(super) fn resume(&mut self) {
        self.paused = false;
    }

    /// Whether nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.get.is_none() && self.post.is_none() && self.payload.is_empty()
    }

    /// What is left of a packet that went out in part.
    pub(super) fn take_rest(&mut self) -> Option<Sending> {
        let frames: Vec<_> = self.current.drain(..).collect();
        let receipt = self.current_receipt.take();
        (!frames.is_empty()).then_some(Sending { frames, receipt })
    }

    pub(super) fn write(&mut self, queue: &mut VecDeque<Sending>) {
        if self.post.is_some() || self.paused || self.sid.is_none() {
            return;
        }
        let mut frames = Vec::new();
        let mut bytes = 0;
        loop {
            if self.current.is_empty() {
                self.posted.extend(self.current_receipt.take());
                match queue.pop_front() {
                    Some(next) => {
                        self.current = next.frames.into();
                        self.current_receipt = next.receipt;
                    }
                    None => break,
                }
            }
            let Some(next) = self.current.front() else { continue };
            // One that is too large by itself goes alone, for the server to refuse.
            if !frames.is_empty() && bytes + 1 + next.polled_len() > self.most_bytes {
                break;
            }
            bytes += 1 + next.polled_len();
            frames.extend(self.current.pop_front());
        }
        if frames.is_empty() && self.closing && !self.said_goodbye {
            self.said_goodbye = true;
            frames.push(Frame::Text("1".to_owned()));
        }
        if frames.is_empty() {
            return;
        }
        // It begins when it is polled, which follows.
        self.post = Some(self.request(Some(encode_payload(&frames))));
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Brought> {
        if let Some(packet) = Packet::decode_next(&mut self.payload) {
            return Poll::Ready(match packet {
                Ok(packet) => Brought::Packet(packet),
                Err(error) => Brought::Malformed(error),
            });
        }
        if let Some(post) = &mut self.post
            && let Poll::Ready(answer) = post.as_mut().poll(cx)
        {
            self.post = None;
            let answer = match answer {
                Ok(answer) => answer,
                Err(failure) => return Poll::Ready(Brought::Closed(None, Some(Box::new(failure)))),
            };
            self.learn(answer.cookies);
            if self.said_goodbye {
                return Poll::Ready(Brought::Closed(None, None));
            }
            let proven = std::mem::take(&mut self.posted);
            return Poll::Ready(if proven.is_empty() {
                Brought::Heard
            } else {
                Brought::Proven(proven)
            });
        }
        if self.get.is_none() && !self.paused && !self.closing {
            self.get = Some(self.request(None));
        }
        let Some(get) = &mut self.get else { return Poll::Pending };
        match get.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(answer)) => {
                self.get = None;
                self.learn(answer.cookies);
                self.payload = answer.body;
                // The packets in it are read next.
                Poll::Ready(Brought::Heard)
            }
            Poll::Ready(Err(failure)) => {
                self.get = None;
                Poll::Ready(Brought::Closed(None, Some(Box::new(failure))))
            }
        }
    }

    fn request(&self, body: Option<String>) -> Request {
        let url = self.target.url(SocketIoTransport::Polling, self.sid.as_deref());
        let (http, headers, patience) = (self.http.clone(), self.target.headers(), self.patience);
        let posts = body.is_some();
        Box::pin(async move {
            let request = http.request(url, headers, body);
            if !posts {
                return request.await;
            }
            tokio::time::timeout(patience, request).await.unwrap_or_else(|_| {
                Err(DialFailure::of(FailureKind::Network, "the server does not take a request"))
            })
        })
    }

    fn learn(&mut self, cookies: Vec<(String, String)>) {
        for (name, value) in cookies {
            match self.target.cookies.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => self.target.cookies.push((name, value)),
            }
        }
    }
}
