//! The events of stock Socket.IO clients, for whom an event is a name and its data.
//!
//! What a client may ask, and what it is answered, is what a plain connection may and is; besides,
//! it joins rooms and publishes in them. How an event and an answer are spelled as packets is not
//! known here.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use staywire::wire::encode_frame;

use super::commands::{check_kind, check_room, reply_to};
use super::typed::read_data;
use super::{Session, error_frame, unavailable};
use crate::bus::{RoomKey, StoredEvent};
use crate::gateway::refusal::Refusal;
use crate::hub::Begin;

/// An event as it arrived.
#[derive(Debug)]
pub struct StockEvent {
    /// Its name: a command of rooms, or the method of a call.
    pub name: String,
    /// Its first argument.
    pub data: Option<Box<RawValue>>,
    /// The attachment that is the `data` of a `publish`.
    pub binary: Option<Bytes>,
    /// Under which number an answer is wanted; `None` where a refusal alone is told.
    pub id: Option<u32>,
    /// What is wrong with how it was sent: it is refused with this, and not carried out.
    pub fault: Option<Refusal>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    room: String,
    /// Begin with at most so many past events.
    #[serde(default)]
    history: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leave {
    room: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publish<'a> {
    room: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Session {
    pub(super) async fn stock_event(&mut self, event: StockEvent, now_ms: u64) {
        self.liveness.busy(now_ms);
        let id = event.id;
        let answer = match self.limiter.check(now_ms) {
            Ok(()) => self.carry_out(event, now_ms).await,
            Err(refusal) => Err(refusal),
        };
        match (id, answer) {
            (Some(id), answer) => self.answer(id, answer),
            (None, Err(refusal)) => self.out.frame(error_frame(None, &refusal)),
            (None, Ok(_)) => {}
        }
    }

    async fn carry_out(
        &mut self,
        event: StockEvent,
        now_ms: u64,
    ) -> Result<Box<RawValue>, Refusal> {
        let StockEvent { name, data, binary, fault, .. } = event;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let data = data.as_deref();
        match name.as_str() {
            "join" => self.stock_join(read_data("join", data)?, now_ms).await,
            "leave" => self.stock_leave(read_data("leave", data)?),
            "publish" => self.stock_publish(read_data("publish", data)?, binary, now_ms).await,
            "ping" => {
                self.out.frame(encode_frame::<()>("pong", None, None));
                nothing()
            }
            "get_stats" => {
                let stats = self.shared.services.call(&self.caller, &name, data, now_ms).await?;
                self.out.frame(encode_frame("stats", None, Some(&stats)));
                Ok(stats)
            }
            _ => self.shared.services.call(&self.caller, &name, data, now_ms).await,
        }
    }

    /// Asked for again, a room is simply joined: such a client counts no subscriptions.
    async fn stock_join(&mut self, join: Join, now_ms: u64) -> Result<Box<RawValue>, Refusal> {
        if self.stay_in(&join.room).is_none() {
            self.check_join(&join.room, now_ms).await?;
            let away = self.shared.away.take(&self.caller, &join.room, now_ms);
            let begin = match join.history {
                0 => away.unwrap_or(Begin::Tip),
                most => Begin::History(most),
            };
            self.numbered += 1;
            let key = RoomKey::new(&self.caller.identity.tenant, &join.room);
            let joined = self.shared.hub.join(key, self.numbered, begin, &self.out, now_ms).await;
            self.stay(self.numbered, joined.map_err(|error| unavailable(&error))?);
        }
        nothing()
    }

    fn stock_leave(&mut self, leave: Leave) -> Result<Box<RawValue>, Refusal> {
        let subscription = self.stay_in(&leave.room);
        if let Some(stay) = subscription.and_then(|number| self.memberships.remove(&number)) {
            self.shared.hub.leave(&stay.membership);
        }
        nothing()
    }

    async fn stock_publish(
        &self,
        publish: Publish<'_>,
        binary: Option<Bytes>,
        now_ms: u64,
    ) -> Result<Box<RawValue>, Refusal> {
        let Publish { room, kind, data } = publish;
        check_room(&room)?;
        check_kind(&kind)?;
        // Of a binary event the data is where the packet says that the payload goes.
        let data = data.filter(|_| binary.is_none());
        self.shared.services.may_publish(&self.caller, &room, &kind, data)?;
        let json = encode_frame(&kind, None, data).into();
        let event = StoredEvent { json, binary, at_ms: now_ms };
        let key = RoomKey::new(&self.caller.identity.tenant, &room);
        let known = self.shared.hub.publish(&key, event, None).await;
        known.map_err(|error| unavailable(&error)).and_then(reply_to)
    }

    /// The subscription under which it is in a room.
    fn stay_in(&self, room: &str) -> Option<u32> {
        let mut stays = self.memberships.iter();
        stays.find(|(_, stay)| stay.membership.room().room() == room).map(|(number, _)| *number)
    }
}

/// What there is to say where it is enough that it was done.
fn nothing() -> Result<Box<RawValue>, Refusal> {
    to_raw_value(&serde_json::Map::new()).map_err(|_| Refusal::Internal)
}
