//! The engine's outputs as a kind and a few numbers.
//!
//! The tables here are the contract with the JavaScript above; nothing else says them again.

use staywire::engine::{Engine, From, Gap, Outgoing, Output, RoomId, State, Subscribe};
use wasm_bindgen::prelude::wasm_bindgen;

/// What an output is, and which numbers come with it, in their order.
#[wasm_bindgen]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing more until an input comes.
    Idle = 0,
    /// Nothing more for now. When to call `handle_timeout`, for which timer.
    Timeout = 1,
    /// Link, whether to offer `staywire.v1`.
    Open = 2,
    /// Link, whether in order.
    Close = 3,
    /// Request.
    NeedToken = 4,
    /// Request.
    DropToken = 5,
    /// State (0 idle, 1 connecting, 2 connected, 3 reconnecting, 4 offline, 5 closed), cause; only
    /// if reconnecting: attempt, when it is due.
    StateChanged = 6,
    /// Room, offset, epoch.
    Joined = 7,
    /// Room, reason (0 refused, 1 unsupported, 2 closed).
    RoomFailed = 8,
    /// Room (0: no rooms), first and last missing offset (0: unknown), reason.
    Gap = 9,
    /// Call, reason (0 interrupted, 1 timed out, 2 unsupported, 3 closed).
    CallFailed = 10,
    /// Publish or event, reason (0 uncertain, 1 dropped, 2 unsupported, 3 closed).
    PublishFailed = 11,
    /// Send a hello. Link, how many rooms: as many `Subscribe` follow at once, and belong to it.
    Hello = 12,
    /// Link, subscription, room, begin (0 tip, 1 history, 2 position), number of past events or
    /// offset, a position's epoch. Send a join, unless it belongs to a hello.
    Subscribe = 13,
    /// Send a leave. Link, subscription.
    Leave = 14,
    /// Send a ping. Link.
    Ping = 15,
    /// Send a pong. Link.
    Pong = 16,
    /// Send the call. Link, call.
    Call = 17,
    /// Send the publish. Link, publish, sequence.
    Publish = 18,
    /// Send the event and forget it. Link, event.
    Event = 19,
}

/// What was said last, for JavaScript to read piece by piece, and what is to be said next.
#[derive(Default)]
pub(crate) struct Said {
    numbers: [u64; 6],
    /// A data frame's gap: known with its verdict, said by the next poll.
    gap: Option<Gap>,
}

impl Said {
    pub(crate) fn poll(&mut self, engine: &mut Engine<u32>) -> Kind {
        if let Some(gap) = self.gap.take() {
            return self.lost(gap);
        }
        let (kind, first, second) = match engine.poll_output() {
            Output::Timeout(None) => (Kind::Idle, 0, 0),
            Output::Timeout(Some((at, timer))) => (Kind::Timeout, at.0, timer as u64),
            Output::Open { link, offer_staywire } => {
                (Kind::Open, link.0.into(), offer_staywire.into())
            }
            Output::Send { link, message } => return self.message(link.0, message),
            Output::Close { link, in_order } => (Kind::Close, link.0.into(), in_order.into()),
            Output::NeedToken { request } => (Kind::NeedToken, request.0.into(), 0),
            Output::DropToken { request } => (Kind::DropToken, request.0.into(), 0),
            Output::StateChanged { state, cause } => {
                if let State::Reconnecting { attempt, retry_at, .. } = state {
                    self.numbers[2] = attempt.into();
                    self.numbers[3] = retry_at.0;
                }
                (Kind::StateChanged, number_of(state), cause.code().into())
            }
            Output::Joined { room } => {
                let (epoch, offset) = engine.position(room).unwrap_or((&0, 0));
                self.numbers[2] = (*epoch).into();
                (Kind::Joined, room.0.into(), offset)
            }
            Output::RoomFailed { room, reason } => (Kind::RoomFailed, room.0.into(), reason as u64),
            Output::Gap(gap) => return self.lost(gap),
            Output::CallFailed { id, reason } => (Kind::CallFailed, id.into(), reason as u64),
            Output::PublishFailed { id, reason } => (Kind::PublishFailed, id.into(), reason as u64),
        };
        self.numbers[0] = first;
        self.numbers[1] = second;
        kind
    }

    fn message(&mut self, link: u32, message: Outgoing<u32>) -> Kind {
        let (kind, number) = match message {
            Outgoing::Hello { rooms } => (Kind::Hello, rooms as u32),
            Outgoing::Join(subscribe) => return self.subscribe(link, subscribe),
            Outgoing::Leave { subscription } => (Kind::Leave, subscription),
            Outgoing::Ping => (Kind::Ping, 0),
            Outgoing::Pong => (Kind::Pong, 0),
            Outgoing::Call { id } => (Kind::Call, id),
            Outgoing::Publish { id, sequence } => {
                self.numbers[2] = sequence;
                (Kind::Publish, id)
            }
            Outgoing::Event { id } => (Kind::Event, id),
        };
        self.numbers[0] = link.into();
        self.numbers[1] = number.into();
        kind
    }

    fn subscribe(&mut self, link: u32, subscribe: Subscribe<u32>) -> Kind {
        let (begin, number, epoch) = match subscribe.from {
            From::Tip => (0, 0, 0),
            From::History(count) => (1, count.into(), 0),
            From::Position { epoch, offset } => (2, offset, epoch),
        };
        let Subscribe { subscription, room, .. } = subscribe;
        self.numbers =
            [link.into(), subscription.into(), room.0.into(), begin, number, epoch.into()];
        Kind::Subscribe
    }

    fn lost(&mut self, gap: Gap) -> Kind {
        let room = gap.room.map_or(0, |room| room.0.into());
        self.numbers = [room, gap.from, gap.to, gap.reason as u64, 0, 0];
        Kind::Gap
    }

    /// A data frame's verdict: its room is number 0, and its gap comes first.
    pub(crate) fn data(&mut self, room: RoomId, gap: Option<Gap>) {
        self.answer(room.0);
        self.gap = gap;
    }

    /// What an answer has no place for.
    pub(crate) fn answer(&mut self, number: u32) {
        self.numbers[0] = number.into();
    }

    pub(crate) fn number(&self, index: usize) -> f64 {
        self.numbers.get(index).map_or(f64::NAN, |number| *number as f64)
    }
}

pub(crate) fn number_of(state: State) -> u64 {
    match state {
        State::Idle => 0,
        State::Connecting => 1,
        State::Connected => 2,
        State::Reconnecting { .. } => 3,
        State::Offline => 4,
        State::Closed { .. } => 5,
    }
}
