//! The reference server of Staywire: the whole back end that its clients are made for.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use staywire_server::{Server, config::Config};
//!
//! let server = Server::start(Config::for_demo()).await?;
//! println!("listening on {}", server.address());
//! server.shut_down().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what | knows |
//! |---|---|---|
//! | [`gateway`] | who may come in | [`config`] |
//! | [`session`] | one connection's conversation | `gateway`, `hub` |
//! | [`hub`] | who is in which room, and where in its log | `bus` |
//! | [`bus`] | logs, whose they are, and how events reach every instance | |
//! | [`services`] | what the server does for its clients | `hub` |
//! | `conversation` | runs a session, for the transports `socket` and `socketio` | `session` |
//! | [`http`] | routes and upgrades | all of these |

pub mod bus;
pub mod config;
mod conversation;
pub mod gateway;
pub mod http;
pub mod hub;
mod listener;
mod server;
pub mod services;
pub mod session;
mod socket;
mod socketio;
mod time;

pub use server::{Server, StartError};
