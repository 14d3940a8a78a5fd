//! The whole of Staywire in virtual time: clients, sessions, hub and store over a network that
//! fails as a seed says, held after each run against what was true.
//!
//! `cargo test -p staywire-server --test simulation` runs 10,000 schedules (`STAYWIRE_RUNS=n` for
//! another number); `STAYWIRE_SEED=n` before it replays one and prints what happened.

mod app;
mod bus;
mod check;
mod client;
mod driver;
mod model;
mod network;
mod planted;
mod rng;
mod run;
mod scenarios;
mod schedule;
mod server;
mod services;
mod stay;
mod trace;
mod world;
