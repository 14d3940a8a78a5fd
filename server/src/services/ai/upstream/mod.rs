//! Providers that are asked over HTTP and answer with a stream of server-sent events: everything that
//! they have in common.
//!
//! Tokens are passed on as they arrive. An answer lives inside its stream: it works only when polled, and
//! dropping it ends the request, connection and all. What went wrong on the other side is told to clients
//! by its kind alone; its words go to the log, without the key.

mod client;
mod conversation;
mod events;
mod fault;
mod fences;
mod retry;
mod run;

pub(super) use client::Upstream;
pub(super) use conversation::{Conversation, Turn};
pub(super) use fault::{Fault, told_in_stream};
pub(super) use run::{Dialect, Piece, answer};
