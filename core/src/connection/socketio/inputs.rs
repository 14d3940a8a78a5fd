//! What a Socket.IO link brings, and what the connection makes of it.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Parcel, Said};
use crate::connection::{Action, Body, Connection, Message, Notice};
use crate::engine::{HeartbeatConfig, LinkId, Now, Outgoing, Session, State, Wire};
use crate::wire::socketio::{Arguments, Ask};
use crate::wire::{Events, WireError};

/// What a server said when it let a link in.
#[derive(Debug, Clone)]
pub struct Opened {
    /// It carries `staywire.v1`.
    pub carried: bool,
    /// It goes on with the session before.
    pub restored: bool,
    /// When it pings, and when it is missed.
    pub heartbeat: HeartbeatConfig,
    /// Names the session.
    pub name: String,
    /// The largest message that it takes.
    pub max_payload: Option<u64>,
}

/// The answer to an event.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The only argument; an array of all where there are several; `null` where there is none.
    pub data: Box<RawValue>,
    /// What the placeholders in it stand for.
    pub attachments: Vec<Bytes>,
}

impl Reply {
    /// Decodes the data.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.data.get())
    }
}

impl Connection {
    /// A Socket.IO server let the link in.
    pub fn handle_session(&mut self, link: LinkId, opened: &Opened, now: Now) {
        if opened.carried {
            self.handle_opened(link, Wire::StaywireV1, now);
            return;
        }
        if self.has_link(link) {
            let most = opened.max_payload.and_then(|most| usize::try_from(most).ok());
            self.add_link(link, Wire::SocketIo, most.unwrap_or(usize::MAX));
        }
        let session = Session {
            heartbeat: opened.heartbeat,
            restored: opened.restored,
            name: opened.name.as_str().into(),
        };
        self.engine.handle_session(link, session, now);
        self.drain();
    }

    /// An event arrived. One of a link that was replaced comes on the other, too.
    pub fn handle_event(&mut self, link: LinkId, events: Events, now: Now) {
        if self.hear(link, now).is_some() && self.engine.primary() == Some(link) {
            self.unplaced(events);
        }
    }

    /// The answer to an event arrived.
    pub fn handle_answer(&mut self, link: LinkId, id: u32, reply: Reply, now: Now) {
        if self.hear(link, now).is_some() && self.engine.handle_reply(link, id, now) {
            self.take(id);
            self.notify(Notice::Acked { id, reply });
        }
        self.drain();
    }

    /// These events are known to have reached the server.
    pub fn handle_received(&mut self, link: LinkId, ids: &[u32], now: Now) {
        if self.hear(link, now).is_none() {
            return;
        }
        for id in ids {
            if self.engine.handle_reply(link, *id, now) {
                self.take(*id);
                self.notify(Notice::EventSent { id: *id });
            }
        }
        self.drain();
    }

    /// These never left this machine, and the link that they were handed to is gone.
    pub fn handle_unsent(&mut self, ids: &[u32]) {
        for id in ids {
            self.engine.handle_unsent(*id);
        }
    }

    /// What arrived is no Socket.IO.
    pub fn handle_malformed(&mut self, link: LinkId, error: WireError, now: Now) {
        if self.has_link(link) {
            self.settle(link, Err(error), now);
        }
    }

    /// Sends an event, if there is a connection now. False, and nothing is kept, if there is none.
    pub fn emit_volatile(&mut self, name: &str, arguments: Arguments) -> bool {
        let Some(link) = self.engine.primary() else { return false };
        let connected = matches!(self.engine.state(), State::Connected);
        if !connected || self.link(link).is_none_or(|known| known.wire != Wire::SocketIo) {
            return false;
        }
        let what = Said::Event { name: name.to_owned(), id: None };
        self.post(link, Parcel { what, arguments, receipt: None })
    }

    /// Answers an event of the server. False if the link that asked is gone, and the server's wish
    /// with it.
    pub fn answer(&mut self, ask: &Ask, arguments: Arguments) -> bool {
        let link = LinkId(ask.link());
        let what = Said::Answer { id: ask.id() };
        self.link(link).is_some() && self.post(link, Parcel { what, arguments, receipt: None })
    }

    /// Sends what the engine asks for.
    pub(in crate::connection) fn transmit_parcel(&mut self, link: LinkId, message: &Outgoing) {
        // The server pings, and nothing else of the engine's own has a word here.
        let (id, answered) = match message {
            Outgoing::Call { id } => (*id, true),
            Outgoing::Event { id } => (*id, false),
            _ => return,
        };
        let Some(pending) = self.find(id) else { return };
        let arguments = match &pending.body {
            Body::Json(data) => Arguments::of_raw(data.as_deref()),
            Body::Arguments(arguments) => arguments.clone(),
            Body::Binary(bytes) => {
                let mut arguments = Arguments::new();
                arguments.push_bytes(bytes.clone());
                arguments
            }
        };
        let what = Said::Event { name: pending.kind.clone(), id: answered.then_some(id) };
        let parcel = Parcel { what, arguments, receipt: (!answered).then_some(id) };
        self.transmit_asked(link, id, Message::Parcel(parcel));
    }

    fn post(&mut self, link: LinkId, parcel: Parcel) -> bool {
        let most = self.link(link).map_or(0, |known| known.max_frame_bytes);
        if parcel.arguments.size() > most {
            return false;
        }
        self.actions.push_back(Action::Transmit { link, message: Message::Parcel(parcel) });
        true
    }
}
