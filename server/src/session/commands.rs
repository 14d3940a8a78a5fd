//! The commands of `staywire.v1`, each answered.

use bytes::Bytes;
use serde_json::value::RawValue;
use staywire::wire::control::{Heartbeat, Hello, Join, Publish, Published, Refused, Welcome};
use staywire::wire::{ClientFrame, encode_frame};

use super::typed::Typed;
use super::{Session, error_frame, unavailable};
use crate::bus::{FirstReply, Known, RoomKey, Stamp, StoredEvent};
use crate::gateway::refusal::Refusal;
use crate::hub::Begin;

/// Longest name of a room or an event type, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The last number that a double holds exactly, as the one after it does not.
const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// Longest instance or producer id, in bytes.
const MAX_ID_BYTES: usize = 128;

impl Session {
    /// Handles one frame of the client. An error ends the connection; what can be answered is.
    pub(super) async fn command(
        &mut self,
        text: &[u8],
        payload: Option<Bytes>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let frame =
            ClientFrame::decode(text).map_err(|error| Refusal::BadRequest(error.to_string()))?;
        if payload.is_some() && !matches!(frame, ClientFrame::Publish { .. }) {
            return Err(Refusal::BadRequest(
                "a binary record holds a `publish` and its payload; send other frames as text"
                    .into(),
            ));
        }
        let counts =
            !matches!(frame, ClientFrame::Ping | ClientFrame::Pong | ClientFrame::Leave(_));
        let allowed = if counts {
            self.limiter.check(now_ms)
        } else {
            // Signs of life are no commands, and whoever floods us with them is no good client.
            self.signs.check(now_ms)?;
            Ok(())
        };
        match frame {
            ClientFrame::Ping => {
                self.out.frame(encode_frame::<()>("pong", None, None));
                Ok(())
            }
            ClientFrame::Pong => Ok(()),
            ClientFrame::Hello(hello) => {
                allowed?;
                self.hello(hello, now_ms).await
            }
            _ if !self.liveness.is_greeted() => {
                Err(Refusal::BadRequest("the first frame must be `hello`".into()))
            }
            ClientFrame::Join(join) => {
                self.liveness.busy(now_ms);
                match allowed {
                    Ok(()) => self.join(join, now_ms).await,
                    Err(refusal) => {
                        self.refuse_join(&join, &refusal);
                        Ok(())
                    }
                }
            }
            ClientFrame::Leave(leave) => {
                self.liveness.busy(now_ms);
                if let Some(stay) = self.memberships.remove(&leave.subscription) {
                    self.shared.hub.leave(&stay.membership);
                }
                Ok(())
            }
            ClientFrame::Publish { id, room, publish } => {
                self.liveness.busy(now_ms);
                let answer = self.publish(&room, &publish, payload, allowed, now_ms).await?;
                self.answer(id, answer);
                Ok(())
            }
            ClientFrame::Call { id, method, data } => {
                self.liveness.busy(now_ms);
                let answer = match allowed {
                    Ok(()) => self.shared.services.call(&self.caller, &method, data, now_ms).await,
                    Err(refusal) => Err(refusal),
                };
                self.answer(id, answer);
                Ok(())
            }
            ClientFrame::Event { kind, data, .. } => {
                self.liveness.busy(now_ms);
                let done = match allowed {
                    Ok(()) => self.shared.services.call(&self.caller, &kind, data, now_ms).await,
                    Err(refusal) => Err(refusal),
                };
                if let Err(refusal) = done {
                    self.out.frame(error_frame(None, &refusal));
                }
                Ok(())
            }
        }
    }

    async fn hello(&mut self, hello: Hello<'_>, now_ms: u64) -> Result<(), Refusal> {
        if self.liveness.is_greeted() {
            return Err(Refusal::BadRequest("`hello` may be sent once per connection".into()));
        }
        for (name, id) in [("instance", &hello.instance), ("producer", &hello.producer)] {
            if id.is_empty() || id.len() > MAX_ID_BYTES {
                return Err(Refusal::BadRequest(format!(
                    "`{name}` in `hello` must have 1 to {MAX_ID_BYTES} bytes"
                )));
            }
        }
        self.caller.identity.recognise(&format!("instance {}", hello.instance));
        self.caller.instance = hello.instance.into_owned();
        self.producer = hello.producer.into_owned();
        self.permit = Some(self.shared.services.enter(&self.caller)?);
        self.liveness.greeted();
        let identity = &self.caller.identity;
        let heartbeat = &self.shared.heartbeat;
        let welcome = Welcome {
            subject: identity.subject.as_str().into(),
            tenant: identity.tenant.as_str().into(),
            store: self.shared.hub.bus().store().to_string().into(),
            dedup_window_ms: self.shared.dedup.max_age_ms,
            dedup_entries: u32::try_from(self.shared.dedup.entries_per_producer)
                .unwrap_or(u32::MAX),
            max_frame_bytes: Some(self.shared.limits.max_frame_bytes as u64),
            heartbeat: Some(Heartbeat {
                interval_ms: heartbeat.interval_ms,
                timeout_ms: heartbeat.timeout_ms,
            }),
            token_expires_in_ms: identity.expires_at_ms.map(|end| end.saturating_sub(now_ms)),
            server: Some(concat!("staywire-server/", env!("CARGO_PKG_VERSION")).into()),
        };
        self.out.frame(encode_frame("welcome", None, Some(&welcome)));
        for join in hello.rooms {
            match self.limiter.check(now_ms) {
                Ok(()) => self.join(join, now_ms).await?,
                Err(refusal) => self.refuse_join(&join, &refusal),
            }
        }
        Ok(())
    }

    async fn join(&mut self, join: Join<'_>, now_ms: u64) -> Result<(), Refusal> {
        if join.subscription == 0 || self.memberships.contains_key(&join.subscription) {
            return Err(Refusal::BadRequest(format!(
                "subscription {} of a join is taken or 0; count from 1 and use none twice",
                join.subscription
            )));
        }
        let allowed = self.check_join(&join.room, now_ms).await;
        if let Err(refusal) = allowed {
            self.refuse_join(&join, &refusal);
            return Ok(());
        }
        let begin = match (&join.epoch, join.offset, join.history) {
            (Some(epoch), Some(offset), _) => {
                Begin::After { epoch: epoch.clone().into_owned(), offset }
            }
            (Some(_), None, _) | (None, Some(_), _) => {
                return Err(Refusal::BadRequest(
                    "a join has both `epoch` and `offset`, or neither".into(),
                ));
            }
            (_, _, Some(most)) => Begin::History(most),
            _ => Begin::Tip,
        };
        let room = RoomKey::new(&self.caller.identity.tenant, &join.room);
        match self.shared.hub.join(room, join.subscription, begin, &self.out, now_ms).await {
            Ok(membership) => self.stay(join.subscription, membership),
            Err(error) => self.refuse_join(&join, &unavailable(&error)),
        }
        Ok(())
    }

    pub(super) async fn check_join(&self, room: &str, now_ms: u64) -> Result<(), Refusal> {
        check_room(room)?;
        let limit = self.shared.limits.rooms_per_connection;
        if self.memberships.len() >= limit {
            return Err(Refusal::TooManyRooms { limit });
        }
        self.shared.services.may_join(&self.caller, room, now_ms).await
    }

    fn refuse_join(&self, join: &Join<'_>, refusal: &Refusal) {
        let body = refusal.body();
        let refused = Refused {
            subscription: join.subscription,
            // Long names were refused for that; they need not come back whole.
            room: join.room.chars().take(MAX_NAME_BYTES).collect::<String>().into(),
            code: body.code,
            message: body.message.as_str().into(),
            retry_after_ms: body.retry_after_ms,
        };
        self.out.frame(encode_frame("refused", None, Some(&refused)));
    }

    /// What to answer. Where the store can't be reached, nothing: any answer would be final, and
    /// whether it took effect is unknown. The connection ends, and the client sends it again.
    async fn publish(
        &mut self,
        room: &str,
        publish: &Publish<'_>,
        payload: Option<Bytes>,
        allowed: Result<(), Refusal>,
        now_ms: u64,
    ) -> Result<Result<Box<RawValue>, Refusal>, Refusal> {
        // Not remembered, as other refusals are: there is no such number to remember it under.
        if !(1..=MAX_SEQUENCE).contains(&publish.sequence) {
            return Ok(Err(Refusal::BadRequest(format!(
                "`sequence` in `publish` must be from 1 to {MAX_SEQUENCE}; count on from 1"
            ))));
        }
        let identity = &self.caller.identity;
        let stamp = Stamp {
            subject: format!("{}/{}", identity.tenant, identity.subject),
            producer: self.producer.clone(),
            sequence: publish.sequence,
        };
        let bus = self.shared.hub.bus();
        // A repeat is answered as the first was, even where the answer would be another now.
        match bus.recall(&stamp).await.map_err(|error| unavailable(&error))? {
            Known::New => {}
            known => return Ok(reply_to(known)),
        }
        let is_binary = payload.is_some();
        let event = allowed.and_then(|()| self.check_publish(room, publish, is_binary));
        let event = match event {
            Ok(json) => StoredEvent { json, binary: payload, at_ms: now_ms },
            Err(refusal) => {
                let body = refusal.body();
                let reply = FirstReply::Refused {
                    code: body.code.into_owned(),
                    message: body.message,
                    retry_after_ms: body.retry_after_ms,
                };
                let refused = bus.refuse(&stamp, reply, now_ms).await;
                // The same publish on another link may have been answered meanwhile.
                return refused.map(reply_to).map_err(|error| unavailable(&error));
            }
        };
        let key = RoomKey::new(&identity.tenant, room);
        let known = self.shared.hub.publish(&key, event, Some(&stamp)).await;
        known.map(reply_to).map_err(|error| unavailable(&error))
    }

    fn check_publish(
        &self,
        room: &str,
        publish: &Publish<'_>,
        is_binary: bool,
    ) -> Result<std::sync::Arc<str>, Refusal> {
        check_room(room)?;
        let event = Typed::read("`event` in `publish`", publish.event.get().as_bytes())
            .map_err(Refusal::BadRequest)?;
        check_kind(&event.kind)?;
        if is_binary && event.data.is_some() {
            return Err(Refusal::BadRequest(
                "the payload of a binary event is its data; leave `data` out".into(),
            ));
        }
        self.shared.services.may_publish(&self.caller, room, &event.kind, event.data)?;
        Ok(publish.event.get().into())
    }

    pub(super) fn answer(&self, id: u32, answer: Result<Box<RawValue>, Refusal>) {
        self.out.frame(match answer {
            Ok(data) => encode_frame("reply", Some(id), Some(&data)),
            Err(refusal) => error_frame(Some(id), &refusal),
        });
    }
}

/// Whether a room can be called this.
pub(crate) fn check_room(room: &str) -> Result<(), Refusal> {
    let fits = (1..=MAX_NAME_BYTES).contains(&room.len());
    if fits && !room.chars().any(|c| c.is_control() || c == '/') {
        return Ok(());
    }
    Err(Refusal::BadRequest(format!(
        "a room's name must have 1 to {MAX_NAME_BYTES} bytes, without `/` and control characters"
    )))
}

/// Whether an event can be called this.
pub(crate) fn check_kind(kind: &str) -> Result<(), Refusal> {
    if (1..=MAX_NAME_BYTES).contains(&kind.len()) {
        return Ok(());
    }
    Err(Refusal::BadRequest(format!("an event's `type` must have 1 to {MAX_NAME_BYTES} bytes")))
}

/// What a publish is answered.
pub(crate) fn reply_to(known: Known) -> Result<Box<RawValue>, Refusal> {
    match known {
        Known::Answered(FirstReply::Appended { epoch, offset }) => {
            let published = Published { epoch: epoch.to_string(), offset };
            serde_json::value::to_raw_value(&published).map_err(|_| Refusal::Internal)
        }
        Known::Answered(FirstReply::Refused { code, message, retry_after_ms }) => {
            Err(Refusal::Repeated { code, message, retry_after_ms })
        }
        Known::Forgotten | Known::New => Err(Refusal::Uncertain),
    }
}
