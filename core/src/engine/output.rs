//! What the engine asks of its caller, one thing at a time.

use alloc::vec::Vec;
use core::mem;

use super::credentials::TokenRequest;
use super::link::LinkId;
use super::rooms::{Epoch, From, Gap, RoomId};
use super::state::{Cause, State};
use super::time::Time;
use super::timers::Timer;

/// One thing to do, from [`Engine::poll_output`](super::Engine::poll_output).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<N = Epoch> {
    /// Open a transport under this name, with the token that was fetched last. Answer with
    /// `handle_opened` or `handle_open_failed`.
    Open {
        /// The new link.
        link: LinkId,
        /// Whether to offer the subprotocol `staywire.v1`.
        offer_staywire: bool,
    },
    /// Send this. Never fails: a link that can't carry it any more says so by closing.
    Send {
        /// On which link.
        link: LinkId,
        /// What.
        message: Outgoing<N>,
    },
    /// Close the transport, or stop opening it. Nothing more about it need be reported.
    Close {
        /// The link that ends.
        link: LinkId,
        /// Whether it ends in order, after a close handshake; else it is dropped.
        in_order: bool,
    },
    /// Ask the token provider; answer with `handle_token`.
    NeedToken {
        /// The question.
        request: TokenRequest,
    },
    /// The answer to this question is no longer wanted: cancel the provider.
    DropToken {
        /// The question.
        request: TokenRequest,
    },
    /// The connection's state changed.
    StateChanged {
        /// The new state.
        state: State,
        /// Why.
        cause: Cause,
    },
    /// The server answered a join: the room's position is known from here on.
    Joined {
        /// The room.
        room: RoomId,
    },
    /// A room ended by no wish of the application.
    RoomFailed {
        /// The room; it is forgotten.
        room: RoomId,
        /// Why.
        reason: RoomFailure,
    },
    /// Events are missing for good.
    Gap(Gap),
    /// A call ended without an answer.
    CallFailed {
        /// The call.
        id: u32,
        /// Why.
        reason: CallFailure,
    },
    /// A publish ended without an answer.
    PublishFailed {
        /// The publish.
        id: u32,
        /// Why.
        reason: PublishFailure,
    },
    /// Nothing more to do until an input comes or this time is reached; `None`: until an input.
    Timeout(Option<(Time, Timer)>),
}

/// A message to the server; the caller adds names and payloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing<N = Epoch> {
    /// The first message of a link, with all that is to go on there: the `Join`s that come next,
    /// which are not sent by themselves.
    Hello {
        /// How many they are, in the order the rooms were joined.
        rooms: usize,
    },
    /// Subscribe to a room.
    Join(Subscribe<N>),
    /// End a subscription.
    Leave {
        /// Its number.
        subscription: u32,
    },
    /// Is anybody there?
    Ping,
    /// The answer to the peer's ping.
    Pong,
    /// A call that the caller holds under this id.
    Call {
        /// The call.
        id: u32,
    },
    /// A publish that the caller holds under this id.
    Publish {
        /// The publish.
        id: u32,
        /// What the server tells repeats by.
        sequence: u64,
    },
    /// An event without an answer, held under this id; forget it once it is sent.
    Event {
        /// The event.
        id: u32,
    },
}

/// A subscription that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe<N = Epoch> {
    /// Its number on this link.
    pub subscription: u32,
    /// The room.
    pub room: RoomId,
    /// Where to begin.
    pub from: From<N>,
}

/// Why a room ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomFailure {
    /// The server refuses it.
    Refused,
    /// The protocol has no rooms.
    Unsupported,
    /// The client closed.
    Closed,
}

/// Why a call got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// The link died after it was sent, and it may not be repeated.
    Interrupted,
    /// Its time was over.
    TimedOut,
    /// The protocol has no calls.
    Unsupported,
    /// The client closed.
    Closed,
}

/// Why a publish got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishFailure {
    /// It was sent, may have taken effect, and the server could not tell a repeat any more.
    Uncertain,
    /// It was dropped unsent to make room for a newer one.
    Dropped,
    /// The protocol has no rooms.
    Unsupported,
    /// The client closed before it was sent.
    Closed,
}

/// What is to be said, oldest first. A `VecDeque` would do the same in several times the code, and
/// callers drain it after each mutation anyway.
#[derive(Debug)]
pub(crate) struct Outputs<N> {
    queue: Vec<Output<N>>,
    said: usize,
}

impl<N> Default for Outputs<N> {
    fn default() -> Self {
        Self { queue: Vec::new(), said: 0 }
    }
}

impl<N> Outputs<N> {
    pub(crate) fn push_back(&mut self, output: Output<N>) {
        self.queue.push(output);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.said == self.queue.len()
    }

    pub(crate) fn pop_front(&mut self) -> Option<Output<N>> {
        match self.queue.get_mut(self.said) {
            Some(next) => {
                self.said += 1;
                Some(mem::replace(next, Output::Timeout(None)))
            }
            None => {
                self.queue.clear();
                self.said = 0;
                None
            }
        }
    }
}
