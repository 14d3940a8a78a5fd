//! A simulated application: it joins rooms, publishes, calls, reads slowly at times, and writes
//! down everything that it is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;
use staywire::connection::{Body, Connection, Notice};
use staywire::engine::{CallFailure, From, Now, PublishFailure, RoomFailure, RoomId, State};
use staywire_server::bus::RoomKey;

use crate::bus::ModelBus;
use crate::model::Truth;
use crate::services::{CLOSED_ROOM, FORBIDDEN_EVENT};
use crate::stay::{Known, Stay};

/// The tenant of every simulated client.
pub(crate) const TENANT: &str = "t";

/// How a publish or call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    Published { epoch: Arc<str>, offset: u64 },
    Answered,
    Refused { code: String },
    Unpublished(PublishFailure),
    Uncalled(CallFailure),
}

/// A publish or call.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) uid: u64,
    /// The room of a publish; `None` for a call.
    pub(crate) room: Option<String>,
    pub(crate) idempotent: bool,
    pub(crate) end: End,
}

/// What the checks of a notice need to know of the other side.
pub(crate) struct Oracle<'a> {
    pub(crate) truth: &'a Truth,
    pub(crate) bus: &'a ModelBus,
    pub(crate) now_ms: u64,
}

impl<'a> Oracle<'a> {
    pub(crate) fn known(&self, room: &str) -> Known<'a> {
        let slice = self.bus.look(&RoomKey::new(TENANT, room), self.now_ms);
        Known { truth: self.truth, epoch: slice.epoch, now_ms: self.now_ms }
    }
}

pub(crate) struct App {
    name: usize,
    uids: u64,
    pub(crate) stays: Vec<Stay>,
    rooms: BTreeMap<RoomId, usize>,
    pub(crate) sent: Vec<Sent>,
    open: BTreeMap<u32, usize>,
    pub(crate) max_queue: usize,
    /// It takes nothing from its queues.
    pub(crate) slow: bool,
    pub(crate) states: Vec<State>,
    pub(crate) violations: Vec<String>,
    pub(crate) deepest_queue: usize,
}

impl App {
    pub(crate) fn new(name: usize, max_queue: usize) -> Self {
        Self {
            name,
            uids: 0,
            stays: Vec::new(),
            rooms: BTreeMap::new(),
            sent: Vec::new(),
            open: BTreeMap::new(),
            max_queue,
            slow: false,
            states: Vec::new(),
            violations: Vec::new(),
            deepest_queue: 0,
        }
    }

    // ---- What it does ----

    pub(crate) fn stay_in(&self, room: &str) -> Option<usize> {
        self.stays.iter().position(|stay| stay.active && stay.room == room)
    }

    /// The last position that an earlier stay in this room ended at.
    pub(crate) fn last_position(&self, room: &str) -> Option<From> {
        let stay = self.stays.iter().rev().find(|stay| stay.room == room)?;
        let (epoch, offset) = stay.position()?;
        Some(From::Position { epoch, offset })
    }

    pub(crate) fn join(
        &mut self,
        room: &str,
        begin: From,
        conn: &mut Connection,
        now: Now,
        oracle: &Oracle<'_>,
    ) {
        let known = oracle.known(room);
        if let Ok(id) = conn.join(room, begin.clone(), now) {
            self.rooms.insert(id, self.stays.len());
            self.stays.push(Stay::new(room, id, begin, self.max_queue, &known));
        }
    }

    pub(crate) fn leave(&mut self, stay: usize, conn: &mut Connection) {
        let stay = &mut self.stays[stay];
        stay.active = false;
        self.rooms.remove(&stay.id);
        conn.leave(stay.id);
    }

    pub(crate) fn publish(
        &mut self,
        room: &str,
        kind: &str,
        padding: usize,
        conn: &mut Connection,
        now: Now,
    ) {
        let uid = self.uid();
        let data = format!(r#"{{"uid":{uid},"x":"{}"}}"#, "x".repeat(padding));
        let body = Body::Json(RawValue::from_string(data).ok());
        if let Ok(id) = conn.publish(room, kind, body, now) {
            self.open.insert(id, self.sent.len());
            let room = Some(room.to_owned());
            self.sent.push(Sent { uid, room, idempotent: false, end: End::Open });
        }
    }

    pub(crate) fn call(&mut self, idempotent: bool, conn: &mut Connection, now: Now) {
        let uid = self.uid();
        let data = RawValue::from_string(format!(r#"{{"uid":{uid}}}"#)).ok();
        let method = if idempotent { "put" } else { "add" };
        if let Ok(id) = conn.call(method, data, idempotent, None, now) {
            self.open.insert(id, self.sent.len());
            self.sent.push(Sent { uid, room: None, idempotent, end: End::Open });
        }
    }

    fn uid(&mut self) -> u64 {
        self.uids += 1;
        (self.name as u64 + 1) * 1_000_000_000 + self.uids
    }

    /// Takes what is queued, unless it is slow. True if a room may go on.
    pub(crate) fn take(&mut self, truth: &Truth, conn: &mut Connection) -> bool {
        if self.slow {
            return false;
        }
        let mut caught_up = false;
        for stay in &mut self.stays {
            // What a left room still hands over is nobody's business any more.
            if stay.active && stay.take(truth, &mut self.violations) {
                stay.go_on();
                conn.room_caught_up(stay.id);
                caught_up = true;
            }
        }
        caught_up
    }

    // ---- What it is told ----

    pub(crate) fn notice(&mut self, notice: Notice, conn: &mut Connection, oracle: &Oracle<'_>) {
        match notice {
            Notice::State { state, .. } => self.states.push(state),
            Notice::Joined { room, epoch, offset } => {
                let Some(stay) = self.stay(room) else { return };
                let known = oracle.known(&self.stays[stay].room);
                if let Err(what) = self.stays[stay].joined(epoch, offset, &known) {
                    self.violations.push(what);
                }
            }
            Notice::Events { room: Some(room), epoch, events } => {
                let Some(stay) = self.stay(room) else { return };
                let stay = &mut self.stays[stay];
                if let Some((epoch, offset)) = stay.events(&epoch, events) {
                    conn.room_overflowed(room, &epoch, offset);
                }
                self.deepest_queue = self.deepest_queue.max(stay.queued());
            }
            Notice::Gap { gap, epoch, offset } => {
                let Some(stay) = gap.room.and_then(|room| self.stay(room)) else { return };
                let stay = &mut self.stays[stay];
                match stay.gap(gap, (epoch, offset), &oracle.known(&stay.room)) {
                    Ok(Some((epoch, offset))) => conn.room_overflowed(stay.id, &epoch, offset),
                    Ok(None) => {}
                    Err(what) => self.violations.push(what),
                }
            }
            Notice::RoomFailed { room, reason, .. } => {
                let Some(stay) = self.stay(room) else { return };
                self.rooms.remove(&room);
                let stay = &mut self.stays[stay];
                stay.active = false;
                if reason != RoomFailure::Closed && stay.room != CLOSED_ROOM {
                    self.violations.push(format!("{} failed: {reason:?}", stay.room));
                }
            }
            Notice::Answered { id, result } => {
                let end = match result {
                    Err(refusal) => End::Refused { code: refusal.code },
                    Ok(reply) => published(&reply).unwrap_or(End::Answered),
                };
                self.finish(id, end);
            }
            Notice::CallFailed { id, reason } => self.finish(id, End::Uncalled(reason)),
            Notice::PublishFailed { id, reason } => self.finish(id, End::Unpublished(reason)),
            Notice::Events { room: None, .. }
            | Notice::Unreadable { .. }
            | Notice::Snapshot { .. }
            | Notice::EventSent { .. } => {
                self.violations.push(format!("nobody sends such a thing: {notice:?}"));
            }
            Notice::ServerError { .. } | Notice::Greeted(_) => {}
            other => unreachable!("no link of Socket.IO is open: {other:?}"),
        }
    }

    fn stay(&self, room: RoomId) -> Option<usize> {
        self.rooms.get(&room).copied()
    }

    fn finish(&mut self, id: u32, end: End) {
        match self.open.remove(&id) {
            Some(sent) => self.sent[sent].end = end,
            None => self.violations.push(format!("{id} ended twice, now as {end:?}")),
        }
    }

    /// What is in no queue any more but has no end.
    pub(crate) fn unanswered(&self) -> usize {
        self.open.len()
    }

    /// The types of events that a schedule may let it publish.
    pub(crate) const KINDS: [&'static str; 2] = ["said", FORBIDDEN_EVENT];
}

fn published(reply: &RawValue) -> Option<End> {
    let published: staywire::Published = serde_json::from_str(reply.get()).ok()?;
    Some(End::Published { epoch: Arc::from(published.epoch), offset: published.offset })
}
