//! What the server's frames mean to the engine and to the application.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Action, Connection, Identity, Notice, Refusal};
use crate::engine::{
    Binding, DataFrame, Gap, GapReason, HeartbeatConfig, LinkId, Millis, Now, RoomId, Verdict,
    Welcome,
};
use crate::wire::control::{self, Bound, ErrorData};
use crate::wire::{Batch, Events, ServerFrame, WireError, decode_batches, is_batches};

impl Connection {
    /// A text message of a `staywire.v1` link.
    pub(super) fn handle_v1(
        &mut self,
        link: LinkId,
        text: Bytes,
        now: Now,
    ) -> Result<(), WireError> {
        if !is_batches(&text) {
            return self.handle_object(link, &text, now);
        }
        for batch in decode_batches(text)? {
            if batch.subscription > 0 {
                self.handle_batch(link, batch, now);
                continue;
            }
            for frame in batch.events {
                self.handle_object(link, &frame.into_raw(), now)?;
            }
        }
        Ok(())
    }

    /// A frame that is an object.
    fn handle_object(&mut self, link: LinkId, text: &Bytes, now: Now) -> Result<(), WireError> {
        match ServerFrame::decode(text)? {
            ServerFrame::Welcome(welcome) => {
                if let (Some(most), Some(known)) = (welcome.max_frame_bytes, self.link(link)) {
                    known.max_frame_bytes = usize::try_from(most).unwrap_or(usize::MAX);
                }
                let told = Identity {
                    tenant: welcome.tenant.clone().into_owned(),
                    subject: welcome.subject.clone().into_owned(),
                };
                // A space can't be in either name's neighbour: tenants have none.
                let identity = format!("{} {}", welcome.tenant, welcome.subject);
                let welcome = Welcome {
                    heartbeat: welcome.heartbeat.map(|heartbeat| HeartbeatConfig {
                        interval: Millis(heartbeat.interval_ms.max(1)),
                        timeout: Millis(heartbeat.timeout_ms.max(1)),
                    }),
                    token_ends_in: welcome.token_expires_in_ms.map(Millis),
                    identity: identity.into(),
                    store: welcome.store.as_ref().into(),
                    window: Millis(welcome.dedup_window_ms),
                    entries: welcome.dedup_entries,
                };
                self.notify(Notice::Greeted(told));
                self.engine.handle_welcome(link, welcome, now);
            }
            ServerFrame::Joined(bound)
            | ServerFrame::Resumed(bound)
            | ServerFrame::Epoch(bound) => {
                self.handle_bound(link, &bound, now);
            }
            ServerFrame::Gap(gap) => self.handle_gap(link, &gap, now),
            ServerFrame::Refused(refused) => {
                self.refusal = Some(Refusal {
                    code: refused.code.into_owned(),
                    message: refused.message.into_owned(),
                    retry_after: refused.retry_after_ms.map(Millis),
                    data: None,
                });
                let retry_after = refused.retry_after_ms.map(Millis);
                self.engine.handle_refused(link, refused.subscription, retry_after, now);
                self.drain();
                self.refusal = None;
            }
            ServerFrame::Goaway(goaway) => {
                self.engine.handle_goaway(link, Millis(goaway.reconnect_after_ms), now);
            }
            ServerFrame::Ping => self.engine.handle_ping(link),
            ServerFrame::Pong => {}
            ServerFrame::Reply { id, data } => {
                let data = data.unwrap_or(RawValue::NULL).to_owned();
                self.answered(link, id, Ok(data), now);
            }
            ServerFrame::Error { id: Some(id), error } => {
                self.answered(link, id, Err(Refusal::from(&error)), now);
            }
            ServerFrame::Error { id: None, error } => self.server_error(link, &error),
            ServerFrame::Other { .. } => self.unplaced(Events::lone(text.clone(), 0, None)?),
        }
        self.drain();
        Ok(())
    }

    pub(super) fn handle_batch(&mut self, link: LinkId, batch: Batch, now: Now) {
        let Batch { subscription, mut events } = batch;
        let first = events.first();
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        let frame = DataFrame { subscription, first, count };
        let verdict = self.engine.handle_data(link, frame, now);
        self.drain();
        let Verdict::Deliver { room, skip, gap } = verdict else {
            return;
        };
        if let Some(gap) = gap {
            // It ends before these events, which the engine counts already.
            let epoch = self.engine.epoch(room).unwrap_or_default();
            self.notify(Notice::Gap { gap, epoch, offset: gap.to });
        }
        if skip > 0 {
            events.skip_first(skip as usize);
        }
        let epoch = match first {
            0 => None,
            _ => self.engine.epoch(room),
        };
        let epoch = epoch.unwrap_or_default();
        self.notify(Notice::Events { room: Some(room), epoch, events });
    }

    fn handle_bound(&mut self, link: LinkId, bound: &Bound<'_>, now: Now) {
        let binding = Binding {
            subscription: bound.subscription,
            epoch: bound.epoch.as_ref().into(),
            offset: bound.offset,
            tip: bound.tip,
        };
        let before = self.actions.len();
        self.engine.handle_bound(link, binding, now);
        self.drain();
        // A snapshot says where the room stands after a join or a gap; else it is known already.
        let Some(snapshot) = bound.snapshot else {
            return;
        };
        let room = self.actions.iter().skip(before).find_map(|action| match action {
            Action::Notify(Notice::Joined { room, .. }) => Some(*room),
            Action::Notify(Notice::Gap { gap, .. }) => gap.room,
            _ => None,
        });
        if let Some(room) = room {
            self.notify(Notice::Snapshot { room, data: snapshot.to_owned() });
        }
    }

    fn handle_gap(&mut self, link: LinkId, gap: &control::Gap<'_>, now: Now) {
        let reason = match &*gap.reason {
            "unprovable" => GapReason::Unprovable,
            "epoch" => GapReason::NewEpoch,
            "hole" => GapReason::Hole,
            "overflow" => GapReason::Overflow,
            _ => GapReason::Expired,
        };
        self.engine.handle_gap(link, gap.subscription, gap.to, reason, now);
    }

    /// Tells of a gap, with where the room stands behind it: now, not when the notice is read,
    /// since the same frame may bring events too.
    pub(super) fn notify_gap(&mut self, gap: Gap) {
        let (epoch, offset) = gap.room.map(|room| self.place(room)).unwrap_or_default();
        self.notify(Notice::Gap { gap, epoch, offset });
    }

    /// Where a room stands.
    pub(super) fn place(&self, room: RoomId) -> (Arc<str>, u64) {
        let epoch = self.engine.epoch(room).unwrap_or_default();
        (epoch, self.engine.position(room).map_or(0, |(_, offset)| offset))
    }

    fn server_error(&mut self, link: LinkId, error: &ErrorData<'_>) {
        let refusal = Refusal::from(error);
        if let Some(known) = self.link(link) {
            known.last_error = Some(refusal.clone());
        }
        self.notify(Notice::ServerError { refusal });
    }

    fn answered(
        &mut self,
        link: LinkId,
        id: u32,
        result: Result<Box<RawValue>, Refusal>,
        now: Now,
    ) {
        if self.engine.handle_reply(link, id, now) {
            self.take(id);
            self.notify(Notice::Answered { id, result });
        }
    }

    pub(super) fn settle(&mut self, link: LinkId, handled: Result<(), WireError>, now: Now) {
        if let Err(error) = handled {
            self.notify(Notice::Unreadable { error });
            self.engine.handle_violation(link, now);
        }
        self.drain();
    }

    /// An event of no room.
    pub(super) fn unplaced(&mut self, events: Events) {
        self.notify(Notice::Events { room: None, epoch: Arc::default(), events });
    }
}
