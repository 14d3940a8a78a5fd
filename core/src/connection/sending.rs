//! What the engine asks for, made into messages and notices.

use std::borrow::Cow;

use bytes::BytesMut;
use serde_json::value::RawValue;

use super::{Action, Body, Connection, Message, Notice, Pending, Refusal};
use crate::engine::{From, LinkId, Outgoing, Output, Subscribe};
use crate::wire::control::{self, Hello, Join, Leave};
use crate::wire::{binary, encode_client, encode_frame, plain};

impl Connection {
    pub(super) fn drain(&mut self) {
        loop {
            match self.engine.next_output() {
                Some(output) => self.perform(output),
                None => match self.unsendable.pop() {
                    Some(id) => {
                        self.take(id);
                        self.engine.abandon(id);
                    }
                    None => return,
                },
            }
        }
    }

    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Open { link, offer_staywire } => {
                self.actions.push_back(Action::Open { link, offer_staywire });
            }
            Output::Send { link, message } => self.transmit(link, message),
            Output::Close { link, in_order } => {
                self.forget_link(link);
                self.actions.push_back(Action::Close { link, in_order });
            }
            Output::NeedToken { request } => self.actions.push_back(Action::NeedToken { request }),
            Output::DropToken { request } => self.actions.push_back(Action::DropToken { request }),
            Output::StateChanged { state, cause } => self.notify(Notice::State { state, cause }),
            Output::Joined { room } => {
                let (epoch, offset) = self.place(room);
                self.notify(Notice::Joined { room, epoch, offset });
            }
            Output::RoomFailed { room, reason } => {
                let refusal = self.refusal.take();
                self.notify(Notice::RoomFailed { room, reason, refusal });
                self.forget_room(room);
            }
            Output::Gap(gap) => self.notify_gap(gap),
            Output::CallFailed { id, reason } => {
                self.take(id);
                self.notify(Notice::CallFailed { id, reason });
            }
            Output::PublishFailed { id, reason } => {
                self.take(id);
                self.notify(Notice::PublishFailed { id, reason });
            }
            Output::Timeout(_) => {}
        }
    }

    /// The next outputs, which belong to the hello before them.
    fn joins_of_hello(&mut self, rooms: usize) -> Vec<Join<'static>> {
        let mut joins = Vec::with_capacity(rooms);
        for _ in 0..rooms {
            if let Output::Send { message: Outgoing::Join(room), .. } = self.engine.poll_output() {
                joins.extend(self.join_frame(&room));
            }
        }
        joins
    }

    fn transmit(&mut self, link: LinkId, message: Outgoing) {
        #[cfg(feature = "socketio")]
        if self.link(link).is_some_and(|known| known.wire == crate::engine::Wire::SocketIo) {
            self.transmit_parcel(link, &message);
            return;
        }
        #[cfg(feature = "socketio")]
        if self.refuse_attachments(&message) {
            return;
        }
        let message = match message {
            Outgoing::Hello { rooms } => {
                let rooms = self.joins_of_hello(rooms);
                let hello = Hello {
                    instance: self.identity.instance.as_str().into(),
                    producer: self.identity.producer.as_str().into(),
                    client: Some(concat!("staywire-rust/", env!("CARGO_PKG_VERSION")).into()),
                    rooms,
                };
                encode_frame("hello", None, Some(&hello))
            }
            Outgoing::Join(subscribe) => match self.join_frame(&subscribe) {
                Some(join) => encode_frame("join", None, Some(&join)),
                None => return,
            },
            Outgoing::Leave { subscription } => {
                encode_frame("leave", None, Some(&Leave { subscription }))
            }
            Outgoing::Ping => encode_frame::<()>("ping", None, None),
            Outgoing::Pong => encode_frame::<()>("pong", None, None),
            Outgoing::Call { id } => {
                let Some(call) = self.find(id) else { return };
                let text = encode_frame(&call.kind, Some(id), json_of(&call.body).as_deref());
                self.transmit_asked(link, id, Message::Text(text));
                return;
            }
            Outgoing::Publish { id, sequence } => {
                let Some(publish) = self.find(id) else { return };
                let message = publish_message(publish, sequence);
                self.transmit_asked(link, id, message);
                return;
            }
            Outgoing::Event { id } => match self.take(id) {
                Some(event) => {
                    self.notify(Notice::EventSent { id });
                    plain::encode(&event.kind, json_of(&event.body).as_deref())
                }
                None => return,
            },
        };
        self.actions.push_back(Action::Transmit { link, message: Message::Text(message) });
    }

    /// Sends what will be answered, unless the server would end the link over its size.
    pub(super) fn transmit_asked(&mut self, link: LinkId, id: u32, message: Message) {
        let size = match &message {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
            #[cfg(feature = "socketio")]
            Message::Parcel(parcel) => parcel.size(),
        };
        let most = self.link(link).map_or(usize::MAX, |known| known.max_frame_bytes);
        if size <= most {
            self.actions.push_back(Action::Transmit { link, message });
            return;
        }
        let message = format!(
            "it makes a frame of {size} bytes, and the server takes {most} at most; send less"
        );
        self.refuse(id, Refusal::new("too_large", message));
    }

    fn refuse(&mut self, id: u32, refusal: Refusal) {
        self.unsendable.push(id);
        self.notify(Notice::Answered { id, result: Err(refusal) });
    }

    /// Whether a frame of ours can't carry what this does; then its sender is told.
    #[cfg(feature = "socketio")]
    fn refuse_attachments(&mut self, message: &Outgoing) -> bool {
        let (Outgoing::Call { id } | Outgoing::Event { id }) = message else { return false };
        let has_attachments = |pending: &Pending| matches!(&pending.body, Body::Arguments(all) if !all.attachments().is_empty());
        let refused = self.find(*id).is_some_and(has_attachments);
        if refused {
            let message = "this server speaks staywire.v1, whose calls and events carry no bytes; \
                           use publish_binary()";
            self.refuse(*id, Refusal::new("unsupported", message));
        }
        refused
    }

    fn join_frame(&self, subscribe: &Subscribe) -> Option<Join<'static>> {
        let name = self.room_name(subscribe.room)?.to_owned();
        let mut join = Join {
            subscription: subscribe.subscription,
            room: name.into(),
            epoch: None,
            offset: None,
            history: None,
        };
        match &subscribe.from {
            From::Tip => {}
            From::History(most) => join.history = Some(*most),
            From::Position { epoch, offset } => {
                join.epoch = Some(epoch.as_ref().to_owned().into());
                join.offset = Some(*offset);
            }
        }
        Some(join)
    }
}

fn json_of(body: &Body) -> Option<Cow<'_, RawValue>> {
    match body {
        Body::Json(data) => data.as_deref().map(Cow::Borrowed),
        Body::Binary(_) => None,
        #[cfg(feature = "socketio")]
        Body::Arguments(arguments) => arguments.as_one().map(Cow::Owned),
    }
}

fn publish_message(publish: &Pending, sequence: u64) -> Message {
    let event = plain::encode(&publish.kind, json_of(&publish.body).as_deref());
    // `encode` wrote it: it is JSON.
    let Ok(event) = serde_json::from_str::<&RawValue>(&event) else {
        return Message::Text(String::new());
    };
    let data = control::Publish { sequence, event };
    let text = encode_client("publish", Some(publish.id), publish.room.as_deref(), Some(&data));
    match &publish.body {
        Body::Json(_) => Message::Text(text),
        #[cfg(feature = "socketio")]
        Body::Arguments(_) => Message::Text(text),
        Body::Binary(bytes) => {
            let mut frame = BytesMut::new();
            binary::write(&mut frame, &text, bytes);
            Message::Binary(frame.freeze())
        }
    }
}
