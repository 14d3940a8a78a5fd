//! The real-time client that stays connected.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use staywire::{AnswerEvent, Client};
//!
//! let client = Client::builder("ws://127.0.0.1:8000/ws/ai/chat").build()?;
//! client.connect().await?;
//! let mut answer = client.ask("What is a gap?").await?;
//! while let Some(piece) = answer.next().await {
//!     if let AnswerEvent::Token(token) = piece {
//!         print!("{}", token.token);
//!     }
//! }
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//!
//! | module | what | needs |
//! |---|---|---|
//! | [`engine`] | the whole behaviour, as one state machine over numbers | `alloc` |
//! | [`wire`] | frames: bytes to envelopes and back | feature `wire` |
//! | [`events`] | the schema of known events | feature `wire` |
//! | [`folds`] | what streams of events come to: answers, generations, tasks, dashboards, people | feature `wire` |
//! | [`connection`] | engine, codecs and payloads put together, without I/O | feature `wire` |
//! | `testing` | a server for the tests of your application | feature `testing` |
//! | [`Client`] | the client on tokio | feature `client` (default) |
//!
//! `wss` needs the feature `tls` (default). The feature `socketio` adds Socket.IO servers:
//! `ClientBuilder::socketio`.
#![cfg_attr(not(feature = "wire"), no_std)]

extern crate alloc;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "wire")]
pub mod connection;
#[cfg(feature = "client")]
mod driver;
pub mod engine;
#[cfg(feature = "wire")]
pub mod events;
#[cfg(feature = "wire")]
pub mod folds;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "wire")]
pub mod wire;

/// Socket.IO: what goes out, what comes back, and how it travels.
#[cfg(feature = "socketio")]
pub mod socketio {
    pub use crate::connection::socketio::{Continuity, Reply};
    pub use crate::driver::SocketIoTransport as Transport;
    pub use crate::wire::socketio::{Arguments, Parser, Placeholder, SocketIoError};
}

#[cfg(feature = "client")]
pub use client::*;
#[cfg(feature = "wire")]
pub use connection::{Identity, Refusal};
#[cfg(feature = "client")]
pub use driver::{Trace, Traced, UrlError};
pub use engine::{Cause, Gap, GapReason, OnOverflow, ProtocolChoice, State};
#[cfg(feature = "wire")]
pub use wire::control::Published;
#[cfg(feature = "wire")]
pub use wire::{Event, EventError, Payload, WireError};
