//! The documents' frames, for clients that know nothing of `staywire.v1`.
//!
//! `{"type", "data"}` both ways; a frame that carries an `id` is answered with that `id`.

use staywire::events::{Connected, Heartbeat};
use staywire::wire::encode_frame;

use super::typed::Typed;
use super::{Session, error_frame, unavailable};
use crate::bus::RoomKey;
use crate::gateway::refusal::Refusal;
use crate::hub::Begin;
use crate::time::iso8601;

impl Session {
    pub(super) async fn start_plain(
        &mut self,
        rooms: &[String],
        now_ms: u64,
    ) -> Result<(), Refusal> {
        self.permit = Some(self.shared.services.enter(&self.caller)?);
        self.liveness.greeted();
        if let Some(session_id) = &self.caller.session_id {
            let connected = Connected {
                session_id: session_id.clone(),
                timestamp: Some(iso8601(now_ms)),
                ..Connected::default()
            };
            self.out.frame(encode_frame("connected", None, Some(&connected)));
        }
        for room in rooms {
            self.shared.services.may_join(&self.caller, room, now_ms).await?;
            self.numbered += 1;
            let begin = self.shared.away.take(&self.caller, room, now_ms).unwrap_or(Begin::Tip);
            let key = RoomKey::new(&self.caller.identity.tenant, room);
            let membership = self
                .shared
                .hub
                .join(key, self.numbered, begin, &self.out, now_ms)
                .await
                .map_err(|error| unavailable(&error))?;
            self.stay(self.numbered, membership);
        }
        Ok(())
    }

    pub(super) async fn plain_command(&mut self, text: &[u8], now_ms: u64) -> Result<(), Refusal> {
        let read = Typed::read("a frame", text).and_then(|frame| Ok((frame.id()?, frame)));
        let (id, frame) = match read {
            Ok(read) => read,
            Err(message) => {
                // Such a client may be a person at a terminal: it is told, and may try again.
                self.limiter.check(now_ms)?;
                self.out.frame(error_frame(None, &Refusal::BadRequest(message)));
                return Ok(());
            }
        };
        self.liveness.busy(now_ms);
        let answer = match self.limiter.check(now_ms) {
            Err(refusal) => Err(refusal),
            Ok(()) if frame.kind == "ping" => {
                self.out.frame(encode_frame::<()>("pong", None, None));
                return Ok(());
            }
            Ok(()) => {
                self.shared.services.call(&self.caller, &frame.kind, frame.data, now_ms).await
            }
        };
        match (id, answer) {
            (Some(id), answer) => self.answer(id, answer),
            (None, Err(refusal)) => self.out.frame(error_frame(None, &refusal)),
            (None, Ok(_)) => {}
        }
        Ok(())
    }

    pub(super) fn plain_heartbeat(&self, now_ms: u64) {
        let heartbeat = Heartbeat { timestamp: iso8601(now_ms), ..Heartbeat::default() };
        self.out.frame(encode_frame("heartbeat", None, Some(&heartbeat)));
    }
}
