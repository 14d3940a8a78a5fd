//! One Socket.IO connection: a session over a transport, which may be changed for a better one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Sleep;

use super::transport::{Brought, Transport};
use super::websocket::{WebSocket, WsStream};
use super::{Target, upgrade};
use crate::connection::Message;
use crate::connection::socketio::{Parcel, Restore, Said, Sending, Session, Told};
use crate::driver::dial::DialFailure;
use crate::driver::link::LinkEvent;
use crate::driver::native::NativeLink;
use crate::engine::{FailureKind, LinkId};
use crate::wire::WireError;
use crate::wire::socketio::SocketIoError;
use crate::wire::socketio::engine::Frame;

pub(in crate::driver) struct SocketIoLink {
    id: LinkId,
    session: Session,
    transport: Transport,
    queue: VecDeque<Sending>,
    /// How long the server may take to say that it carries `staywire.v1`.
    agreement: Option<Duration>,
    agreeing: Option<Pin<Box<Sleep>>>,
    upgrade: Upgrade,
    known_handshake: bool,
    closing: bool,
    linger: Option<Pin<Box<Sleep>>>,
    clogged: bool,
    /// What is said last, once what never left is told.
    last: Option<LinkEvent>,
    failure: Option<DialFailure>,
}

enum Upgrade {
    None,
    Probing(BoxFuture<'static, Result<WsStream, DialFailure>>),
    /// The WebSocket is proven; the last requests are still under way.
    Pausing(Box<WsStream>),
}

impl SocketIoLink {
    pub(super) fn new(
        id: LinkId,
        session: Session,
        transport: Transport,
        agreement: Option<Duration>,
    ) -> Self {
        Self {
            id,
            session,
            transport,
            queue: VecDeque::new(),
            agreement,
            agreeing: None,
            upgrade: Upgrade::None,
            known_handshake: false,
            closing: false,
            linger: None,
            clogged: false,
            last: None,
            failure: None,
        }
    }

    pub(in crate::driver) fn id(&self) -> LinkId {
        self.id
    }

    /// What a later link can go on with.
    pub(in crate::driver) fn restore(&self) -> Option<Restore> {
        self.session.restore()
    }

    /// Why it closed before it was up.
    pub(super) fn take_failure(&mut self) -> DialFailure {
        self.failure
            .take()
            .unwrap_or_else(|| DialFailure::of(FailureKind::Network, "the connection was closed"))
    }

    /// Whether the server would go on over a WebSocket.
    pub(super) fn upgrades(&self) -> bool {
        let handshake = self.session.handshake();
        handshake.is_some_and(|said| said.upgrades.iter().any(|name| name == "websocket"))
    }

    /// Tries to go on over a WebSocket; what travels meanwhile travels as before.
    pub(super) fn begin_upgrade(&mut self, target: &Target) {
        let (Transport::Polling(polling), Some(handshake)) =
            (&self.transport, self.session.handshake())
        else {
            return;
        };
        let mut target = target.clone();
        target.cookies = polling.cookies().to_vec();
        let probe = upgrade::probe(target, handshake.sid.clone());
        self.upgrade = Upgrade::Probing(Box::pin(probe));
    }

    pub(in crate::driver) fn queue(&mut self, message: Message) {
        let full = self.queue.len() >= NativeLink::MOST_QUEUED;
        match &message {
            // The outbox and the calls are bounded where they are kept.
            Message::Parcel(parcel) if parcel.is_counted() => {}
            // What may be lost at any time is lost first.
            Message::Parcel(Parcel { what: Said::Event { .. }, .. }) if full => return,
            // Only a peer that asks without reading gets here.
            _ => self.clogged |= full,
        }
        if !self.closing && !self.clogged {
            self.session.send(message);
            self.take_sendings();
        }
    }

    pub(in crate::driver) fn begin_close(&mut self) {
        self.session.leave();
        self.take_sendings();
        self.closing = true;
        self.transport.begin_close();
        self.linger = Some(Box::pin(tokio::time::sleep(NativeLink::LINGER)));
    }

    pub(in crate::driver) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<LinkEvent> {
        loop {
            if let Some(last) = self.last.take() {
                return Poll::Ready(last);
            }
            if self.clogged {
                return Poll::Ready(self.end(LinkEvent::Closed(None)));
            }
            if let Some(told) = self.session.next_told() {
                if let Some(event) = self.tell(told) {
                    return Poll::Ready(event);
                }
                continue;
            }
            self.take_sendings();
            self.transport.write(&mut self.queue, cx);
            if let Some(event) = self.look_at_clocks(cx) {
                return Poll::Ready(event);
            }
            self.look_at_upgrade(cx);
            match self.transport.poll(cx) {
                Poll::Pending if self.session.has_told() => {}
                Poll::Pending => return Poll::Pending,
                Poll::Ready(brought) => {
                    if let Some(event) = self.take(brought) {
                        return Poll::Ready(event);
                    }
                }
            }
        }
    }

    fn take_sendings(&mut self) {
        while let Some(sending) = self.session.next_sending() {
            // One answer is enough for a peer that pings without reading.
            if !(sending.is_pong() && self.queue.back().is_some_and(Sending::is_pong)) {
                self.queue.push_back(sending);
            }
        }
    }

    fn take(&mut self, brought: Brought) -> Option<LinkEvent> {
        match brought {
            Brought::Packet(_) if self.closing => None,
            Brought::Packet(packet) => {
                if let Err(error) = self.session.handle_packet(packet) {
                    return Some(self.malformed(error));
                }
                self.look_at_handshake();
                if self.session.is_agreeing() && self.agreeing.is_none() {
                    self.agreeing = self.agreement.map(|span| Box::pin(tokio::time::sleep(span)));
                }
                None
            }
            Brought::Heard => Some(LinkEvent::Heard),
            Brought::Proven(ids) => Some(LinkEvent::Received(ids)),
            Brought::Malformed(error) => Some(self.malformed(error)),
            Brought::Unreadable(reason) => Some(self.end(LinkEvent::Unreadable(reason))),
            Brought::Closed(code, failure) => {
                self.failure = failure.map(|failure| *failure);
                Some(self.end(LinkEvent::Closed(code)))
            }
        }
    }

    fn look_at_handshake(&mut self) {
        if let (Transport::Polling(polling), false, Some(handshake)) =
            (&mut self.transport, self.known_handshake, self.session.handshake())
        {
            polling.opened(handshake);
            self.known_handshake = true;
        }
    }

    fn look_at_clocks(&mut self, cx: &mut Context<'_>) -> Option<LinkEvent> {
        if let Some(linger) = &mut self.linger
            && linger.as_mut().poll(cx).is_ready()
        {
            return Some(LinkEvent::Closed(None));
        }
        if let Some(agreeing) = &mut self.agreeing
            && agreeing.as_mut().poll(cx).is_ready()
        {
            self.agreeing = None;
            if let Err(error) = self.session.give_up_agreeing() {
                return Some(self.malformed(error));
            }
        }
        None
    }

    fn look_at_upgrade(&mut self, cx: &mut Context<'_>) {
        let Transport::Polling(polling) = &mut self.transport else { return };
        if let Upgrade::Probing(probe) = &mut self.upgrade
            && let Poll::Ready(probed) = probe.as_mut().poll(cx)
        {
            match probed {
                Ok(socket) => {
                    polling.pause();
                    self.upgrade = Upgrade::Pausing(Box::new(socket));
                }
                Err(failure) => {
                    tracing::debug!(error = %failure.message, "the upgrade to a WebSocket failed");
                    self.upgrade = Upgrade::None;
                }
            }
        }
        if self.closing && matches!(self.upgrade, Upgrade::Pausing(_)) {
            polling.resume();
            self.upgrade = Upgrade::None;
        }
        if !matches!(self.upgrade, Upgrade::Pausing(_)) || !polling.is_quiet() {
            return;
        }
        if let Upgrade::Pausing(socket) = std::mem::replace(&mut self.upgrade, Upgrade::None) {
            // What was cut in two goes on behind the word that the transport has changed.
            if let Some(rest) = polling.take_rest() {
                self.queue.push_front(rest);
            }
            let changed = Frame::Text("5".to_owned());
            self.queue.push_front(Sending { frames: vec![changed], receipt: None });
            let mut socket = WebSocket::new(*socket);
            socket.write(&mut self.queue, cx);
            self.transport = Transport::WebSocket(Box::new(socket));
        }
    }

    fn tell(&mut self, told: Told) -> Option<LinkEvent> {
        Some(match told {
            Told::Up(mut opened) => {
                if let (Transport::Polling(_), Some(most)) = (&self.transport, opened.max_payload) {
                    // Base64 makes four bytes of three.
                    opened.max_payload = Some((most / 4 * 3).saturating_sub(64));
                }
                LinkEvent::Up(Box::new(opened))
            }
            Told::Event(events) => LinkEvent::Event(events),
            Told::Answer { id, reply } => LinkEvent::Answer(id, reply),
            Told::Text(text) => LinkEvent::Text(text),
            Told::Binary(bytes) => LinkEvent::Binary(bytes),
            Told::Heard => LinkEvent::Heard,
            Told::Ended(ended) => self.end(LinkEvent::Ended(Box::new(ended))),
        })
    }

    fn malformed(&mut self, error: SocketIoError) -> LinkEvent {
        self.end(LinkEvent::Malformed(Box::new(WireError::SocketIo(error))))
    }

    /// Ends with this, after what never left.
    fn end(&mut self, last: LinkEvent) -> LinkEvent {
        let unsent: Vec<_> = self.queue.drain(..).filter_map(|sending| sending.receipt).collect();
        if unsent.is_empty() {
            return last;
        }
        self.last = Some(last);
        LinkEvent::Unsent(unsent)
    }
}
