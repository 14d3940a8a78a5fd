//! The client and the server on real sockets, with a proxy between them that cuts, stalls and
//! refuses; and stock peers where the other end is somebody else's.
//!
//! Nothing here sleeps to wait for something: every wait is for a condition, with a deadline.
#![allow(clippy::unwrap_used, reason = "a test that can't go on should stop where it is")]

mod ai;
mod crowd;
mod dashboards;
mod drain;
mod generation;
mod hostile;
mod kill;
mod liar;
mod life;
mod peer;
mod people;
mod plain;
mod refresh;
mod rooms;
mod support;
mod tasks;
#[path = "../common/tls.rs"]
mod terminator;
mod tls;
mod upgrade;
