//! The engine's commands and inputs, under the engine's own names, with numbers for arguments.
//!
//! Each function hands on and nothing else. Numbers that name something start at 1, so that 0 can say
//! "none"; an optional number is absent where it is negative or NaN; `time` and `wall` are the two
//! clocks, in milliseconds.

use staywire::engine::{
    Binding, DataFrame, HeartbeatConfig, LinkId, Millis, RoomId, Time, TokenAnswer, TokenRequest,
    Verdict, WallTime, Welcome,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::clients::{Face, face};
use crate::inputs::{failure, from, gap_reason, millis, now, whole, wire};
use crate::outputs::{Kind, number_of};

// ---- Commands ----

/// Asks for a connection.
#[wasm_bindgen]
pub fn connect(client: u32, time: f64, wall: f64) {
    face(client).engine.connect(now(time, wall));
}

/// Joins a room and names it; 0 if too many are joined. `begin` is 0 for the next event, 1 for
/// at most `number` past ones, 2 for those after the offset `number` of `epoch`.
#[wasm_bindgen]
pub fn join(client: u32, begin: u32, number: f64, epoch: &str, time: f64, wall: f64) -> u32 {
    let room = face(client).engine.join(from(begin, number, epoch), now(time, wall));
    room.map_or(0, |room| room.0)
}

/// Leaves a room.
#[wasm_bindgen]
pub fn leave(client: u32, room: u32) {
    face(client).engine.leave(RoomId(room));
}

/// The application fell behind: its queue for this room was dropped after this event.
#[wasm_bindgen]
pub fn room_overflowed(client: u32, room: u32, epoch: &str, offset: f64) {
    face(client).engine.room_overflowed(RoomId(room), epoch, offset as u64);
}

/// The application has taken all that was queued for this room.
#[wasm_bindgen]
pub fn room_caught_up(client: u32, room: u32) {
    face(client).engine.room_caught_up(RoomId(room));
}

/// Opens a call and names it; 0 if too many are open. `deadline` is a point in time, or absent.
#[wasm_bindgen]
pub fn call(client: u32, idempotent: bool, deadline: f64, time: f64, wall: f64) -> u32 {
    let deadline = whole(deadline).map(Time);
    face(client).engine.call(idempotent, deadline, now(time, wall)).unwrap_or(0)
}

/// Forgets a call.
#[wasm_bindgen]
pub fn cancel_call(client: u32, id: u32) {
    face(client).engine.cancel_call(id);
}

/// Puts a publish in the outbox and names it; 0 if the outbox is full.
#[wasm_bindgen]
pub fn publish(client: u32, bytes: u32, time: f64, wall: f64) -> u32 {
    face(client).engine.publish(bytes as usize, now(time, wall)).unwrap_or(0)
}

/// The same for an event that has no answer.
#[wasm_bindgen]
pub fn send_event(client: u32, bytes: u32, time: f64, wall: f64) -> u32 {
    face(client).engine.send_event(bytes as usize, now(time, wall)).unwrap_or(0)
}

/// Ends a call or a publish that turned out to be impossible to send.
#[wasm_bindgen]
pub fn abandon(client: u32, id: u32) {
    face(client).engine.abandon(id);
}

/// Takes a message out of the outbox if it was never sent; tells whether it was.
#[wasm_bindgen]
pub fn withdraw(client: u32, id: u32) -> bool {
    face(client).engine.withdraw(id)
}

/// Closes for good.
#[wasm_bindgen]
pub fn close(client: u32) {
    face(client).engine.close();
}

// ---- Inputs that are no link's ----

/// The time of the last `Timeout` is reached.
#[wasm_bindgen]
pub fn handle_timeout(client: u32, time: f64, wall: f64) {
    face(client).engine.handle_timeout(now(time, wall));
}

/// The platform woke up.
#[wasm_bindgen]
pub fn handle_wake(client: u32, time: f64, wall: f64) {
    face(client).engine.handle_wake(now(time, wall));
}

/// The way to the network changed.
#[wasm_bindgen]
pub fn handle_network_changed(client: u32, time: f64, wall: f64) {
    face(client).engine.handle_network_changed(now(time, wall));
}

/// There is a network, or none.
#[wasm_bindgen]
pub fn handle_online(client: u32, online: bool, time: f64, wall: f64) {
    face(client).engine.handle_online(online, now(time, wall));
}

/// The token provider answered with a token that `ends` on the wall clock, if it says so.
#[wasm_bindgen]
pub fn handle_token(client: u32, request: u32, ends: f64, time: f64, wall: f64) {
    let answer = TokenAnswer::Token { ends: whole(ends).map(WallTime) };
    face(client).engine.handle_token(TokenRequest(request), answer, now(time, wall));
}

/// The token provider failed.
#[wasm_bindgen]
pub fn handle_token_failed(client: u32, request: u32, time: f64, wall: f64) {
    face(client).engine.handle_token(TokenRequest(request), TokenAnswer::Failed, now(time, wall));
}

// ---- Inputs of a link ----

/// The socket is open; `protocol` is 0 for plain, 1 for `staywire.v1`.
#[wasm_bindgen]
pub fn handle_opened(client: u32, link: u32, protocol: u32, time: f64, wall: f64) {
    face(client).engine.handle_opened(LinkId(link), wire(protocol), now(time, wall));
}

/// The socket could not be opened. `kind` counts the engine's `FailureKind` from 0.
#[wasm_bindgen]
pub fn handle_open_failed(
    client: u32,
    link: u32,
    kind: u32,
    retry_after: f64,
    time: f64,
    wall: f64,
) {
    let failure = failure(kind, retry_after);
    face(client).engine.handle_open_failed(LinkId(link), failure, now(time, wall));
}

/// The socket closed, or broke.
#[wasm_bindgen]
pub fn handle_closed(client: u32, link: u32, kind: u32, retry_after: f64, time: f64, wall: f64) {
    let failure = failure(kind, retry_after);
    face(client).engine.handle_closed(LinkId(link), failure, now(time, wall));
}

/// Anything at all arrived.
#[wasm_bindgen]
pub fn handle_heard(client: u32, link: u32, time: f64, wall: f64) {
    face(client).engine.handle_heard(LinkId(link), now(time, wall));
}

/// The server greeted the link. Without an `interval` the heartbeat stays as configured.
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "a record would have to be built on both sides")]
pub fn handle_welcome(
    client: u32,
    link: u32,
    interval: f64,
    timeout: f64,
    token_ends_in: f64,
    identity: &str,
    store: &str,
    window: f64,
    entries: u32,
    time: f64,
    wall: f64,
) {
    let heartbeat = millis(interval)
        .map(|interval| HeartbeatConfig { interval, timeout: Millis(timeout as u64) });
    let token_ends_in = millis(token_ends_in);
    let window = Millis(window as u64);
    let welcome = Welcome { heartbeat, token_ends_in, identity, store, window, entries };
    face(client).engine.handle_welcome(LinkId(link), welcome, now(time, wall));
}

/// The server asks whether anybody is there.
#[wasm_bindgen]
pub fn handle_ping(client: u32, link: u32) {
    face(client).engine.handle_ping(LinkId(link));
}

/// The server answered a subscription, or its log began anew.
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "a record would have to be built on both sides")]
pub fn handle_bound(
    client: u32,
    link: u32,
    subscription: u32,
    epoch: &str,
    offset: f64,
    tip: f64,
    time: f64,
    wall: f64,
) {
    let binding = Binding { subscription, epoch, offset: offset as u64, tip: tip as u64 };
    face(client).engine.handle_bound(LinkId(link), binding, now(time, wall));
}

/// The server refuses a subscription; for good, where `retry_after` is absent. The room that it
/// was, or 0.
#[wasm_bindgen]
pub fn handle_refused(
    client: u32,
    link: u32,
    subscription: u32,
    retry_after: f64,
    time: f64,
    wall: f64,
) -> u32 {
    let retry_after = millis(retry_after);
    let now = now(time, wall);
    let room = face(client).engine.handle_refused(LinkId(link), subscription, retry_after, now);
    room.map_or(0, |room| room.0)
}

/// Events up to `to` are gone. `reason` is the number of a `GapReason`.
#[wasm_bindgen]
pub fn handle_gap(
    client: u32,
    link: u32,
    subscription: u32,
    to: f64,
    reason: u32,
    time: f64,
    wall: f64,
) {
    let (to, reason) = (to as u64, gap_reason(reason));
    face(client).engine.handle_gap(LinkId(link), subscription, to, reason, now(time, wall));
}

/// `count` events from the offset `first` on arrived (0: they have none). How many of them to
/// skip, or -1 to discard them all; number 0 is the room. Poll before handing them over: a gap
/// before them is said there.
#[wasm_bindgen]
pub fn handle_data(
    client: u32,
    link: u32,
    subscription: u32,
    first: f64,
    count: u32,
    time: f64,
    wall: f64,
) -> i32 {
    let frame = DataFrame { subscription, first: first as u64, count };
    match face(client).engine.handle_data(LinkId(link), frame, now(time, wall)) {
        Verdict::Deliver { room, skip, gap } => {
            face(client).said.data(room, gap);
            skip as i32
        }
        Verdict::Discard => -1,
    }
}

/// The server answered a call or a publish; tells whether anybody waits for it.
#[wasm_bindgen]
pub fn handle_reply(client: u32, link: u32, id: u32, time: f64, wall: f64) -> bool {
    face(client).engine.handle_reply(LinkId(link), id, now(time, wall))
}

/// The server wants this link gone, and another made after a wait.
#[wasm_bindgen]
pub fn handle_goaway(client: u32, link: u32, reconnect_after: f64, time: f64, wall: f64) {
    let reconnect_after = Millis(reconnect_after as u64);
    face(client).engine.handle_goaway(LinkId(link), reconnect_after, now(time, wall));
}

/// The peer broke the protocol.
#[wasm_bindgen]
pub fn handle_violation(client: u32, link: u32, time: f64, wall: f64) {
    face(client).engine.handle_violation(LinkId(link), now(time, wall));
}

// ---- Output ----

/// The next thing to do; what comes with it is in [`number`] and
/// [`text`].
#[wasm_bindgen]
pub fn poll(client: u32) -> Kind {
    let Face { engine, said } = face(client);
    said.poll(engine)
}

/// One of the numbers of what was said last.
#[wasm_bindgen]
pub fn number(client: u32, index: usize) -> f64 {
    face(client).said.number(index)
}

/// Where the text of what was said last begins in this module's memory. It is UTF-8, and stays until
/// the next poll.
#[wasm_bindgen]
pub fn text_at(client: u32) -> *const u8 {
    face(client).said.text().as_ptr()
}

/// How many bytes the text has; 0 if there is none.
#[wasm_bindgen]
pub fn text_length(client: u32) -> usize {
    face(client).said.text().len()
}

/// The state of the connection, numbered as in `StateChanged`.
#[wasm_bindgen]
pub fn state(client: u32) -> u32 {
    number_of(face(client).engine.state()) as u32
}

/// The last offset that was delivered in a room, once the server has given one, else -1. The
/// text is the epoch.
#[wasm_bindgen]
pub fn position(client: u32, room: u32) -> f64 {
    let Face { engine, said } = face(client);
    said.position(engine, RoomId(room)).map_or(-1.0, |offset| offset as f64)
}

/// Whether this link is still wanted.
#[wasm_bindgen]
pub fn has_link(client: u32, link: u32) -> bool {
    face(client).engine.has_link(LinkId(link))
}

/// Messages in the outbox.
#[wasm_bindgen]
pub fn outbox_messages(client: u32) -> usize {
    face(client).engine.outbox_usage().0
}

/// Payload bytes in the outbox.
#[wasm_bindgen]
pub fn outbox_bytes(client: u32) -> usize {
    face(client).engine.outbox_usage().1
}
