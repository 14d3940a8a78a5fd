//! The engine's commands, inputs and questions, each with numbers for arguments.
//!
//! It only hands on. All of them share one export, because an export with a name, a type and clocks of
//! its own for each came to a twentieth of the module, and to far more of its JavaScript.

use staywire::engine::{
    Binding, DataFrame, HeartbeatConfig, LinkId, Millis, RoomId, Time, TokenAnswer, TokenRequest,
    Verdict, WallTime, Welcome,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::clients::{Face, face};
use crate::inputs::{failure, from, gap_reason, millis, now, whole, wire};
use crate::outputs::{Kind, number_of};

/// What [`tell`] is told, which numbers it takes, in their order, and what it answers.
///
/// Numbers that name something start at 1, so that 0 can say "none". Epochs, identities and stores are
/// texts of the server that JavaScript numbers, the same number for the same text. A span or a time
/// that is left out, or negative, is absent. What has no answer answers 0.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Asks for a connection.
    Connect = 0,
    /// Begin (0 next event, 1 history, 2 position), number of past events or offset, epoch. Answers
    /// the room, or 0 if too many are joined.
    Join = 1,
    /// Room.
    Leave = 2,
    /// Room, epoch and offset of the last event that was handed over.
    RoomOverflowed = 3,
    /// Room.
    RoomCaughtUp = 4,
    /// Whether it may be repeated, the time it ends. Answers the call, or 0 if too many are open.
    Call = 5,
    /// Call.
    CancelCall = 6,
    /// Payload bytes. Answers the publish, or 0 if the outbox is full.
    Publish = 7,
    /// Payload bytes. Answers the event, or 0 if the outbox is full.
    SendEvent = 8,
    /// Call, publish or event that turned out to be impossible to send.
    Abandon = 9,
    /// Publish or event. Answers whether it was taken out before it was sent.
    Withdraw = 10,
    /// Closes for good.
    Close = 11,
    /// The time of the last timeout is reached.
    Timeout = 12,
    /// The platform woke up.
    Wake = 13,
    /// The way to the network changed.
    NetworkChanged = 14,
    /// Whether there is a network.
    Online = 15,
    /// Request, when the token ends on the wall clock.
    Token = 16,
    /// Request.
    TokenFailed = 17,
    /// Link, protocol (0 plain, 1 `staywire.v1`).
    Opened = 18,
    /// Link, kind of failure (the engine's `FailureKind`, counted from 0), span to come back after.
    OpenFailed = 19,
    /// Link, kind of failure, span to come back after.
    Closed = 20,
    /// Link.
    Heard = 21,
    /// Link, heartbeat's interval and timeout, span the token lives, identity, store, span and count
    /// of the publishes it remembers.
    Welcome = 22,
    /// Link.
    Ping = 23,
    /// Link, subscription, epoch, offset, tip.
    Bound = 24,
    /// Link, subscription, span to come back after. Answers the room, or 0.
    Refused = 25,
    /// Link, subscription, last offset that is gone, reason.
    Gap = 26,
    /// Link, subscription, first offset (0: none), count. Answers how many to skip, or -1 to discard
    /// all of them; number 0 is the room. Poll before handing them over: a gap is said there.
    Data = 27,
    /// Link, call or publish. Answers whether anybody waits for it.
    Reply = 28,
    /// Link, span to make another after.
    Goaway = 29,
    /// Link.
    Violation = 30,
    /// Answers the state, numbered as in `StateChanged`.
    State = 31,
    /// Room. Answers the last offset that was delivered or said to be missing, and -1 before the
    /// server has given one; number 0 is the epoch.
    Position = 32,
    /// Link. Answers whether it is still wanted.
    HasLink = 33,
    /// Answers how many messages are in the outbox; number 0 is their payload bytes.
    OutboxUsage = 34,
}

/// By its number; another one traps. `wasm-bindgen` would do this too, but throws a text.
fn numbered(input: usize) -> Input {
    match input {
        0 => Input::Connect,
        1 => Input::Join,
        2 => Input::Leave,
        3 => Input::RoomOverflowed,
        4 => Input::RoomCaughtUp,
        5 => Input::Call,
        6 => Input::CancelCall,
        7 => Input::Publish,
        8 => Input::SendEvent,
        9 => Input::Abandon,
        10 => Input::Withdraw,
        11 => Input::Close,
        12 => Input::Timeout,
        13 => Input::Wake,
        14 => Input::NetworkChanged,
        15 => Input::Online,
        16 => Input::Token,
        17 => Input::TokenFailed,
        18 => Input::Opened,
        19 => Input::OpenFailed,
        20 => Input::Closed,
        21 => Input::Heard,
        22 => Input::Welcome,
        23 => Input::Ping,
        24 => Input::Bound,
        25 => Input::Refused,
        26 => Input::Gap,
        27 => Input::Data,
        28 => Input::Reply,
        29 => Input::Goaway,
        30 => Input::Violation,
        31 => Input::State,
        32 => Input::Position,
        33 => Input::HasLink,
        34 => Input::OutboxUsage,
        _ => panic!(),
    }
}

/// Tells the engine something, and then [`poll`] says what to do about it. `time` and `wall` are the
/// two clocks, in milliseconds; what the other numbers mean stands with each [`Input`].
#[wasm_bindgen]
#[expect(clippy::too_many_arguments, reason = "a list of them would have to be copied")]
pub fn tell(
    client: usize,
    input: usize,
    time: f64,
    wall: f64,
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
    g: f64,
    h: f64,
) -> f64 {
    let Face { engine, said } = face(client);
    let now = now(time, wall);
    // Nearly everything names a link, or something else by its first number.
    let (id, second) = (a as u32, b as u32);
    let (link, room) = (LinkId(id), RoomId(id));
    let answer = match numbered(input) {
        Input::Connect => {
            engine.connect(now);
            0
        }
        Input::Join => engine.join(from(id, b, c as u32), now).map_or(0, |room| room.0),
        Input::Leave => {
            engine.leave(room);
            0
        }
        Input::RoomOverflowed => {
            engine.room_overflowed(room, second, c as u64);
            0
        }
        Input::RoomCaughtUp => {
            engine.room_caught_up(room);
            0
        }
        Input::Call => engine.call(a > 0.0, whole(b).map(Time), now).unwrap_or(0),
        Input::CancelCall => {
            engine.cancel_call(id);
            0
        }
        Input::Publish => engine.publish(a as usize, now).unwrap_or(0),
        Input::SendEvent => engine.send_event(a as usize, now).unwrap_or(0),
        Input::Abandon => {
            engine.abandon(id);
            0
        }
        Input::Withdraw => engine.withdraw(id).into(),
        Input::Close => {
            engine.close();
            0
        }
        Input::Timeout => {
            engine.handle_timeout(now);
            0
        }
        Input::Wake => {
            engine.handle_wake(now);
            0
        }
        Input::NetworkChanged => {
            engine.handle_network_changed(now);
            0
        }
        Input::Online => {
            engine.handle_online(a > 0.0, now);
            0
        }
        Input::Token => {
            let answer = TokenAnswer::Token { ends: whole(b).map(WallTime) };
            engine.handle_token(TokenRequest(id), answer, now);
            0
        }
        Input::TokenFailed => {
            engine.handle_token(TokenRequest(id), TokenAnswer::Failed, now);
            0
        }
        Input::Opened => {
            engine.handle_opened(link, wire(second), now);
            0
        }
        Input::OpenFailed => {
            engine.handle_open_failed(link, failure(second, c), now);
            0
        }
        Input::Closed => {
            engine.handle_closed(link, failure(second, c), now);
            0
        }
        Input::Heard => {
            engine.handle_heard(link, now);
            0
        }
        Input::Welcome => {
            let timeout = Millis(c as u64);
            let welcome = Welcome {
                heartbeat: millis(b).map(|interval| HeartbeatConfig { interval, timeout }),
                token_ends_in: millis(d),
                identity: e as u32,
                store: f as u32,
                window: Millis(g as u64),
                entries: h as u32,
            };
            engine.handle_welcome(link, welcome, now);
            0
        }
        Input::Ping => {
            engine.handle_ping(link);
            0
        }
        Input::Bound => {
            let (subscription, epoch) = (second, c as u32);
            let binding = Binding { subscription, epoch, offset: d as u64, tip: e as u64 };
            engine.handle_bound(link, binding, now);
            0
        }
        Input::Refused => {
            engine.handle_refused(link, second, millis(c), now).map_or(0, |room| room.0)
        }
        Input::Gap => {
            engine.handle_gap(link, second, c as u64, gap_reason(d as u32), now);
            0
        }
        Input::Data => {
            let frame = DataFrame { subscription: second, first: c as u64, count: d as u32 };
            match engine.handle_data(link, frame, now) {
                Verdict::Deliver { room, skip, gap } => {
                    said.data(room, gap);
                    skip
                }
                Verdict::Discard => return -1.0,
            }
        }
        Input::Reply => engine.handle_reply(link, second, now).into(),
        Input::Goaway => {
            engine.handle_goaway(link, Millis(b as u64), now);
            0
        }
        Input::Violation => {
            engine.handle_violation(link, now);
            0
        }
        Input::State => number_of(engine.state()) as u32,
        Input::Position => {
            return match engine.position(room) {
                Some((epoch, offset)) => {
                    said.answer(*epoch);
                    offset as f64
                }
                None => -1.0,
            };
        }
        Input::HasLink => engine.has_link(link).into(),
        Input::OutboxUsage => {
            let (messages, bytes) = engine.outbox_usage();
            said.answer(bytes as u32);
            messages as u32
        }
    };
    answer.into()
}

/// The next thing to do; what comes with it is in [`number`].
#[wasm_bindgen]
pub fn poll(client: usize) -> Kind {
    let Face { engine, said } = face(client);
    said.poll(engine)
}

/// One of the numbers of what was said last.
#[wasm_bindgen]
pub fn number(client: usize, index: usize) -> f64 {
    face(client).said.number(index)
}

#[cfg(test)]
mod tests {
    use super::{Input, numbered};

    #[test]
    fn every_input_has_its_own_number() {
        for number in 0..=Input::OutboxUsage as usize {
            assert_eq!(numbered(number) as usize, number);
        }
    }
}
